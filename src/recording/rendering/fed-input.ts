/** How readers are shown what a program without a terminal was fed: line by line, each with `<` in front. */

import type { RecordedEvent, StreamEvent } from '../format/events.ts'
import { createPlainText, type PlainText } from './plain-text.ts'

export class FedInput {
  readonly #terminals = new Set<number>()
  readonly #streams = new Map<number, PlainText>()

  /** Give it every event before it is shown: at a terminal, what is typed is seen in what the terminal shows. */
  see(event: RecordedEvent): void {
    if (event.type === 'pty') this.#terminals.add(event.channel)
  }

  /** The lines of an `input` event, without line ends. */
  lines({ channel, bytes }: StreamEvent): string[] {
    if (this.#terminals.has(channel)) return []
    const stream = this.#streams.get(channel) ?? createPlainText()
    this.#streams.set(channel, stream)
    const lines = stream.push(bytes).split('\n')
    if (lines.at(-1) === '') lines.pop()
    return lines.map(line => `< ${line}`)
  }
}
