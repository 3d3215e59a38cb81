/** Reads whole packets from a socket while a connection begins; the relay takes over once both sides have logged in. */

import type { Duplex } from 'node:stream'

const EMPTY = Buffer.alloc(0)

export interface Message {
  /** The message type's letter. */
  readonly type: string
  readonly body: Buffer
}

export class SocketReader {
  readonly #socket: Duplex
  readonly #limit: number
  readonly #violation: (what: string) => Error
  #buffered: Buffer = EMPTY
  #ended = false
  #wake: (() => void) | undefined
  #full: (() => void) | undefined

  readonly #onData = (chunk: Buffer): void => {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk])
    // Nobody needs more than this before the relay begins: leave the rest with the kernel.
    if (this.#buffered.length > this.#limit) {
      this.#socket.pause()
      this.#full?.()
    }
    this.#wake?.()
  }
  readonly #onEnd = (): void => {
    this.#ended = true
    this.#wake?.()
  }

  /**
   * Reads at once, so that the end of the socket is seen; holds little more than `limit` bytes. `violation` makes the protocol's own
   * error of what is wrong with a message.
   */
  constructor(socket: Duplex, limit: number, violation: (what: string) => Error) {
    this.#socket = socket
    this.#limit = limit
    this.#violation = violation
    if (socket.destroyed) this.#ended = true
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
  }

  /** Told once there is more than is read for now: from then on the end of the socket is not seen either. */
  onFull(listener: () => void): void {
    this.#full = listener
    if (this.#buffered.length > this.#limit) listener()
  }

  get bufferedBytes(): number {
    return this.#buffered.length
  }

  /** Exactly `count` bytes (at most the limit), or undefined when the socket ends before. One caller at a time. */
  async read(count: number): Promise<Buffer | undefined> {
    if (count > this.#limit) throw this.#violation('a message is too long for this moment')
    if (!(await this.#until(count))) return undefined
    const bytes = this.#buffered.subarray(0, count)
    this.#buffered = this.#buffered.subarray(count)
    if (this.#buffered.length <= this.#limit && this.#socket.isPaused()) this.#socket.resume()
    return bytes
  }

  /** The next `count` bytes without taking them. */
  async peek(count: number): Promise<Buffer | undefined> {
    return (await this.#until(count)) ? this.#buffered.subarray(0, count) : undefined
  }

  /** The next message with a type byte, or undefined at the end of the socket. Throws a violation on a length over the limit. */
  async message(): Promise<Message | undefined> {
    const header = await this.read(5)
    if (header === undefined) return undefined
    const length = header.readUInt32BE(1)
    if (length < 4) throw this.#violation('a message has an impossible length')
    const body = await this.read(length - 4)
    return body && { type: String.fromCharCode(header[0]!), body }
  }

  /** Leaves the socket, paused, to the next reader; gives what was read and not used. */
  detach(): Buffer {
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('close', this.#onEnd)
    const rest = this.#buffered
    this.#buffered = EMPTY
    return rest
  }

  async #until(count: number): Promise<boolean> {
    while (this.#buffered.length < count && !this.#ended) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return this.#buffered.length >= count
  }
}
