/** What one side sends while a session is paused: kept up to a bound, then not read any more, and passed on when it goes on. */

import { AGAINST_READING, type Reading } from '../../relaying/reading.ts'

/** Until then it is read, so that its end is seen. */
const READ_BYTES = 64 * 1024

export class HeldChunks {
  readonly #reading: Reading
  readonly #pass: (chunk: Buffer) => void
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(reading: Reading, pass: (chunk: Buffer) => void) {
    this.#reading = reading
    this.#pass = pass
  }

  hold(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes >= READ_BYTES) this.#reading.stop(AGAINST_READING.PAUSED)
  }

  release(): void {
    const chunks = this.#chunks
    this.#chunks = []
    this.#bytes = 0
    for (const chunk of chunks) this.#pass(chunk)
    this.#reading.goOn(AGAINST_READING.PAUSED)
  }
}
