/** One stream of a channel without a terminal: kept up to a limit, and known as a whole by its length and its hash. */

import { createHash, type Hash } from 'node:crypto'

export interface WholeStream {
  readonly keptBytes: number
  readonly bytes: number
  /** Of all of it, in hex. */
  readonly sha256: string
}

export class KeptStream {
  readonly #limitBytes: number
  readonly #keep: (bytes: Buffer) => void
  readonly #cut: (keptBytes: number) => void
  #bytes = 0
  #hash: Hash | undefined

  /** `keep` is given what is kept; `cut` is called once, where that ends. */
  constructor(limitBytes: number, keep: (bytes: Buffer) => void, cut: (keptBytes: number) => void) {
    this.#limitBytes = limitBytes
    this.#keep = keep
    this.#cut = cut
  }

  /** Returns how many of them are not kept. */
  take(bytes: Buffer): number {
    if (bytes.length === 0) return 0
    const room = this.#limitBytes - this.#bytes
    this.#bytes += bytes.length
    if (this.#limitBytes !== Number.POSITIVE_INFINITY) {
      // From the first byte on: what is cut later must be known from there.
      this.#hash ??= createHash('sha256')
      this.#hash.update(bytes)
    }
    if (room > 0) this.#keep(bytes.length > room ? bytes.subarray(0, room) : bytes)
    if (room >= 0 && room < bytes.length) this.#cut(this.#limitBytes)
    return bytes.length - Math.min(bytes.length, Math.max(0, room))
  }

  /** What was cut, at the end; undefined where everything was kept. */
  whole(): WholeStream | undefined {
    if (this.#hash === undefined || this.#bytes <= this.#limitBytes) return undefined
    return { keptBytes: this.#limitBytes, bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}
