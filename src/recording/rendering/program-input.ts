/** How readers are shown what a program without a terminal was given as input: line by line, each with `<` in front, and with `<*` where it was hidden. */

import { StringDecoder } from 'node:string_decoder'
import { printable } from '../../shared/text/printable.ts'
import type { RecordedEvent, StreamEvent } from '../format/events.ts'

export class ProgramInput {
  readonly #terminals = new Set<number>()
  readonly #streams = new Map<string, StringDecoder>()

  /** Give it every event before it is shown: at a terminal, what is typed is seen in what the terminal shows. */
  see(event: RecordedEvent): void {
    if (event.type === 'pty') this.#terminals.add(event.channel)
  }

  /**
   * The lines of an `input` event, without line ends. No terminal has read it: a shell runs what stands in the middle of an escape
   * sequence, so that nothing is taken out.
   */
  lines({ channel, bytes, revealed }: StreamEvent): string[] {
    if (this.#terminals.has(channel)) return []
    const mark = revealed === true ? '<*' : '<'
    const name = `${channel} ${mark}`
    const decoder = this.#streams.get(name) ?? new StringDecoder('utf8')
    this.#streams.set(name, decoder)
    const lines = decoder.write(bytes).split('\n')
    if (lines.at(-1) === '') lines.pop()
    return lines.map(
      line =>
        `${mark} ${line
          .split('\t')
          .map(part => printable(part))
          .join('\t')}`,
    )
  }
}
