/** The target's end of a channel that the client had before the target did: its number is put into what the client sends, and its window kept. */

import { message, string, uint32, WireError } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'

/** What waits until the target has opened the channel, or takes more. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024
/** What holding a message costs beside its bytes. */
const COST_OF_ONE = 64

export interface TargetEndOptions {
  toTarget(payload: Buffer): void
  /** The client may send so many bytes more. */
  adjustClient(bytes: number): void
}

interface Opened {
  readonly id: number
  /** What the target takes now. */
  window: number
  readonly maxPacket: number
}

export class TargetEnd {
  readonly #options: TargetEndOptions
  /** What the client may still send. */
  #allowed: number
  #opened: Opened | undefined
  /** What the target has given in advance, and the client has had before: taken off the next adjustments. */
  #debt = 0
  /** In the client's order. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #clientClosed = false
  #targetClosed = false
  #refused = false

  /** `allowed`: what the client was told that it may send. */
  constructor(allowed: number, options: TargetEndOptions) {
    this.#allowed = allowed
    this.#options = options
  }

  /** Nothing is kept of it any more: the client may give its number to another channel. */
  get over(): boolean {
    return this.#clientClosed && (this.#targetClosed || this.#refused)
  }

  opened(opened: Opened): void {
    this.#opened = opened
    const given = this.#allowed + this.#waiting.reduce((bytes, payload) => bytes + dataBytes(payload), 0)
    if (opened.window < given) this.#debt = given - opened.window
    else this.#allow(opened.window - given)
    this.#pass()
  }

  refused(): void {
    this.#refused = true
    this.#waiting = []
    this.#waitingBytes = 0
  }

  closed(): void {
    this.#targetClosed = true
  }

  /** Closed in the client's place: what waits is thrown away. */
  close(): void {
    this.#waiting = []
    this.#waitingBytes = 0
    this.fromClient(MESSAGE.CHANNEL_CLOSE, message(MESSAGE.CHANNEL_CLOSE, uint32(0)))
  }

  /** CHANNEL_WINDOW_ADJUST of the target. */
  adjusted(bytes: number): void {
    this.#opened!.window += bytes
    const paid = Math.min(this.#debt, bytes)
    this.#debt -= paid
    this.#allow(bytes - paid)
    this.#pass()
  }

  /** A message of the client for the channel. Throws WireError. */
  fromClient(type: number, payload: Buffer): void {
    this.#allowed -= dataBytes(payload)
    if (this.#allowed < 0) throw new WireError('more data than the window allows')
    if (type === MESSAGE.CHANNEL_CLOSE) this.#clientClosed = true
    if (this.#refused) return
    // Behind data that waits for room, the client's own room would wait for itself.
    const atOnce =
      type === MESSAGE.CHANNEL_WINDOW_ADJUST || (this.#waiting.length === 0 && this.#opened && this.#fits(payload))
    if (this.#opened !== undefined && atOnce) this.#send(payload)
    else {
      this.#waitingBytes += payload.length + COST_OF_ONE
      if (this.#waitingBytes > MOST_WAITING_BYTES) throw new WireError('more than the target takes')
      this.#waiting.push(Buffer.from(payload))
      this.#pass()
    }
  }

  #allow(bytes: number): void {
    if (bytes === 0) return
    this.#allowed += bytes
    this.#options.adjustClient(bytes)
  }

  #pass(): void {
    while (this.#opened !== undefined && this.#waiting.length > 0) {
      const first = this.#waiting[0]!
      if (this.#fits(first)) {
        this.#waiting.shift()
        this.#waitingBytes -= first.length + COST_OF_ONE
        this.#send(first)
        continue
      }
      const room = Math.min(this.#opened.window, this.#opened.maxPacket)
      if (room === 0) return
      const bytes = first.subarray(9)
      this.#send(dataOf(bytes.subarray(0, room)))
      this.#waiting[0] = dataOf(bytes.subarray(room))
      this.#waitingBytes -= room
    }
  }

  #fits(payload: Buffer): boolean {
    const { window, maxPacket } = this.#opened!
    return dataBytes(payload) <= Math.min(window, maxPacket)
  }

  #send(payload: Buffer): void {
    const opened = this.#opened!
    opened.window -= dataBytes(payload)
    payload.writeUInt32BE(opened.id, 1)
    this.#options.toTarget(payload)
  }
}

function dataBytes(payload: Buffer): number {
  return payload[0] === MESSAGE.CHANNEL_DATA ? Math.max(0, payload.length - 9) : 0
}

function dataOf(bytes: Buffer): Buffer {
  return message(MESSAGE.CHANNEL_DATA, uint32(0), string(bytes))
}
