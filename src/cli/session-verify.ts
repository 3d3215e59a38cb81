/** `sallyport session verify`: is a recording whole and unaltered? Files offline with the public key alone, sessions by the gateway. */

import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { RecordingVerdict } from '../console/routes/recordings.ts'
import { printable } from '../recording/printable.ts'
import { type Verification, verifyFolder, verifyRecording } from '../recording/verify.ts'
import type { Context } from './context.ts'
import { CliError, EXIT } from './exit.ts'
import { publicKeyOf } from './public-key.ts'
import { verifyAgainst } from './session-against.ts'
import { isSessionId, pathOfOrLast } from './session-path.ts'
import { cut } from './text.ts'

/** What is said of one recording, wherever it was checked. */
interface Verdict {
  readonly what: string
  readonly ok: boolean
  readonly frames: number
  readonly bytes: number
  readonly firstBad: { readonly frame: number; readonly offset: number; readonly why: string } | null
  readonly reason: string | null
}

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
    .addHelpText(
      'after',
      '\nWith --key, files are checked here, without a gateway and without its vault.\nThe exit code is 1 where one is not good.',
    )
    .action(async (things: string[], { key, against }: { key?: string; against?: string }) => {
      if (against !== undefined) return verifyAgainst(things, against, key, context)
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

  function linesOf({ what, ok, frames, firstBad, reason }: Verdict): string[] {
    const name = cut(printable(what), Math.max(20, (terminal.width ?? Number.POSITIVE_INFINITY) - 30))
    if (ok) {
      const facts = `${frames} ${frames === 1 ? 'frame' : 'frames'}, ${printable(reason ?? '')}`
      return [`${terminal.style('green', 'good')}  ${name}  ${terminal.style('dim', facts)}`]
    }
    const { frame, offset, why } = firstBad ?? { frame: -1, offset: 0, why: 'not sealed' }
    const where = frame < 0 ? '' : `frame ${frame} at byte ${offset}: `
    return [`${terminal.style('red', 'bad')}   ${name}`, `      ${where}${printable(why)}`]
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
  if (there.isDirectory()) {
    for await (const { file, ...found } of verifyFolder(thing, key)) yield verdictOf(file, found)
  } else yield verdictOf(thing, await verifyRecording(thing, key))
}

function verdictOf(what: string, { ok, frames, bytes, firstBad, reason }: Verification): Verdict {
  return { what, ok, frames, bytes, firstBad: firstBad ?? null, reason: reason ?? null }
}
