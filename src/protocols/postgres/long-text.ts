/** Hashes a statement's text that is too long to be kept, as its parts pass. */

import { createHash, type Hash } from 'node:crypto'

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

  /** What is said in the recording in place of the rest; no hash where it could be used to guess a secret. */
  note(redacted: boolean): string {
    const digest = this.#hash?.digest('hex')
    this.#hash = undefined
    const hash = redacted || digest === undefined ? '' : `; SHA-256 of the whole text: ${digest}`
    return `\n… (cut here; ${this.#bytes} bytes in all${hash})`
  }
}
