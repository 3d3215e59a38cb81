/** A channel of the gateway's own as a stream of bytes both ways, within the windows of both sides (RFC 4254 §5.2). */

import { Duplex } from 'node:stream'
import { message, uint32, WireError, type WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MAX_PACKET } from '../relay/channels.ts'
import { MESSAGE } from '../transport/messages.ts'
import type { ChannelLine, PeerEnd, ServedEnd } from './served-connection.ts'

/** What the client may send before it was read. */
const INPUT_WINDOW = 1024 * 1024
/** A client that takes less in one message than this wants to keep us busy. */
const SMALLEST_PACKET = 256
const MAX_WINDOW = 0xffffffff
/** Message number, recipient, and the length of the data. */
const DATA_HEAD = 9
/** Where each message of data is put together: it is copied when it is sent, and a new buffer for each would keep the collector busy. */
const assembled = Buffer.allocUnsafeSlow(DATA_HEAD + MAX_PACKET)

export class StreamChannel extends Duplex implements ServedEnd {
  readonly inputWindow = INPUT_WINDOW
  readonly #confirmed: (channel: StreamChannel) => void
  readonly #line: ChannelLine
  readonly #peerId: number
  readonly #maxPacket: number
  /** What the client takes now, and what it may still send. */
  #window: number
  #credit = INPUT_WINDOW
  #queue: Buffer[] = []
  #written: (() => void) | undefined
  #peerEnded = false
  #peerClosed = false

  /** `confirmed` is called when it may be written to. Throws WireError where the client's end cannot be used. */
  constructor({ id, window, maxPacket }: PeerEnd, line: ChannelLine, confirmed: (channel: StreamChannel) => void) {
    super({ readableHighWaterMark: MAX_PACKET, writableHighWaterMark: MAX_PACKET })
    if (maxPacket < SMALLEST_PACKET) throw new WireError('a packet size that no data fits in')
    this.#peerId = id
    this.#window = window
    this.#maxPacket = maxPacket
    this.#line = line
    this.#confirmed = confirmed
  }

  confirmed(): void {
    this.#confirmed(this)
  }

  received(bytes: Buffer): void {
    if (this.#peerEnded) throw new WireError('data after the end of data')
    if (bytes.length > this.#credit) throw new WireError('more data than the window allows')
    this.#credit -= bytes.length
    // What is on its way when we have closed is thrown away.
    if (this.destroyed || bytes.length === 0) return
    this.push(Buffer.from(bytes))
    this.#refill()
  }

  adjusted(bytes: number): void {
    if (this.#window + bytes > MAX_WINDOW) throw new WireError('a window larger than there can be')
    this.#window += bytes
    this.#sendAll()
  }

  peerEnded(): void {
    if (this.#peerEnded) return
    this.#peerEnded = true
    if (!this.destroyed) this.push(null)
  }

  /** What was sent before is read to its end. */
  peerClosed(): void {
    this.#peerClosed = true
    this.peerEnded()
    if (this.readableLength === 0) this.destroy()
    else this.once('end', () => this.destroy())
  }

  lost(): void {
    this.destroy()
  }

  /** None is known on a channel of bytes. */
  request(_name: string, wantsReply: boolean, _fields: WireReader): void {
    if (wantsReply && !this.destroyed) this.#line.send(message(MESSAGE.CHANNEL_FAILURE, uint32(this.#peerId)))
  }

  sendSome(): boolean {
    const most = Math.min(this.#window, this.#maxPacket)
    const waiting = this.#queue.reduce((sum, { length }) => sum + length, 0)
    const bytes = Math.min(most, waiting)
    if (bytes === 0) return false
    const payload = assembled.subarray(0, DATA_HEAD + bytes)
    payload[0] = MESSAGE.CHANNEL_DATA
    payload.writeUInt32BE(this.#peerId, 1)
    payload.writeUInt32BE(bytes, 5)
    for (let at = DATA_HEAD; at < payload.length; ) {
      const first = this.#queue[0]!
      const copied = first.copy(payload, at)
      at += copied
      if (copied === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(copied)
    }
    this.#window -= bytes
    this.#line.send(payload)
    if (waiting > bytes) return this.#window > 0
    this.#sent()
    return false
  }

  override _read(): void {
    this.#refill()
  }

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    this.#send([chunk], written)
  }

  override _writev(chunks: { chunk: Buffer }[], written: () => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      written,
    )
  }

  override _final(done: () => void): void {
    if (!this.#peerClosed) this.#line.send(message(MESSAGE.CHANNEL_EOF, uint32(this.#peerId)))
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#queue = []
    this.#written = undefined
    this.#line.send(message(MESSAGE.CHANNEL_CLOSE, uint32(this.#peerId)))
    this.#line.closed()
    done(error)
  }

  #send(chunks: Buffer[], written: () => void): void {
    this.#queue = chunks.filter(({ length }) => length > 0)
    this.#written = written
    if (this.#queue.length > 0) this.#sendAll()
    else this.#sent()
  }

  #sent(): void {
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  #sendAll(): void {
    while (this.#line.ready) if (!this.sendSome()) return
    if (this.#queue.length > 0) this.#line.waits()
  }

  /** Gives the client room for what was read, in portions worth a message. */
  #refill(): void {
    const read = INPUT_WINDOW - this.#credit - this.readableLength
    if (read < INPUT_WINDOW / 2 || this.#peerEnded || this.destroyed) return
    this.#credit += read
    this.#line.send(message(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(this.#peerId), uint32(read)))
  }
}
