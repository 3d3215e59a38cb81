/** `sallyport session verify FOLDER --against LIST`: folders of recordings against a signed list, without a gateway. */

import { stat } from 'node:fs/promises'
import { type CheckedRecording, checkFolders, isFine } from '../../../evidence/check-folder.ts'
import { readSessionList, type SessionList } from '../../../evidence/session-list.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { compareHeads, readHeads } from '../../files/heads.ts'
import { linesOfFile } from '../../files/lines.ts'
import { publicKeyOf } from '../../files/public-key.ts'
import { localTime } from '../../terminal/time.ts'

export async function verifyAgainst(
  folders: readonly string[],
  files: { readonly list: string; readonly key: string | undefined; readonly heads: readonly string[] | undefined },
  context: Context,
): Promise<void> {
  const { terminal } = context
  for (const folder of folders) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
      throw new CliError(EXIT.usage, `${folder} is no folder; --against compares folders of recordings with a list.`)
    }
  }
  const key = await publicKeyOf(files.key, context)
  const list = await readList(files.list, key)
  if (files.heads !== undefined) await checkEnd(list, files.heads, key)
  const found: CheckedRecording[] = []
  const counts = new Map<string, number>()
  for await (const recording of checkFolders(folders, list, key)) {
    counts.set(recording.state, (counts.get(recording.state) ?? 0) + 1)
    if (context.json) found.push(recording)
    else terminal.line(lineOf(recording, context))
  }
  const { header, head } = list
  const of = {
    madeAt: new Date(header.madeAt).toISOString(),
    sessions: list.sessions.size,
    head: { seq: head.seq, hash: head.hash },
  }
  if (context.json) terminal.json({ list: of, counts: Object.fromEntries(counts), recordings: found })
  else {
    const summary = [...counts].map(([state, count]) => `${count} ${state}`).join(', ') || 'no recordings'
    terminal.line(`${summary}; against ${of.sessions} sessions up to event ${head.seq}, ${localTime(of.madeAt)}.`)
  }
  if ([...counts.keys()].every(state => isFine({ state: state as CheckedRecording['state'] }))) return
  const strange = counts.get('good') === undefined && counts.get('foreign') !== undefined && counts.has('deleted')
  if (strange) {
    throw new CliError(
      EXIT.no,
      'None of these recordings is in the list.',
      'Is this the folder of the installation that made the list?',
    )
  }
  throw new CliError(EXIT.no, '')
}

async function readList(path: string, key: string): Promise<SessionList> {
  const result = await readSessionList(linesOfFile(path), key)
  if ('list' in result) return result.list
  throw new CliError(EXIT.no, `${path} cannot be used: ${result.why}.`, result.next)
}

/** A list of a log whose end was cut off knows nothing of the sessions that were in it. */
async function checkEnd({ header, head }: SessionList, files: readonly string[], key: string): Promise<void> {
  const { heads, problems } = await readHeads(files, key, undefined)
  // One that covers all times was made of all that there was then.
  const before = heads.filter(({ at }) => at < (header.until === null ? header.madeAt : 0))
  const found = [
    ...problems,
    ...compareHeads(before, head.seq, () => undefined),
    ...compareHeads(
      heads.filter(({ seq }) => seq === head.seq),
      head.seq,
      () => head.hash,
    ),
  ]
  if (found.length === 0) return
  throw new CliError(
    EXIT.no,
    `The list cannot be used: ${found[0]}.`,
    'Look at the log itself: sallyport audit verify --heads FILE',
  )
}

function lineOf({ state, file, why }: CheckedRecording, { terminal }: Context): string {
  const fine = isFine({ state })
  const word = terminal.style(fine ? 'green' : 'red', state.padEnd(11))
  const reason = printable(why)
  return `${word}  ${printable(file)}  ${fine ? terminal.style('dim', reason) : reason}`
}
