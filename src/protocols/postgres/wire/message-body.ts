/** Reads the fields of a message body with every bound checked: a hostile body throws, it never reads past its end or loops. */

import { violation } from './violation.ts'

export const MOST_NAME_BYTES = 63

export class BodyReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  int16(): number {
    const at = this.#take(2)
    return this.#bytes.readInt16BE(at)
  }

  /** An Int16 that counts something: PostgreSQL reads these as unsigned where more than 32767 are allowed. */
  uint16(): number {
    const at = this.#take(2)
    return this.#bytes.readUInt16BE(at)
  }

  int32(): number {
    const at = this.#take(4)
    return this.#bytes.readInt32BE(at)
  }

  uint32(): number {
    const at = this.#take(4)
    return this.#bytes.readUInt32BE(at)
  }

  byte(): number {
    return this.#bytes[this.#take(1)]!
  }

  /** `length` bytes, not copied. */
  bytes(length: number): Buffer {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** The bytes up to the next NUL, not copied. */
  cstringBytes(): Buffer {
    const nul = this.#bytes.indexOf(0, this.#at)
    if (nul === -1 || nul >= this.#end) throw violation('a text in a message does not end')
    const text = this.#bytes.subarray(this.#at, nul)
    this.#at = nul + 1
    return text
  }

  cstring(): string {
    const from = this.#at
    const nul = this.skipName()
    // Most names are empty.
    return nul === from ? '' : this.#bytes.toString('utf8', from, nul)
  }

  /** The name of a statement or a portal: as its bytes, one a character, and as far as the server looks (NAMEDATALEN). */
  name(): string {
    const from = this.#at
    const nul = this.skipName()
    return nul === from ? '' : this.#bytes.toString('latin1', from, Math.min(nul, from + MOST_NAME_BYTES))
  }

  /** Goes past a short text, and gives where its NUL is. */
  skipName(): number {
    let nul = this.#at
    // To have the runtime search costs more than such a text is long.
    while (nul < this.#end && this.#bytes[nul] !== 0) nul++
    if (nul === this.#end) throw violation('a text in a message does not end')
    this.#at = nul + 1
    return nul
  }

  #take(length: number): number {
    if (length < 0 || this.#at + length > this.#end) throw violation('a message is shorter than its fields')
    const at = this.#at
    this.#at += length
    return at
  }
}
