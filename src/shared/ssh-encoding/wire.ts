/** The data types of SSH (RFC 4251 §5): a reader that checks every length, and a writer. Pure, no socket in sight. */

/** The bytes are not what the message's definition says. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

/** Reads fields in order. Strings are views into the message, not copies. Throws {@link WireError} past the end. */
export class WireReader {
  readonly #bytes: Buffer
  #offset: number

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#offset]
    if (byte === undefined) throw new WireError('the message is too short')
    this.#offset += 1
    return byte
  }

  boolean(): boolean {
    return this.byte() !== 0
  }

  uint32(): number {
    if (this.#offset + 4 > this.#bytes.length) throw new WireError('the message is too short')
    const value = this.#bytes.readUInt32BE(this.#offset)
    this.#offset += 4
    return value
  }

  uint64(): bigint {
    if (this.#offset + 8 > this.#bytes.length) throw new WireError('the message is too short')
    const value = this.#bytes.readBigUInt64BE(this.#offset)
    this.#offset += 8
    return value
  }

  string(): Buffer {
    const length = this.uint32()
    const end = this.#offset + length
    if (end > this.#bytes.length) throw new WireError('a string is longer than its message')
    const value = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return value
  }

  utf8(): string {
    return this.string().toString('utf8')
  }

  nameList(): string[] {
    const text = this.string().toString('latin1')
    return text === '' ? [] : text.split(',')
  }

  rest(): Buffer {
    const value = this.#bytes.subarray(this.#offset)
    this.#offset = this.#bytes.length
    return value
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

/** A length and the bytes (text as UTF-8). */
export function string(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
  return Buffer.concat([uint32(bytes.length), bytes])
}

/** A number that is not negative, given by its digits in base 256, the highest first. */
export function mpint(digits: Buffer): Buffer {
  const shortest = withoutLeadingZeros(digits)
  return string(shortest[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), shortest]) : shortest)
}

export function withoutLeadingZeros(digits: Buffer): Buffer {
  const first = digits.findIndex(byte => byte !== 0)
  return digits.subarray(first < 0 ? digits.length : first)
}

/** The digits of an mpint's content, filled up to so many bytes. Throws {@link WireError} where they are more. */
export function fixedWidth(digits: Buffer, bytes: number): Buffer {
  const shortest = withoutLeadingZeros(digits)
  if (shortest.length > bytes) throw new WireError('a number is too large')
  return Buffer.concat([Buffer.alloc(bytes - shortest.length), shortest])
}

export function boolean(value: boolean): Buffer {
  return Buffer.from([value ? 1 : 0])
}

/** A message: its number and its fields, each made with the functions above. */
export function message(type: number, ...fields: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([type]), ...fields])
}
