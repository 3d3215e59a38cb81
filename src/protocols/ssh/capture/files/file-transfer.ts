/** One file on its way through a channel: counts its bytes, and hashes them for as long as they come in order from the start. */

import { createHash, type Hash } from 'node:crypto'

export class FileTransfer {
  bytes = 0
  #hash: Hash | undefined = createHash('sha256')
  #next = 0

  /** Where the bytes given to {@link take} next stand in the file; out of order means no hash. */
  at(offset: number): void {
    if (offset !== this.#next) this.#hash = undefined
    this.#next = offset
  }

  take(bytes: Buffer): void {
    this.#hash?.update(bytes)
    this.bytes += bytes.length
    this.#next += bytes.length
  }

  /** Some bytes never reached the file. */
  spoil(): void {
    this.#hash = undefined
  }

  /** What is known in the end: the hash only where every byte passed in order. */
  result(): { bytes: number; sha256?: string } {
    const hash = this.#hash
    return hash === undefined ? { bytes: this.bytes } : { bytes: this.bytes, sha256: hash.copy().digest('hex') }
  }
}
