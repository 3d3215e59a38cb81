/** `sallyport session replay`: a session in the terminal, as it was. */

import { type Command, Option } from 'commander'
import { decodeEventLines, type EventStream } from '../../../recording/rendering/event-lines.ts'
import { KEYS, play } from '../../../recording/rendering/playback.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import type { Terminal } from '../../terminal/terminal.ts'
import { localTime, parseDuration } from '../../terminal/time.ts'
import { keepStart } from './keep-start.ts'
import { pathOfOrLast } from './path.ts'
import { channelOf, sayEnd, screenOf } from './screen.ts'

interface ReplayOptions {
  speed: string
  skipIdle?: string | true
  from?: string
  channel?: string
  reveal?: true
  revealStatements?: true
}

const DEFAULT_IDLE_MS = 2000
/** Up to here a recording is kept for going back in it; a longer one is fetched anew. */
const KEPT_BYTES = 64 * 1024 * 1024

export function addReplay(session: Command, context: Context): void {
  const { terminal } = context

  session
    .command('replay')
    .description('play a recording in this terminal')
    .argument('<session>', 'its id, or last')
    .option('--speed <factor>', 'how fast: 0.5, 2, 10, or max', terminal.width === undefined ? 'max' : '1')
    .option('--skip-idle [duration]', 'cut pauses to 2s, or to this')
    .option('--from <duration>', 'begin here: 90s, 5m')
    .option('--channel <number>', 'only this channel')
    .option('--reveal', 'with what is hidden in it; needs the scope reveal, and is audited')
    .addOption(new Option('--reveal-statements', 'the earlier name of --reveal').hideHelp())
    .addHelpText(
      'after',
      `\nKeys:\n${KEYS.split(', ')
        .map(key => `  ${key}`)
        .join('\n')}`,
    )
    .action(async (id: string, options: ReplayOptions) => {
      const client = await context.client()
      const revealed = options.reveal === true || options.revealStatements === true
      const path = `${await pathOfOrLast(id, client)}/${revealed ? 'revealed' : 'events'}`
      const speed = parseSpeed(options.speed)
      const idle = options.skipIdle === true ? DEFAULT_IDLE_MS : parseOptional(options.skipIdle, '--skip-idle')
      const from = parseOptional(options.from, '--from')
      const fetch = await keepStart(() => client.stream(path, { purpose: 'replay' }), KEPT_BYTES)
      const stream = await decodeEventLines(await fetch())
      let last = stream
      let opened = false
      const open = async () => {
        // The first time with what is open already; later, from the beginning again.
        if (opened) last = await decodeEventLines(await fetch())
        opened = true
        return last
      }
      sayWhich(terminal, stream)
      const keys = terminal.keys()
      try {
        await play(
          open,
          { write: terminal.write, ...(keys === undefined ? {} : { keys: keys.typed }) },
          screenOf(terminal, stream, {
            speed,
            ...(idle === undefined ? {} : { idleLimitMs: idle }),
            ...(from === undefined ? {} : { from }),
            ...channelOf(options.channel),
          }),
        )
      } finally {
        keys?.close()
      }
      sayEnd(terminal, last.end)
    })
}

/** `last` is whichever came last: nobody should take one session for another. */
function sayWhich(terminal: Terminal, { subject }: EventStream): void {
  const { session, user, account, target, protocol, source, startedAt } = subject
  const text = `${session}: ${user} as ${account}@${target} by ${protocol} from ${source}, ${localTime(new Date(startedAt).toISOString())}`
  terminal.note(terminal.style('dim', printable(text)))
}

function parseSpeed(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  if (speed <= 0 || speed > 1000)
    throw new CliError(EXIT.usage, `--speed: "${text}" is not a factor, for example 0.5 or 2.`)
  return speed
}

function parseOptional(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : parseDuration(text, option)
}
