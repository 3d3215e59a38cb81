/** `sallyport audit verify`: the log in the store by the gateway, or the JSON-lines copy by itself, with the public key alone. */

import type { Command } from 'commander'
import type { ChainHead } from '../audit/chain.ts'
import { type CopiesVerdict, verifyCopies } from '../audit/verify-copies.ts'
import type { AuditVerdict } from '../console/routes/audit.ts'
import { printable } from '../recording/printable.ts'
import type { Context } from './context.ts'
import { CliError, EXIT } from './exit.ts'
import { linesOfFile } from './lines.ts'
import { publicKeyOf } from './public-key.ts'

interface Options {
  key?: string
  checkpoint?: string
  oneOfSeveral?: boolean
  fromStart?: boolean
}

export function addAuditVerify(audit: Command, context: Context): void {
  const { terminal } = context
  audit
    .command('verify')
    .description('check that the chain is whole and signed')
    .argument(
      '[file...]',
      'the copy as JSON lines (`audit.file`, rotated files too, in any order); not given: the log in the store',
    )
    .option(
      '--key <file>',
      'for files: the public key, as `sallyport key public` prints it (else asked of the gateway)',
    )
    .option('--checkpoint <number:hash>', 'a head that was noted earlier: it must still be there')
    .option('--one-of-several', 'for files: of one of several gateways, so that events of the others are not in them')
    .option('--from-start', 'for files: they must begin with the first event')
    .addHelpText(
      'after',
      '\nWith --key, files are checked here, without a gateway. The exit code is 1 where something is missing or not what was signed.',
    )
    .action(async (files: string[], options: Options) => {
      const checkpoint = options.checkpoint === undefined ? undefined : parseCheckpoint(options.checkpoint)
      if (files.length > 0) return verifyFiles(files, checkpoint, options, context)
      if (options.key !== undefined || options.oneOfSeveral || options.fromStart) {
        throw new CliError(EXIT.usage, '--key, --one-of-several and --from-start are for files; name them.')
      }
      const body = checkpoint === undefined ? {} : { checkpoint }
      const verdict = await (await context.client()).send<AuditVerdict>('POST', '/v1/audit/verify', body)
      if (context.json) terminal.json(verdict)
      else if (verdict.ok) {
        terminal.line(`${terminal.style('green', 'whole')}: ${verdict.events} events, each signed and in its place.`)
        terminal.line(terminal.style('dim', `checkpoint ${verdict.head.seq}:${verdict.head.hash}`))
      }
      if (!verdict.ok) {
        throw new CliError(
          EXIT.no,
          `The audit log is not whole: ${verdict.message}.`,
          `The first ${verdict.events} events are good; event ${verdict.seq} is the first that is not.`,
        )
      }
    })
}

async function verifyFiles(
  files: readonly string[],
  checkpoint: ChainHead | undefined,
  { key, oneOfSeveral: partial = false, fromStart = false }: Options,
  context: Context,
): Promise<void> {
  const { terminal } = context
  const publicKey = await publicKeyOf(key, context)
  const copies = files.map(name => ({ name, lines: linesOfFile(name) }))
  // One right before the copy is the end of what was archived.
  const verdict = await verifyCopies(copies, publicKey, {
    partial,
    noted: checkpoint === undefined ? [] : [checkpoint],
  })
  const complaints = [
    ...verdict.problems.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    ...beginning(verdict, checkpoint, fromStart),
  ]
  const unshown = verdict.problemCount - verdict.problems.length
  if (context.json) terminal.json({ ...verdict, ok: complaints.length === 0, complaints })
  else {
    for (const complaint of complaints) terminal.line(`${terminal.style('red', 'bad')}  ${printable(complaint)}`)
    if (unshown > 0) terminal.line(`and ${unshown} more`)
    for (const note of notesOf(verdict, partial)) terminal.line(printable(note))
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

function parseCheckpoint(text: string): ChainHead {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (match === null)
    throw new CliError(EXIT.usage, '--checkpoint: written as NUMBER:HASH, as `sallyport audit verify` prints it.')
  return { seq: Number(match[1]), hash: match[2]! }
}
