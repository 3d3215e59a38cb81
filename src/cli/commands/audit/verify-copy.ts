/** The JSON-lines copy of the audit log, checked here: neither gateway nor store is asked. */

import type { ChainHead } from '../../../audit/chain/chain.ts'
import { type CopiesVerdict, verifyCopies } from '../../../audit/copy/verify-copies.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { readHeads } from '../../files/heads.ts'
import { linesOfFile } from '../../files/lines.ts'
import { publicKeyOf } from '../../files/public-key.ts'
import type { VerifyOptions } from './verify-options.ts'

export async function verifyCopy(
  files: readonly string[],
  { key, checkpoint, heads: headFiles, tsaCa, oneOfSeveral: partial = false, fromStart = false }: VerifyOptions,
  context: Context,
): Promise<void> {
  const { terminal } = context
  const publicKey = await publicKeyOf(key, context)
  const copies = files.map(name => ({ name, lines: linesOfFile(name) }))
  const sent = headFiles === undefined ? undefined : await readHeads(headFiles, publicKey, tsaCa)
  const noted = [...(checkpoint === undefined ? [] : [checkpoint]), ...(sent?.heads ?? [])]
  const verdict = await verifyCopies(copies, publicKey, { partial, noted })
  const complaints = [
    ...verdict.problems.map(problem => `${problem.file}:${problem.line}: ${problem.message}`),
    ...beginning(verdict, checkpoint, fromStart),
    ...(sent?.problems ?? []),
  ]
  const unshown = verdict.problemCount - verdict.problems.length
  if (context.json) terminal.json({ ...verdict, ok: complaints.length === 0, complaints })
  else {
    for (const complaint of complaints) terminal.line(`${terminal.style('red', 'bad')}  ${printable(complaint)}`)
    if (unshown > 0) terminal.line(`and ${unshown} more`)
    for (const note of [...notesOf(verdict, partial), ...(sent?.notes ?? [])]) terminal.line(printable(note))
    if (sent !== undefined) terminal.line(`${verdict.confirmed} of ${noted.length} heads are in it`)
    const { first, last } = verdict
    if (complaints.length === 0 && first !== undefined && last !== undefined) {
      const range = `${first.seq} to ${last.seq}`
      terminal.line(
        `${terminal.style('green', 'whole')}: ${verdict.events} events (${range}), each signed and in its place.`,
      )
      terminal.line(terminal.style('dim', `checkpoint ${last.seq}:${last.hash}`))
    }
  }
  if (verdict.first === undefined && complaints.length === 0)
    throw new CliError(EXIT.no, 'There is no audit event in these files.')
  if (complaints.length === 0) return
  const gaps = verdict.problems.some(({ problem }) => problem === 'missing') && !partial
  throw new CliError(
    EXIT.no,
    `This is not the whole log: ${verdict.problemCount + complaints.length - verdict.problems.length} faults.`,
    gaps
      ? 'Where several gateways write copies name the files of all; with those of one alone say --one-of-several.'
      : undefined,
  )
}

/** What is wrong with where the copy begins. */
function beginning({ first }: CopiesVerdict, checkpoint: ChainHead | undefined, fromStart: boolean): string[] {
  if (first === undefined) return []
  const where = `${first.file}:${first.line}`
  if (fromStart && first.seq > 1)
    return [`${where}: the beginning is cut off: events 1 to ${first.seq - 1} are missing`]
  if (checkpoint === undefined || checkpoint.seq >= first.seq) return []
  if (checkpoint.seq < first.seq - 1) {
    return [
      `${where}: events ${checkpoint.seq + 1} to ${first.seq - 1} are missing between the checkpoint and event ${first.seq}`,
    ]
  }
  return checkpoint.hash === first.previous ? [] : [`${where}: event ${first.seq} does not follow the checkpoint`]
}

/** What is worth knowing and no fault. */
function notesOf({ first, torn, repeated, absent }: CopiesVerdict, partial: boolean): string[] {
  const notes = torn.map(
    ({ file, line }) => `${file}:${line}: an unfinished last line, left by a crash; it is not counted`,
  )
  if (first !== undefined && first.seq > 1) {
    notes.push(
      `${first.file}:${first.line}: begins with event ${first.seq}; events 1 to ${first.seq - 1} are in no file here`,
    )
  }
  if (repeated > 0) notes.push(`${repeated} events stand in two files`)
  if (partial) notes.push(`${absent} events of other gateways are not here`)
  return notes
}
