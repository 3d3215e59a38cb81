/** What a replay writes to the viewer's terminal for each event: the picture of a terminal, or lines of a transcript. */

import { type FactEvent, isStream, type RecordedEvent } from '../format/events.ts'
import { createNeutraliser, type Neutraliser } from './neutralise.ts'
import { ProgramInput } from './program-input.ts'
import { type TranscriptOptions, transcriptLines } from './transcript.ts'

export interface ScreenOptions extends TranscriptOptions {
  /** Show this channel alone; otherwise all, and from the first terminal on only that. */
  readonly channel?: number
}

export interface Screen {
  show(event: RecordedEvent): string
  /** Brings the terminal back to normal, and names the channels that were left out unless one was asked for. */
  restore(): string
}

/** Inside a terminal's picture these would only disturb. */
const QUIET = new Set<RecordedEvent['type']>([
  'input',
  'resize',
  'environment',
  'channel-open',
  'channel-close',
  'shell',
  'pty',
])

const MOST_NAMED = 20

export function createScreen(options: ScreenOptions): Screen {
  const streams = new Map<string, Neutraliser>()
  const programInput = new ProgramInput()
  let terminal = false
  let styled = false
  let shown = options.channel
  let column = 0
  const leftOut = new Set<number>()
  const waiting: string[] = []

  function stream(channel: number, type: string): Neutraliser {
    const name = `${channel} ${type}`
    const known = streams.get(name) ?? createNeutraliser()
    streams.set(name, known)
    return known
  }

  function fact(event: FactEvent & { at: number }): string {
    if (event.type === 'pty' && (shown === undefined || shown === event.channel)) {
      shown = event.channel
      terminal = true
    }
    if (terminal && QUIET.has(event.type)) return ''
    const lines = transcriptLines(event, options)
    // As it was: the gateway does not write into the picture of a program that has the screen.
    if (terminal && event.type === 'notice' && fullScreen()) {
      waiting.push(...lines)
      return ''
    }
    return written(lines)
  }

  function fullScreen(): boolean {
    return [...streams.values()].some(({ alternate }) => alternate)
  }

  /** What was said while a program had the screen, once it has left. */
  function said(): string {
    return waiting.length === 0 || fullScreen() ? '' : written(waiting.splice(0))
  }

  function written(lines: readonly string[]): string {
    const begin = column > 0 ? '\r\n' : ''
    column = 0
    return begin + lines.map(line => `${line}\r\n`).join('')
  }

  function input(lines: string[]): string {
    // Beside a terminal's picture it would only disturb.
    if (terminal || lines.length === 0) return ''
    const begin = column > 0 ? '\r\n' : ''
    column = 0
    return `${begin}${lines.join('\r\n')}\r\n`
  }

  return {
    show(event) {
      if (shown !== undefined && 'channel' in event && event.channel !== undefined && event.channel !== shown) {
        if (options.channel === undefined) leftOut.add(event.channel)
        return ''
      }
      programInput.see(event)
      if (!isStream(event)) return fact(event)
      if (event.type === 'input') return input(programInput.lines(event))
      const text = stream(event.channel, event.type).push(event.bytes)
      // An escape sequence or a shift of the character set: what plain text never needs to be brought back from.
      if (text.includes('\x1b') || text.includes('\x0e')) styled = true
      if (text !== '') column = text.endsWith('\n') ? 0 : 1
      // Without a terminal nobody turned line ends into what a terminal needs.
      return (terminal ? text : text.replace(/\r?\n/g, '\r\n')) + said()
    },
    restore() {
      const rest = [...streams.values()].map(neutraliser => neutraliser.end()).join('')
      const normal = styled ? [...streams.values()].map(neutraliser => neutraliser.restore()).join('') : ''
      const last = waiting.map(line => `\r\n${line}`).join('')
      return rest + normal + last + notShown(leftOut)
    },
  }
}

/** What ran beside the terminal: who watches must not take its picture for all of the session. */
function notShown(channels: ReadonlySet<number>): string {
  if (channels.size === 0) return ''
  const numbers = [...channels].slice(0, MOST_NAMED).join(', ') + (channels.size > MOST_NAMED ? ', …' : '')
  return `\r\nNot shown here: ${channels.size === 1 ? 'channel' : 'channels'} ${numbers} (--channel shows one, a text export all).`
}
