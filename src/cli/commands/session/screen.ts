/** What replaying and following a session share: the screen that it is shown on, and what is said of its end. */

import { type EndLine, type EventStream, endText } from '../../../recording/rendering/event-lines.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { CliError } from '../../exit.ts'
import type { Terminal } from '../../terminal/terminal.ts'

export function screenOf<T>(terminal: Terminal, { subject }: EventStream, options: T) {
  return { startedAt: subject.startedAt, width: terminal.width ?? 120, color: terminal.colours, ...options }
}

export function sayEnd(terminal: Terminal, end: EndLine | undefined): void {
  if (end !== undefined) terminal.note(terminal.style('dim', endText(end)))
}

export function channelOf(text: string | undefined): { channel?: number } {
  if (text === undefined) return {}
  if (!/^\d{1,9}$/.test(text)) throw new CliError(EXIT.usage, `--channel: "${text}" is not a number.`)
  return { channel: Number(text) }
}
