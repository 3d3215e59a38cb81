/** Events as bytes, in batches of at most one frame: what is inside a frame once it is decrypted and unpacked. */

import { GatewayError } from '../../shared/errors.ts'
import type { FactEvent, RecordedEvent, StreamEvent } from './events.ts'
import { likeness, mayBeLike, wholeFact } from './like-fact.ts'

/** A batch is cut when it has reached this size; longer events are split. */
export const BATCH_BYTES = 256 * 1024
/** The longest fact, as JSON. */
export const MAX_FACT_BYTES = 64 * 1024 * 1024

const STREAMS = { output: 1, stderr: 2, input: 3 } as const
const STREAM_NAMES = [undefined, 'output', 'stderr', 'input'] as const
const FACT = 16
/** A piece of a fact: the rest follows, the last piece as `FACT`. */
const FACT_PIECE = 17
/** A fact that is given by what differs from the one before it in this batch. */
const LIKE_FACT = 18

/** Four varints and the kind. */
const MAX_EVENT_HEAD = 8 + 1 + 8 + 8 + 8
const SIZES = [4 * 1024, 32 * 1024, BATCH_BYTES]
/** Buffers of each size that wait to be used again, shared by all recordings: getting fresh pages costs as much as filling them. */
const spare = new Map(SIZES.map((size): [number, Buffer[]] => [size, []]))
const MAX_SPARE = 16
const NO_BUFFER = Buffer.alloc(0)

/** Collects events for one frame at a time. Holds no memory while it is empty. */
export class Batch {
  #buffer: Buffer = NO_BUFFER
  #length = 0
  #lastAt = 0
  /** The fact before, where the next one may refer to it. */
  #before = ''

  get length(): number {
    return this.#length
  }

  /** Adds as many of the bytes as there is room for and gives how many; 0 when the batch must be taken first. */
  addStream(at: number, type: StreamEvent['type'], channel: number, bytes: Buffer): number {
    const taken = Math.min(bytes.length, this.#room())
    if (taken <= 0) return 0
    this.#begin(at, STREAMS[type], taken)
    this.#varint(channel)
    this.#varint(taken)
    bytes.copy(this.#buffer, this.#length, 0, taken)
    this.#length += taken
    return taken
  }

  /** Adds a fact (its JSON); false when the batch must be taken first. A fact longer than a batch goes in by {@link addPiece}. */
  addFact(at: number, json: string): boolean {
    const bytes = Buffer.byteLength(json)
    if (bytes > this.#room()) return false
    const comparable = mayBeLike(json, bytes)
    const like = comparable ? likeness(this.#before, json) : undefined
    this.#before = comparable ? json : ''
    if (like === undefined) {
      this.#begin(at, FACT, bytes)
      this.#varint(bytes)
      this.#length += this.#buffer.write(json, this.#length, 'utf8')
      return true
    }
    const { head, tail } = like
    this.#begin(at, LIKE_FACT, bytes)
    this.#varint(head)
    this.#varint(tail)
    this.#varint(bytes - head - tail)
    this.#length += this.#buffer.write(json.slice(head, json.length - tail), this.#length, 'utf8')
    return true
  }

  /** Adds as much as fits of the rest of a long fact's JSON, and gives how many bytes that was. */
  addPiece(at: number, rest: Buffer): number {
    const taken = Math.min(rest.length, this.#room())
    if (taken <= 0) return 0
    this.#before = ''
    this.#begin(at, taken === rest.length ? FACT : FACT_PIECE, taken)
    this.#varint(taken)
    rest.copy(this.#buffer, this.#length, 0, taken)
    this.#length += taken
    return taken
  }

  /** Returns the batch and begins an empty one. Give the buffer back to {@link recycle} when it is no longer needed. */
  take(): Buffer {
    const batch = this.#buffer.subarray(0, this.#length)
    this.#buffer = NO_BUFFER
    this.#length = 0
    this.#before = ''
    return batch
  }

  #room(): number {
    return BATCH_BYTES - this.#length - 2 * MAX_EVENT_HEAD
  }

  #begin(at: number, kind: number, bytes: number): void {
    const needed = this.#length + bytes + 2 * MAX_EVENT_HEAD
    if (needed > this.#buffer.length) this.#grow(needed)
    if (this.#length === 0) {
      this.#varint(at)
      this.#lastAt = at
    }
    this.#varint(at - this.#lastAt)
    this.#lastAt = at
    this.#buffer[this.#length++] = kind
  }

  #grow(needed: number): void {
    const size = SIZES.find(size => size >= needed) ?? BATCH_BYTES
    const larger = spare.get(size)!.pop() ?? Buffer.allocUnsafeSlow(size)
    this.#buffer.copy(larger, 0, 0, this.#length)
    recycle(this.#buffer)
    this.#buffer = larger
  }

  /** LEB128: seven bits a byte, the lowest first, the top bit set on all but the last. */
  #varint(value: number): void {
    const buffer = this.#buffer
    let rest = value
    while (rest > 0x7f) {
      buffer[this.#length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    buffer[this.#length++] = rest
  }
}

export function recycle(batch: Buffer): void {
  const ofSize = spare.get(batch.buffer.byteLength)
  if (ofSize !== undefined && ofSize.length < MAX_SPARE) ofSize.push(Buffer.from(batch.buffer as ArrayBuffer))
}

/** Reads batches in order. Throws `RECORDING_DAMAGED` for bytes that no writer made. */
export class BatchReader {
  #pieces: Buffer[] = []
  #pieceBytes = 0;

  /** The events of one batch. Their bytes are parts of `batch`, which the caller must then leave alone. */
  *read(batch: Buffer): Generator<RecordedEvent> {
    const cursor = { batch, offset: 0 }
    let at = varint(cursor)
    let before: Buffer = NO_BUFFER
    while (cursor.offset < batch.length) {
      at += varint(cursor)
      const kind = take(cursor, 1)[0]!
      const stream = STREAM_NAMES[kind]
      if (stream !== undefined) {
        const channel = varint(cursor)
        yield { type: stream, channel, bytes: take(cursor, varint(cursor)), at }
      } else if (kind === FACT || kind === FACT_PIECE) {
        before = take(cursor, varint(cursor))
        const fact = this.#fact(kind, before)
        if (fact !== undefined) yield { ...fact, at }
      } else if (kind === LIKE_FACT) {
        const like = { head: varint(cursor), tail: varint(cursor) }
        const json = wholeFact(before, like, take(cursor, varint(cursor)))
        if (json === undefined) throw damaged('a fact that refers to none')
        before = json
        yield { ...parseFact(json), at }
      } else throw damaged(`an event of the unknown kind ${kind}`)
    }
  }

  #fact(kind: number, bytes: Buffer): FactEvent | undefined {
    this.#pieceBytes += bytes.length
    if (this.#pieceBytes > MAX_FACT_BYTES) throw damaged('a fact that is too long')
    if (kind === FACT_PIECE) {
      this.#pieces.push(bytes)
      return undefined
    }
    const json = this.#pieces.length === 0 ? bytes : Buffer.concat([...this.#pieces, bytes])
    this.#pieces = []
    this.#pieceBytes = 0
    return parseFact(json)
  }
}

function parseFact(json: Buffer): FactEvent {
  try {
    const fact: unknown = JSON.parse(json.toString('utf8'))
    if (typeof fact === 'object' && fact !== null && typeof (fact as FactEvent).type === 'string')
      return fact as FactEvent
  } catch {
    // Told below.
  }
  throw damaged('a fact that is not JSON')
}

interface Cursor {
  readonly batch: Buffer
  offset: number
}

function take(cursor: Cursor, length: number): Buffer {
  const end = cursor.offset + length
  if (end > cursor.batch.length) throw damaged('an event that is longer than its frame')
  const bytes = cursor.batch.subarray(cursor.offset, end)
  cursor.offset = end
  return bytes
}

function varint(cursor: Cursor): number {
  let value = 0
  for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
    const byte = take(cursor, 1)[0]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) break
      return value
    }
  }
  throw damaged('a number that is too long')
}

function damaged(what: string): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', `The recording holds ${what}.`)
}
