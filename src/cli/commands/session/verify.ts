/** `sallyport session verify`: is a recording whole and unaltered? Files offline with the public key alone, sessions by the gateway. */

import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import type { RecordingVerdict, SealNotes } from '../../../api/routes/recordings.ts'
import { type Comparison, compareWithNotes, notCompared } from '../../../recording/format/seal-notes.ts'
import { EXTENSION } from '../../../recording/store/paths.ts'
import { type Verification, verifyFolder, verifyRecording } from '../../../recording/store/verify.ts'
import { messageOf } from '../../../shared/errors.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import { cut } from '../../../shared/text/width.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { publicKeyOf } from '../../files/public-key.ts'
import { isSessionId, pathOfOrLast } from './path.ts'
import { verifyAgainst } from './verify-against.ts'

/** What is said of one recording, wherever it was checked. */
interface Verdict {
  readonly what: string
  readonly ok: boolean
  readonly frames: number
  readonly bytes: number
  readonly firstBad: { readonly frame: number; readonly offset: number; readonly why: string } | null
  readonly reason: string | null
  /** With the gateway's records of the session. */
  readonly compared: Comparison
}

type Compare = (session: string | undefined, hash: string | undefined) => Promise<Comparison>

export function addVerify(session: Command, context: Context): void {
  const { terminal } = context
  session
    .command('verify')
    .description('check that recordings are whole and unaltered')
    .argument('<session|file|folder...>', 'a session by its id (or last), or recordings by their path')
    .option(
      '--key <file>',
      'for files: the public key, as `sallyport key public` prints it (else asked of the gateway)',
    )
    .option(
      '--against <list>',
      'for folders: a list of `sallyport audit export`; names what is deleted, cut or foreign too',
    )
    .option('--heads <file...>', 'for --against: heads that were sent out; the list must not end before them')
    .addHelpText(
      'after',
      `
With --key, files are checked here, without a gateway and without its vault;
where one answers, they are also compared with its audit log, and each line says
whether they were. The exit code is 1 where one is not good.`,
    )
    .action(async (things: string[], { key, against, heads }: { key?: string; against?: string; heads?: string[] }) => {
      if (heads !== undefined && against === undefined) {
        throw new CliError(
          EXIT.usage,
          '--heads is for --against; to hold heads against the audit log: sallyport audit verify --heads FILE',
        )
      }
      if (against !== undefined) return verifyAgainst(things, { list: against, key, heads }, context)
      const verdicts: Verdict[] = []
      for (const thing of things) {
        for await (const verdict of verdictsOf(thing, key, context)) {
          verdicts.push(verdict)
          if (!context.json) terminal.lines(linesOf(verdict))
        }
      }
      const bad = verdicts.filter(({ ok }) => !ok).length
      if (context.json) terminal.json({ recordings: verdicts })
      else if (verdicts.length > 1) terminal.line(`${verdicts.length - bad} good, ${bad} not.`)
      if (verdicts.length === 0) throw new CliError(EXIT.no, 'There are no recordings here.')
      if (bad > 0) throw new CliError(EXIT.no, '')
    })

  function linesOf({ what, ok, frames, firstBad, reason, compared }: Verdict): string[] {
    const name = cut(printable(what), Math.max(20, (terminal.width ?? Number.POSITIVE_INFINITY) - 30))
    if (ok) {
      const facts = `${frames} ${frames === 1 ? 'frame' : 'frames'}, ${printable(reason ?? '')}, ${printable(compared.text)}`
      return [`${terminal.style('green', 'good')}  ${name}  ${terminal.style('dim', facts)}`]
    }
    const { frame, offset, why } = firstBad ?? { frame: -1, offset: 0, why: 'not sealed' }
    const where = frame < 0 ? '' : `frame ${frame} at byte ${offset}: `
    return [
      `${terminal.style('red', 'bad')}   ${name}`,
      `      ${where}${printable(why)}`,
      `      ${printable(compared.text)}`,
    ]
  }
}

async function* verdictsOf(thing: string, keyFile: string | undefined, context: Context): AsyncGenerator<Verdict> {
  const there = await stat(thing).catch(() => undefined)
  if (there === undefined) {
    if (thing !== 'last' && !isSessionId(thing)) {
      throw new CliError(EXIT.usage, `${thing} is no file, no folder and no session's id.`)
    }
    const client = await context.client()
    const path = await pathOfOrLast(thing, client)
    const verdict = await client.get<RecordingVerdict>(`${path}/verify`)
    yield { what: path.slice(path.lastIndexOf('/') + 1), ...verdict }
    return
  }
  const key = await publicKeyOf(keyFile, context)
  const compare = await comparer(context)
  if (there.isDirectory()) {
    for await (const { file, ...found } of verifyFolder(thing, key)) yield await verdictOf(file, found, compare)
  } else yield await verdictOf(thing, await verifyRecording(thing, key), compare)
}

async function verdictOf(what: string, found: Verification, compare: Compare): Promise<Verdict> {
  const { ok, frames, bytes, firstBad, reason, subject, hash } = found
  const compared = await compare(subject?.session, hash)
  // A name that is a session's says whose recording should be here.
  const named = basename(what, EXTENSION)
  const exchanged = ok && isSessionId(named) && subject?.session !== named
  const differs = exchanged || (ok && compared.result === 'differs')
  const why = exchanged
    ? `sealed well, but in its place lies the recording of ${subject?.session}`
    : 'sealed well, but not the recording that was noted when the session ended'
  return {
    what,
    ok: ok && !differs,
    frames,
    bytes,
    firstBad: differs ? { frame: frames, offset: bytes, why } : (firstBad ?? null),
    reason: reason ?? null,
    compared,
  }
}

/** Asks the gateway that is there for its session records; without one nothing is compared, and that is said. */
async function comparer(context: Context): Promise<Compare> {
  let unreachable: string | undefined
  return async (session, hash) => {
    if (session === undefined || !isSessionId(session)) return notCompared('it names no session')
    if (unreachable !== undefined) return notCompared(unreachable)
    try {
      const client = await context.client()
      const { notes } = await client.get<SealNotes>(`/v1/sessions/${session}/seal`)
      return compareWithNotes(hash, notes)
    } catch (error) {
      const why = messageOf(error).replace(/\.$/, '')
      // One that is not there will not be there for the next file either.
      if (error instanceof CliError && error.exit === EXIT.no) return notCompared(why)
      unreachable = why
      return notCompared(why)
    }
  }
}
