/** Hashes a statement's text that is too long to be kept, as its parts pass. */

import { createHash, type Hash } from 'node:crypto'

/** How long a text was of which the head is kept, and the hash of all of it. */
export interface LongTextNote {
  readonly bytes: number
  readonly sha256?: string
}

export class LongText {
  #hash: Hash | undefined
  #bytes = 0
  /** NULs that still stand before the text; -1 when the text has ended. */
  #before = 0

  /** A part of the message's body; the text begins after `skip` NUL-terminated texts. */
  add(chunk: Buffer, start: number, end: number, first: boolean, skip: number): void {
    if (first) {
      this.#hash = createHash('sha256')
      this.#bytes = 0
      this.#before = skip
    }
    let at = start
    while (at < end && this.#before >= 0) {
      const nul = chunk.indexOf(0, at)
      const stop = nul === -1 || nul >= end ? end : nul
      if (this.#before === 0) {
        this.#hash!.update(chunk.subarray(at, stop))
        this.#bytes += stop - at
      }
      if (stop < end) this.#before--
      at = stop + 1
    }
  }

  /** What is to be said of the text that has passed. */
  note(): LongTextNote {
    const sha256 = this.#hash?.digest('hex')
    this.#hash = undefined
    return { bytes: this.#bytes, ...(sha256 === undefined ? {} : { sha256 }) }
  }
}
