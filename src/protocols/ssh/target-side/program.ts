/** A program that runs at a host, as a command or a subsystem (RFC 4254 §6.5): what it is given, what it says, and how it ends. */

import { boolean, message, string, uint32, WireError, type WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'
import { type HostEnd, MAX_PACKET, type OwnChannel, type OwnLine, WINDOW } from './own-channels.ts'

const MAX_WINDOW = 0xffffffff
const TERMINAL_MODE = { END: 0, ECHO: 53 } as const

export type ProgramEnd =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  /** The host closed it without saying how it ended, or we did. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'lost'; readonly error: Error }

/** `bytes` are good until it returns. */
export type Said = (bytes: Buffer, stderr: boolean) => void

export class Program implements OwnChannel {
  readonly id: number
  /** Resolves once it is over. */
  readonly ended: Promise<ProgramEnd>
  readonly #line: OwnLine
  readonly #host: Buffer
  readonly #maxPacket: number
  readonly #said: Said
  readonly #end: (end: ProgramEnd) => void
  /** What the host takes now, and what it may still send. */
  #room: number
  #credit = WINDOW
  /** What is still to be sent: overwritten then. */
  #unsent: Buffer[] = []
  #inputEnds: 'not yet' | 'when all is sent' | 'said' = 'not yet'
  #asked: ((success: boolean) => void)[] = []
  #exit: ProgramEnd = { kind: 'closed' }
  #saidClose = false
  #peerClosed = false

  constructor(line: OwnLine, id: number, { id: host, window, maxPacket }: HostEnd, said: Said) {
    const { promise, resolve } = Promise.withResolvers<ProgramEnd>()
    this.id = id
    this.ended = promise
    this.#end = resolve
    this.#line = line
    this.#host = uint32(host)
    this.#room = window
    this.#maxPacket = Math.min(maxPacket, MAX_PACKET)
    this.#said = said
  }

  /** Resolves to whether the host starts it. */
  start(kind: 'exec' | 'subsystem', name: string): Promise<boolean> {
    return this.#ask(kind, string(name))
  }

  /** Before it is started: a terminal that shows nothing of what it is given (RFC 4254 §6.2, §8). Resolves to whether the host gives it one. */
  terminal(): Promise<boolean> {
    const modes = [Buffer.of(TERMINAL_MODE.ECHO), uint32(0), Buffer.of(TERMINAL_MODE.END)]
    return this.#ask('pty-req', string('dumb'), ...[200, 50, 0, 0].map(uint32), string(Buffer.concat(modes)))
  }

  /** The bytes are the program's from here on, and overwritten once they are sent. */
  write(bytes: Buffer): void {
    if (this.#saidClose || this.#inputEnds !== 'not yet') {
      bytes.fill(0)
      return
    }
    this.#unsent.push(bytes)
    this.sendMore()
  }

  /** It is given nothing more. */
  endInput(): void {
    if (this.#inputEnds === 'not yet') this.#inputEnds = 'when all is sent'
    this.sendMore()
  }

  received(bytes: Buffer): void {
    this.#take(bytes, false)
  }

  receivedError(bytes: Buffer): void {
    this.#take(bytes, true)
  }

  adjusted(bytes: number): void {
    if (this.#room + bytes > MAX_WINDOW) throw new WireError('a window larger than there can be')
    this.#room += bytes
    this.sendMore()
  }

  peerEnded(): void {
    // How it ended comes behind.
  }

  peerClosed(): void {
    this.#peerClosed = true
    this.destroy()
  }

  request(name: string, wantsReply: boolean, fields: WireReader): void {
    if (name === 'exit-status') this.#exit = { kind: 'exited', status: fields.uint32() }
    else if (name === 'exit-signal') this.#exit = { kind: 'signalled', signal: fields.utf8() }
    // The answer shows that we are there (ClientAliveInterval).
    else if (wantsReply && !this.#saidClose) this.#send(MESSAGE.CHANNEL_FAILURE)
  }

  answered(success: boolean): void {
    // On its way when we have closed.
    if (this.#saidClose) return
    const asked = this.#asked.shift()
    if (asked === undefined) throw new WireError('an answer to a request that was not made')
    asked(success)
  }

  lost(error: Error): void {
    this.#peerClosed = true
    this.#saidClose = true
    if (this.#exit.kind === 'closed') this.#exit = { kind: 'lost', error }
    this.#over()
  }

  destroy(): void {
    if (!this.#saidClose) {
      this.#saidClose = true
      this.#send(MESSAGE.CHANNEL_CLOSE)
    }
    if (this.#peerClosed) this.#line.closed(this.id)
    this.#over()
  }

  sendMore(): void {
    while (this.#unsent.length > 0 && this.#room > 0 && this.#line.hasRoom) {
      const first = this.#unsent[0]!
      const bytes = first.subarray(0, Math.min(this.#room, this.#maxPacket))
      this.#room -= bytes.length
      const data = string(bytes)
      this.#send(MESSAGE.CHANNEL_DATA, data)
      data.fill(0)
      bytes.fill(0)
      if (bytes.length === first.length) this.#unsent.shift()
      else this.#unsent[0] = first.subarray(bytes.length)
    }
    if (this.#unsent.length > 0 || this.#inputEnds !== 'when all is sent' || this.#saidClose) return
    this.#inputEnds = 'said'
    this.#send(MESSAGE.CHANNEL_EOF)
  }

  #ask(name: string, ...fields: Buffer[]): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    if (this.#saidClose) return Promise.resolve(false)
    this.#asked.push(resolve)
    this.#send(MESSAGE.CHANNEL_REQUEST, string(name), boolean(true), ...fields)
    return promise
  }

  #take(bytes: Buffer, stderr: boolean): void {
    if (bytes.length > this.#credit) throw new WireError('more data than the window allows')
    this.#credit -= bytes.length
    // What is on its way when we have closed is thrown away.
    if (this.#saidClose) return
    this.#said(bytes, stderr)
    if (this.#saidClose || this.#credit > WINDOW / 2) return
    this.#send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(WINDOW - this.#credit))
    this.#credit = WINDOW
  }

  #over(): void {
    for (const bytes of this.#unsent) bytes.fill(0)
    this.#unsent = []
    this.#end(this.#exit)
    for (const asked of this.#asked.splice(0)) asked(false)
  }

  /** Overwritten: it may hold a secret. */
  #send(type: number, ...fields: Buffer[]): void {
    const payload = message(type, this.#host, ...fields)
    this.#line.send(payload)
    payload.fill(0)
  }
}
