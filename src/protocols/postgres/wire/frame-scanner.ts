/** Walks the message headers of one direction, so that the relay forwards the chunks as they came and the log reads copies. */

import { violation } from './violation.ts'

/** PostgreSQL's own bound: MaxAllocSize, one gigabyte less a byte. */
const MAX_MESSAGE_BYTES = 0x3fffffff
/** The type and the length. */
export const HEADER_BYTES = 5
const FIRST_HELD_BYTES = 4096

/** What is told of messages of one type: that there was one, or its body; nothing otherwise (0). */
const COUNT = 1
const BODY = 2

export interface FrameSink {
  /** A message of a counted type begins; its body has `length` bytes. */
  counted(type: number, length: number): void
  /**
   * A message of a wanted type is complete. Its body is `bytes[start..end)`, valid during the call only. Where the body is
   * longer than the scanner keeps, this is its head, and `length` says how long it is.
   */
  body(type: number, bytes: Buffer, start: number, end: number, length: number): void
  /** A part of a body that is longer than the scanner keeps: all parts come, in order, before `body` is called. */
  part(type: number, bytes: Buffer, start: number, end: number, first: boolean): void
}

export class FrameScanner {
  readonly #wants = new Uint8Array(256)
  readonly #sink: FrameSink
  readonly #keepBytes: number
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerLength = 0
  /** Bytes of the present body that are still to come. */
  #rest = 0
  #type = 0
  #length = 0
  /** Where a wanted body that spans chunks is gathered; grows with what came, not with what was announced. */
  #held: Buffer | undefined
  #heldLength = 0

  /** `counted` and `bodies` are message type letters. No more than `keepBytes` of a body are ever held. */
  constructor(sink: FrameSink, options: { counted: string; bodies: string; keepBytes: number }) {
    this.#sink = sink
    this.#keepBytes = options.keepBytes
    for (const letter of options.counted) this.#wants[letter.charCodeAt(0)] = COUNT
    for (const letter of options.bodies) this.#wants[letter.charCodeAt(0)] = BODY
  }

  /** True between two messages: only there may a message of the gateway go in between. */
  get atBoundary(): boolean {
    return this.#rest === 0 && this.#headerLength === 0
  }

  /** Goes over `chunk[start..end)`. Throws PROTOCOL_VIOLATION when a length is impossible. */
  scan(chunk: Buffer, start = 0, end: number = chunk.length): void {
    const wants = this.#wants
    let at = start
    while (at < end) {
      if (this.#rest > 0) {
        at = this.#continueBody(chunk, at, end)
        continue
      }
      let type: number
      let announced: number
      if (this.#headerLength > 0 || end - at < HEADER_BYTES) {
        const taken = chunk.copy(
          this.#header,
          this.#headerLength,
          at,
          Math.min(end, at + HEADER_BYTES - this.#headerLength),
        )
        this.#headerLength += taken
        at += taken
        if (this.#headerLength < HEADER_BYTES) return
        this.#headerLength = 0
        type = this.#header[0]!
        announced = this.#header.readInt32BE(1)
      } else {
        type = chunk[at]!
        announced = (chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!
        at += HEADER_BYTES
      }
      if (announced < 4 || announced > MAX_MESSAGE_BYTES) throw violation('a message has an impossible length')
      const length = announced - 4
      const want = wants[type]
      if (want === COUNT) this.#sink.counted(type, length)
      if (at + length <= end && (want !== BODY || length <= this.#keepBytes)) {
        if (want === BODY) this.#sink.body(type, chunk, at, at + length, length)
        at += length
      } else {
        this.#beginBody(type, length, want === BODY)
      }
    }
  }

  #beginBody(type: number, length: number, wanted: boolean): void {
    this.#type = type
    this.#length = length
    this.#rest = length
    this.#heldLength = 0
    this.#held = wanted ? Buffer.allocUnsafe(Math.min(length, FIRST_HELD_BYTES)) : undefined
  }

  #continueBody(chunk: Buffer, from: number, end: number): number {
    const to = Math.min(end, from + this.#rest)
    if (this.#held !== undefined) {
      if (this.#length > this.#keepBytes) {
        this.#sink.part(this.#type, chunk, from, to, this.#rest === this.#length)
      }
      this.#hold(chunk, from, to)
    }
    this.#rest -= to - from
    if (this.#rest === 0 && this.#held !== undefined) {
      const held = this.#held
      this.#held = undefined
      this.#sink.body(this.#type, held, 0, this.#heldLength, this.#length)
    }
    return to
  }

  #hold(chunk: Buffer, from: number, to: number): void {
    const taken = Math.min(to - from, this.#keepBytes - this.#heldLength)
    if (taken <= 0) return
    const needed = this.#heldLength + taken
    let held = this.#held!
    if (needed > held.length) {
      const most = Math.min(this.#length, this.#keepBytes)
      held = Buffer.allocUnsafe(Math.min(most, Math.max(needed, held.length * 2)))
      this.#held!.copy(held, 0, 0, this.#heldLength)
      this.#held = held
    }
    chunk.copy(held, this.#heldLength, from, from + taken)
    this.#heldLength = needed
  }
}
