/** A session channel that the gateway itself answers on (RFC 4254 §6): windows in both directions, and who has the channel now. */

import { message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { REQUEST_SHAPES, readsOneWay } from '../relay/shapes.ts'
import { EXTENDED_DATA_STDERR, MESSAGE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import { RequestedProgram } from './requested-program.ts'
import type { ChannelLine, PeerEnd, ServedEnd } from './served-connection.ts'

/** What a person may send before it was read: a pasted megabyte waits at the client. */
const INPUT_WINDOW = 64 * 1024
const MAX_WINDOW = 0xffffffff
/** What every implementation must be able to take is 32768; below this no data fits in. */
const SMALLEST_MAX_PACKET = 256

/** Who has the channel: a command, the menu, or a session on it. */
export interface ChannelUser {
  data(bytes: Buffer): void
  /** The client will send no more. */
  eof?(): void
  resized?(): void
  /** `signal` and `break` (RFC 4254 §6.9, RFC 4335 §3): what follows the wish for a reply. */
  signalled?(request: string, fields: Buffer): void
  /** The client has room for so many bytes more. */
  adjusted?(bytes: number): void
  /** The connection takes data again. */
  ready?(): void
}

export interface SessionChannelOptions {
  readonly peer: PeerEnd
  readonly line: ChannelLine
  /** For the text of a refusal. */
  readonly session: string
  /** A shell or a command was asked for. */
  started(channel: SessionChannel): void
  /** Something was refused: for the audit log. */
  refused(what: string, why: string): void
  /** The client sent data. */
  activity(): void
}

interface Waiting {
  bytes: Buffer
  readonly stderr: boolean
  readonly written: () => void
}

export class SessionChannel implements ServedEnd {
  readonly inputWindow = INPUT_WINDOW
  readonly program: RequestedProgram
  readonly maxPacket: number
  readonly line: ChannelLine
  readonly #options: SessionChannelOptions
  readonly #recipient: Buffer
  readonly #gone = new AbortController()
  /** Without one, what is typed is for nobody. */
  #user: ChannelUser | undefined
  #room: number
  #inputRoom = INPUT_WINDOW
  #unread = 0
  #waiting: Waiting[] = []
  #clientEof = false
  #sentClose = false

  /** Throws WireError. */
  constructor(options: SessionChannelOptions) {
    const { id, window, maxPacket } = options.peer
    if (maxPacket < SMALLEST_MAX_PACKET) throw new WireError('a packet size that no data fits in')
    this.#options = options
    this.line = options.line
    this.#recipient = uint32(id)
    this.#room = window
    this.maxPacket = maxPacket
    this.program = new RequestedProgram(success => this.#reply(success))
  }

  /** Aborted when the channel, or the connection, is no more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Bytes that the client will take now. */
  get room(): number {
    return this.#room
  }

  get clientEof(): boolean {
    return this.#clientEof
  }

  /** Gives the channel to somebody else, until they give it back. */
  use(user: ChannelUser | undefined): void {
    this.#user = user
  }

  /** Resolves when the client has had room for all of it, or is gone. In order with what was written before. */
  write(bytes: Buffer, stderr = false): Promise<void> {
    if (bytes.length === 0 || this.#over) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push({ bytes, stderr, written: resolve })
      this.line.waits()
      this.#sendWaiting()
    })
  }

  /** Sends at once: the sender was told of the client's window. */
  forward(bytes: Buffer, stderr: boolean): void {
    if (this.#over) return
    this.#room -= bytes.length
    this.#sendData(bytes, stderr)
    if (!this.line.ready) this.line.waits()
  }

  /** So much of the input was read: the client may send as much again. */
  consumed(bytes: number): void {
    this.#unread += bytes
    if (this.#unread < INPUT_WINDOW / 2 || this.#over || this.#clientEof) return
    this.#inputRoom += this.#unread
    this.#send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(this.#unread))
    this.#unread = 0
  }

  /** The program's end (RFC 4254 §6.10), then the channel's. */
  exit(status: number): void {
    if (this.#over) return
    this.#send(MESSAGE.CHANNEL_EOF)
    this.#send(MESSAGE.CHANNEL_REQUEST, string('exit-status'), Buffer.of(0), uint32(status))
    this.#close()
  }

  received(bytes: Buffer): void {
    if (this.#clientEof) throw new WireError('data after the end of data')
    if (bytes.length > this.#inputRoom) throw new WireError('more data than the window allows')
    this.#options.activity()
    this.#inputRoom -= bytes.length
    if (this.#user === undefined) this.consumed(bytes.length)
    else this.#user.data(bytes)
  }

  adjusted(bytes: number): void {
    if (this.#room + bytes > MAX_WINDOW) throw new WireError('a window larger than there can be')
    this.#room += bytes
    this.#sendWaiting()
    this.#user?.adjusted?.(bytes)
  }

  peerEnded(): void {
    if (this.#clientEof) return
    this.#clientEof = true
    this.#user?.eof?.()
  }

  peerClosed(): void {
    this.#close()
    this.#leave()
  }

  lost(): void {
    this.#sentClose = true
    this.#leave()
  }

  request(name: string, wantsReply: boolean, fields: WireReader): void {
    const { program } = this
    const rest = fields.rest()
    const shape = REQUEST_SHAPES.get(name)
    if (shape !== undefined && !readsOneWay(shape, new WireReader(rest))) {
      throw new WireError('a NUL byte in a text')
    }
    const startedBefore = program.started
    const refused = program.request(name, rest)
    if (refused?.audited) this.#options.refused(`request ${name}`, refused.why)
    if (refused?.words !== undefined) {
      const words = `Sallyport: ${plain(refused.words)} [CHANNEL_DENIED, session ${this.#options.session}]\r\n`
      void this.write(Buffer.from(words), true)
    }
    if (wantsReply) program.answer(refused === undefined, refused?.words !== undefined)
    if (refused !== undefined) return
    if (name === 'window-change') this.#user?.resized?.()
    if (name === 'signal' || name === 'break') this.#user?.signalled?.(name, rest)
    if (program.started && !startedBefore) this.#options.started(this)
  }

  sendSome(): boolean {
    this.#user?.ready?.()
    this.#sendOne()
    return this.#waiting.length > 0 && this.#room > 0
  }

  get #over(): boolean {
    return this.#sentClose || this.#gone.signal.aborted
  }

  #sendWaiting(): void {
    while (this.line.ready && this.#waiting.length > 0 && this.#room > 0) this.#sendOne()
    if (this.#waiting.length > 0 && this.#room > 0) this.line.waits()
  }

  #sendOne(): void {
    const first = this.#waiting[0]
    if (first === undefined || this.#room === 0 || this.#over) return
    const bytes = first.bytes.subarray(0, Math.min(this.#room, this.maxPacket))
    first.bytes = first.bytes.subarray(bytes.length)
    this.#room -= bytes.length
    this.#sendData(bytes, first.stderr)
    if (first.bytes.length > 0) return
    this.#waiting.shift()
    first.written()
  }

  #reply(success: boolean): void {
    if (!this.#over) this.#send(success ? MESSAGE.CHANNEL_SUCCESS : MESSAGE.CHANNEL_FAILURE)
  }

  #close(): void {
    if (this.#over) return
    this.#send(MESSAGE.CHANNEL_CLOSE)
    this.#sentClose = true
    this.#releaseWriters()
    this.line.closed()
  }

  #leave(): void {
    this.#gone.abort()
    this.#releaseWriters()
  }

  #releaseWriters(): void {
    for (const { written } of this.#waiting.splice(0)) written()
  }

  #sendData(bytes: Buffer, stderr: boolean): void {
    if (stderr) this.#send(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(EXTENDED_DATA_STDERR), string(bytes))
    else this.#send(MESSAGE.CHANNEL_DATA, string(bytes))
  }

  #send(type: number, ...fields: Buffer[]): void {
    this.line.send(message(type, this.#recipient, ...fields))
  }
}
