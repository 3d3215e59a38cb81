/** A connection that a hop makes for us, as a stream of bytes both ways within the windows of its channel (RFC 4254 §5.2, §7.2). */

import { Duplex } from 'node:stream'
import { message, uint32, WireError, type WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { type HostEnd, MAX_PACKET, type OwnChannel, type OwnLine, WINDOW } from '../target-side/own-channels.ts'
import { MESSAGE } from '../transport/messages.ts'

const MAX_WINDOW = 0xffffffff
/** Message number, recipient, and the length of the data. */
const DATA_HEAD = 9

export class ForwardedStream extends Duplex implements OwnChannel {
  readonly id: number
  readonly #line: OwnLine
  readonly #peer: number
  readonly #mostBytes: number
  /** What the hop takes now, and what it may still send. */
  #room: number
  #credit = WINDOW
  #unsent: Buffer | undefined
  #written: (() => void) | undefined
  #peerEnded = false
  #peerClosed = false
  #saidClose = false

  constructor(line: OwnLine, id: number, { id: peer, window, maxPacket }: HostEnd) {
    super({ allowHalfOpen: false, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 })
    this.id = id
    this.#line = line
    this.#peer = peer
    this.#room = window
    this.#mostBytes = Math.min(maxPacket, MAX_PACKET)
    // Whoever takes it sees its end by `close`.
    this.on('error', () => undefined)
  }

  /** `bytes` are copied. Throws WireError for more than the hop may send. */
  received(bytes: Buffer): void {
    if (this.#peerEnded) throw new WireError('data after the end of data')
    if (bytes.length > this.#credit) throw new WireError('more data than the window allows')
    this.#credit -= bytes.length
    // What is on its way when we have closed is thrown away.
    if (!this.destroyed) this.push(Buffer.from(bytes))
    this.#refill()
  }

  adjusted(bytes: number): void {
    if (this.#room + bytes > MAX_WINDOW) throw new WireError('a window larger than there can be')
    this.#room += bytes
    this.sendMore()
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
    this.#sayClose()
    if (this.readableLength === 0) this.destroy()
    else this.once('end', () => this.destroy())
  }

  /** None is known on a channel of bytes; but the answer shows that we are there (ClientAliveInterval). */
  request(_name: string, wantsReply: boolean, _fields: WireReader): void {
    if (wantsReply && !this.#saidClose) this.#line.send(message(MESSAGE.CHANNEL_FAILURE, uint32(this.#peer)))
  }

  /** The hop's connection is over. */
  lost(error: Error): void {
    this.#peerClosed = true
    this.#saidClose = true
    this.destroy(error)
  }

  /** More may be sent. */
  sendMore(): void {
    while (this.#unsent !== undefined && this.#room > 0 && this.#line.hasRoom) {
      const bytes = this.#unsent.subarray(0, Math.min(this.#room, this.#mostBytes))
      const payload = Buffer.allocUnsafe(DATA_HEAD + bytes.length)
      payload[0] = MESSAGE.CHANNEL_DATA
      payload.writeUInt32BE(this.#peer, 1)
      payload.writeUInt32BE(bytes.length, 5)
      payload.set(bytes, DATA_HEAD)
      this.#room -= bytes.length
      this.#unsent = bytes.length === this.#unsent.length ? undefined : this.#unsent.subarray(bytes.length)
      this.#line.send(payload)
    }
    if (this.#unsent !== undefined) return
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  override _read(): void {
    this.#refill()
  }

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    this.#unsent = this.#peerClosed ? undefined : chunk
    this.#written = written
    this.sendMore()
  }

  override _final(done: () => void): void {
    if (!this.#saidClose) this.#line.send(message(MESSAGE.CHANNEL_EOF, uint32(this.#peer)))
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#unsent = undefined
    this.#sayClose()
    const written = this.#written
    this.#written = undefined
    written?.()
    done(error)
  }

  #sayClose(): void {
    if (!this.#saidClose) {
      this.#saidClose = true
      this.#line.send(message(MESSAGE.CHANNEL_CLOSE, uint32(this.#peer)))
    }
    if (this.#peerClosed) this.#line.closed(this.id)
  }

  /** Gives the hop room for what was read, in portions worth a message. */
  #refill(): void {
    const read = WINDOW - this.#credit - this.readableLength
    if (read < WINDOW / 2 || this.#peerEnded || this.#saidClose) return
    this.#credit += read
    this.#line.send(message(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(this.#peer), uint32(read)))
  }
}
