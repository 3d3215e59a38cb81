/** A value that must never be printed: it shows as `[secret]` in logs, JSON, errors and the inspector. */

import { inspect } from 'node:util'

const SHOWN = '[secret]'

/**
 * Bytes that can be overwritten for good. V8 keeps arrays of up to 64 bytes in its own heap, where its collector and Node make copies
 * of them that nobody sees any more; an ArrayBuffer's memory stays where it is.
 */
export function erasableBytes(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length))
}

export class Secret {
  readonly #bytes: Buffer
  #erased = false

  /** Takes UTF-8 text or raw bytes; bytes are copied. */
  constructor(value: string | Uint8Array) {
    const length = typeof value === 'string' ? Buffer.byteLength(value, 'utf8') : value.length
    this.#bytes = erasableBytes(length)
    if (typeof value === 'string') this.#bytes.write(value, 'utf8')
    else this.#bytes.set(value)
  }

  /**
   * The secret as UTF-8 text, which stays in memory until it is collected and beyond: rather take the bytes. For what cannot do without: a
   * login, a factor's check, a signature, the one answer that gives it to its holder. What calls it is found by its name.
   */
  reveal(): string {
    return this.revealBytes().toString('utf8')
  }

  /** The secret's bytes (the buffer itself: do not keep it). Same rule as {@link reveal}. */
  revealBytes(): Buffer {
    if (this.#erased) throw new Error('the secret was erased')
    return this.#bytes
  }

  /** Overwrites the bytes; from here on it cannot be revealed. */
  erase(): void {
    this.#bytes.fill(0)
    this.#erased = true
  }

  get isErased(): boolean {
    return this.#erased
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  [inspect.custom](): string {
    return SHOWN
  }
}
