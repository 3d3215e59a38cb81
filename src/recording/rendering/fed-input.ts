/** How readers are shown what a program without a terminal was fed: line by line, each with `<` in front, and with `<*` where it was hidden. */

import type { RecordedEvent, StreamEvent } from '../format/events.ts'
import { createPlainText, type PlainText } from './plain-text.ts'

export class FedInput {
  readonly #terminals = new Set<number>()
  readonly #streams = new Map<string, PlainText>()

  /** Give it every event before it is shown: at a terminal, what is typed is seen in what the terminal shows. */
  see(event: RecordedEvent): void {
    if (event.type === 'pty') this.#terminals.add(event.channel)
  }

  /** The lines of an `input` event, without line ends. */
  lines({ channel, bytes, revealed }: StreamEvent): string[] {
    if (this.#terminals.has(channel)) return []
    const mark = revealed === true ? '<*' : '<'
    const name = `${channel} ${mark}`
    const stream = this.#streams.get(name) ?? createPlainText()
    this.#streams.set(name, stream)
    const lines = stream.push(bytes).split('\n')
    if (lines.at(-1) === '') lines.pop()
    return lines.map(line => `${mark} ${line}`)
  }
}
