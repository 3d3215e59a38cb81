/**
 * The client of a login that is let in no further than a channel of the gateway's own: it brings variables there, is asked and told something,
 * and waits (RFC 4254 §6). When a session follows, all that it asked for until then is asked for in its turn, and the channel becomes the target's:
 * its number at the target is another than the client was told, so it is put into each message; windows are end to end.
 */

import type { Brought } from '../../../session/protocol.ts'
import { boolean, message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MAX_PACKET, SMALLEST_MAX_PACKET } from '../relay/channels.ts'
import type { RelayPeer } from '../relay/relay-peer.ts'
import { expectEnd, REQUEST_SHAPES, readsOneWay } from '../relay/shapes.ts'
import { DISCONNECT, EXTENDED_DATA_STDERR, MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import { plain, terminalLines } from '../transport/texts.ts'
import type { Transport, TransportListener } from '../transport/transport.ts'
import { TargetEnd } from './target-end.ts'
import { TypedLine } from './typed-line.ts'

/** The number of the channel as the client knows it: no target gives as high a one. */
const OWN = 0x7fff_0000
/** What the client may send before a target has said how much it takes. */
const WINDOW = 16 * 1024
/** What may be asked for, and sent ahead, before it is let in. */
const MOST_HELD = 128
const MOST_HELD_BYTES = 64 * 1024
/** One in three seconds, for a day. */
const MOST_KEEPALIVES = 30_000
/** What OpenSSH's and other clients' own look for life is called: keepalive@openssh.com, @lag.net, @libssh2.org and so on. */
const KEEPALIVE = /^keepalive@/
/** Said by OpenSSH before anything else where it will ask for no program (-N). */
const NO_MORE_SESSIONS = 'no-more-sessions@openssh.com'
/** One that asks for no program within this time brings nothing: a connection for forwarding alone. */
const PROGRAM_WITHIN_MS = 10_000
const MOST_BROUGHT = 4096
/** Where the bytes of CHANNEL_DATA begin. */
const DATA_AT = 9
/** Where a terminal was asked for, and nobody is there who types. */
const ANSWER_WITHIN_MS = 2 * 60_000
const STARTS = new Set(['shell', 'exec', 'subsystem'])
const NAMES: Record<string, 'reason' | 'ticket' | 'length'> = {
  SALLYPORT_REASON: 'reason',
  SALLYPORT_TICKET: 'ticket',
  SALLYPORT_FOR: 'length',
}

interface Channel {
  /** The client's number. */
  readonly id: number
  readonly maxPacket: number
  /** What the client takes now. */
  room: number
  terminal: boolean
  /** A program was asked for; whether it waits for the answer to that. */
  program: { wantsReply: boolean } | undefined
}

/** In its place among what is held: the opening of the channel itself. */
type Held = Buffer | 'own-channel'

export class WaitingClient implements TransportListener, RelayPeer {
  readonly #transport: Transport
  readonly #leave: () => void
  readonly #brought: { -readonly [name in keyof Brought]: Brought[name] } = { attended: false }
  readonly #known = Promise.withResolvers<Brought>()
  readonly #timer: NodeJS.Timeout
  #channel: Channel | undefined
  #held: Held[] = []
  #heldBytes = 0
  /** Data that is held. */
  #unread = 0
  /** What is typed is for the session that follows. */
  #accepted = false
  /** A global request whose answer is the target's: the answers come in order. */
  #owesAnswers = false
  readonly #keepalives = new Map<string, Buffer>()
  /** Keepalives that are held more than once. */
  #repeated = 0
  /** The newest size of the terminal, where it is held. */
  #size: Buffer | undefined
  /** The client was told that its program runs, before the target was asked. */
  #toldItRuns = false
  /** It does not: the channel was closed in the client's place, and what the client says of it counts no more. */
  #closedForClient = false
  /** Nothing more will be typed. */
  #sentEof = false
  #typed: { readonly line: TypedLine; answered(line: string | undefined): void } | undefined
  #relay: TransportListener | undefined
  #target: TargetEnd | undefined

  /** `leave`: the person gives up. */
  constructor(transport: Transport, leave: () => void) {
    this.#transport = transport
    this.#leave = leave
    this.#timer = setTimeout(() => this.#known.resolve(this.#brought), PROGRAM_WITHIN_MS)
  }

  /** Once the client has asked for a program, or for something else that brings nothing. */
  get brought(): Promise<Brought> {
    return this.#known.promise
  }

  reuseMemory(): void {
    // Messages may be held here: they keep the memory that they came in.
  }

  message(type: number, payload: Buffer): void {
    try {
      if (this.#relay === undefined) this.#take(type, payload)
      else this.#passOn(type, payload)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#transport.disconnect(DISCONNECT.PROTOCOL_ERROR, error.message)
    }
  }

  ended(error: Error | undefined): void {
    this.#stopAsking()
    this.#relay?.ended(error)
  }

  tell(line: string): void {
    this.#listenAtTerminal()
    this.#say(terminalLines(line))
  }

  ask(question: string): Promise<string | undefined> {
    if (!this.#brought.attended || this.#transport.over || this.#sentEof) return Promise.resolve(undefined)
    this.#listenAtTerminal()
    this.#say(plain(question))
    return new Promise(resolve => {
      const patience = setTimeout(() => answered(undefined), ANSWER_WITHIN_MS)
      const answered = (line: string | undefined) => {
        clearTimeout(patience)
        this.#typed = undefined
        this.#say('\r\n')
        resolve(line)
      }
      this.#typed = { line: new TypedLine(), answered }
    })
  }

  /** PuTTY and others send what is typed only once they are told that the program runs. */
  #listenAtTerminal(): void {
    const { program, terminal } = this.#channel ?? {}
    if (!terminal || !program?.wantsReply) return
    program.wantsReply = false
    this.#toldItRuns = true
    this.#toClient(MESSAGE.CHANNEL_SUCCESS)
  }

  /** The last word, where it can be read: the caller disconnects when the client has not by itself. */
  refuse(text: string): void {
    this.#stopAsking()
    const channel = this.#channel
    for (const held of this.#held.splice(0)) if (held !== 'own-channel') this.#refuseHeld(held, text)
    if (channel === undefined) return
    if (channel.program?.wantsReply) this.#toClient(MESSAGE.CHANNEL_SUCCESS)
    this.#say(terminalLines(text))
    this.#toClient(MESSAGE.CHANNEL_EOF)
    this.#toClient(MESSAGE.CHANNEL_REQUEST, string('exit-status'), boolean(false), uint32(255))
    this.#toClient(MESSAGE.CHANNEL_CLOSE)
  }

  /** Whether there is a channel on which a refusal is read. */
  get hasChannel(): boolean {
    return this.#channel !== undefined
  }

  /** A session follows. */
  accept(): void {
    this.#stopAsking()
    this.#accepted = true
  }

  /** Its relay takes over. */
  handOver(listener: TransportListener): void {
    this.#relay = listener
    for (const held of this.#held.splice(0)) {
      if (this.#transport.over) return
      if (held === 'own-channel') this.#openAtTarget(this.#channel!)
      else this.#passOn(held[0]!, held)
    }
  }

  #take(type: number, payload: Buffer): void {
    switch (type) {
      case MESSAGE.CHANNEL_OPEN:
        this.#open(payload)
        break
      case MESSAGE.GLOBAL_REQUEST:
        this.#global(payload)
        break
      case MESSAGE.CHANNEL_WINDOW_ADJUST: {
        const fields = this.#fields(payload)
        this.#channel!.room += fields.uint32()
        expectEnd(fields)
        break
      }
      case MESSAGE.CHANNEL_DATA: {
        const fields = this.#fields(payload)
        const bytes = fields.string()
        expectEnd(fields)
        this.#data(payload, bytes)
        break
      }
      case MESSAGE.CHANNEL_REQUEST:
        this.#request(payload)
        break
      case MESSAGE.CHANNEL_EOF:
        this.#fields(payload)
        this.#sentEof = true
        this.#typed?.answered(undefined)
        this.#hold(payload)
        break
      case MESSAGE.CHANNEL_CLOSE:
        this.#fields(payload)
        this.#leave()
        break
      default:
        if (type >= MESSAGE.GLOBAL_REQUEST) throw new WireError('a message for a channel that is not open')
        // Authentication requests after success are to be ignored (RFC 4252 §5.1).
        if (type < MESSAGE.USERAUTH_REQUEST) this.#transport.unimplemented()
    }
  }

  #open(payload: Buffer): void {
    const fields = new WireReader(payload, 1)
    const kind = fields.utf8()
    const [id, room, maxPacket] = [fields.uint32(), fields.uint32(), fields.uint32()]
    if (kind !== 'session' || this.#channel !== undefined) {
      this.#hold(payload)
      // Who forwards, and nothing else, has no variables.
      if (this.#channel === undefined) this.#known.resolve(this.#brought)
      return
    }
    expectEnd(fields)
    if (maxPacket < SMALLEST_MAX_PACKET) throw new WireError('a packet size that no data fits in')
    this.#channel = { id, room, maxPacket, terminal: false, program: undefined }
    this.#held.push('own-channel')
    this.#toClient(MESSAGE.CHANNEL_OPEN_CONFIRMATION, uint32(OWN), uint32(WINDOW), uint32(MAX_PACKET))
  }

  #global(payload: Buffer): void {
    const fields = new WireReader(payload, 1)
    const name = fields.utf8()
    const wantsReply = fields.boolean()
    if (KEEPALIVE.test(name)) {
      const answer = () => this.#transport.send(message(MESSAGE.REQUEST_FAILURE))
      this.#lives(payload, wantsReply, this.#owesAnswers ? undefined : answer)
      return
    }
    this.#owesAnswers ||= wantsReply
    this.#hold(payload)
    if (name === NO_MORE_SESSIONS && this.#channel === undefined) this.#known.resolve(this.#brought)
  }

  #request(payload: Buffer): void {
    const fields = this.#fields(payload)
    const channel = this.#channel!
    const name = fields.utf8()
    const wantsReply = fields.boolean()
    const wantsReplyAt = fields.offset - 1
    const shape = REQUEST_SHAPES.get(name)
    if (shape !== undefined && !readsOneWay(shape, new WireReader(payload, fields.offset)))
      throw new WireError('a NUL byte in a text')
    if (name === 'env' && this.#bring(fields)) {
      if (wantsReply) this.#toClient(MESSAGE.CHANNEL_SUCCESS)
      return
    }
    if (KEEPALIVE.test(name)) {
      const answer = () => this.#toClient(MESSAGE.CHANNEL_FAILURE)
      this.#lives(payload, wantsReply, channel.program?.wantsReply ? undefined : answer)
      return
    }
    if (name === 'window-change' && !wantsReply && this.#resized(payload)) return
    const held = this.#hold(payload)
    if (name === 'window-change' && !wantsReply) this.#size = held
    if (name === 'pty-req') channel.terminal = true
    if (channel.program !== undefined) return
    if (STARTS.has(name)) {
      channel.program = { wantsReply }
      this.#brought.attended = channel.terminal
      this.#known.resolve(this.#brought)
    } else if (wantsReply) {
      // Some clients ask for a program only then; what the target makes of it shows in the program.
      held[wantsReplyAt] = 0
      this.#toClient(MESSAGE.CHANNEL_SUCCESS)
    }
  }

  /** Whether it is one of the variables that are for the gateway. */
  #bring(fields: WireReader): boolean {
    const name = NAMES[fields.utf8()]
    if (name !== undefined) this.#brought[name] = fields.utf8().slice(0, MOST_BROUGHT)
    return name !== undefined
  }

  #data(payload: Buffer, bytes: Buffer): void {
    this.#unread += bytes.length
    if (this.#unread > WINDOW) throw new WireError('more data than the window allows')
    if (!this.#channel!.terminal || this.#accepted) return void this.#holdData(payload, bytes)
    this.#unread -= bytes.length
    // What is typed is for who asks, and else for nobody.
    this.#toClient(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(bytes.length))
    if (this.#typed === undefined) {
      if (bytes.includes(3)) this.#leave()
      return
    }
    const typed = this.#typed.line.push(bytes)
    if (typed.is === 'given-up') {
      this.#typed.answered(undefined)
      return
    }
    if (typed.echo !== '') this.#say(typed.echo)
    if (typed.is === 'line') this.#typed.answered(typed.line)
  }

  /** A keepalive. Without `answer` now: it would be taken for that of the request before, and whoever looks for life is content with anything. */
  #lives(payload: Buffer, wantsReply: boolean, answer: (() => void) | undefined): void {
    if (answer === undefined) this.#transport.send(message(MESSAGE.IGNORE, string('')))
    if (!wantsReply) return
    if (answer === undefined) this.#holdKeepalive(payload)
    else answer()
  }

  /** Those that are alike are one message: who waits for long sends many. */
  #holdKeepalive(payload: Buffer): void {
    const kind = payload.toString('latin1')
    const known = this.#keepalives.get(kind)
    if (known === undefined) {
      this.#keepalives.set(kind, this.#hold(payload))
      return
    }
    if (++this.#repeated > MOST_KEEPALIVES) throw new WireError('too many keepalives before it is let in')
    this.#held.push(known)
  }

  /** Who waits for long drags the window about: the last size counts. Whether it took the place of one before. */
  #resized(payload: Buffer): boolean {
    if (this.#size?.length !== payload.length) return false
    payload.copy(this.#size)
    return true
  }

  /** Data in many small pieces is one. */
  #holdData(payload: Buffer, bytes: Buffer): void {
    const last = this.#held.at(-1)
    if (last === undefined || last === 'own-channel' || last[0] !== MESSAGE.CHANNEL_DATA)
      return void this.#hold(payload)
    this.#held[this.#held.length - 1] = message(
      MESSAGE.CHANNEL_DATA,
      uint32(OWN),
      string(Buffer.concat([last.subarray(DATA_AT), bytes])),
    )
    this.#heldBytes += bytes.length
  }

  /** A copy, that may be changed. */
  #hold(payload: Buffer): Buffer {
    this.#heldBytes += payload.length
    if (this.#held.length - this.#repeated >= MOST_HELD || this.#heldBytes > MOST_HELD_BYTES)
      throw new WireError('too much is asked for before it is let in')
    const held = Buffer.from(payload)
    this.#held.push(held)
    return held
  }

  #fields(payload: Buffer): WireReader {
    const fields = new WireReader(payload, 1)
    if (fields.uint32() !== OWN || this.#channel === undefined)
      throw new WireError('a message for a channel that is not open')
    return fields
  }

  #refuseHeld(held: Buffer, text: string): void {
    const fields = new WireReader(held, 1)
    if (held[0] !== MESSAGE.GLOBAL_REQUEST && held[0] !== MESSAGE.CHANNEL_OPEN) return
    fields.string()
    if (held[0] === MESSAGE.GLOBAL_REQUEST) {
      if (fields.boolean()) this.#transport.send(message(MESSAGE.REQUEST_FAILURE))
      return
    }
    const failure = [uint32(fields.uint32()), uint32(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED)]
    this.#transport.send(message(MESSAGE.CHANNEL_OPEN_FAILURE, ...failure, string(plain(text)), string('')))
  }

  #say(text: string): void {
    const channel = this.#channel
    if (channel === undefined || this.#relay !== undefined) return
    // Whoever takes nothing is told nothing.
    const bytes = Buffer.from(text).subarray(0, Math.min(channel.room, channel.maxPacket))
    if (bytes.length === 0) return
    channel.room -= bytes.length
    if (channel.terminal) this.#toClient(MESSAGE.CHANNEL_DATA, string(bytes))
    else this.#toClient(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(EXTENDED_DATA_STDERR), string(bytes))
  }

  #toClient(type: number, ...fields: Buffer[]): void {
    this.#transport.send(message(type, uint32(this.#channel!.id), ...fields))
  }

  #stopAsking(): void {
    clearTimeout(this.#timer)
    this.#known.resolve(this.#brought)
    this.#typed?.answered(undefined)
  }

  #openAtTarget({ id, room, maxPacket }: Channel): void {
    const target = new TargetEnd(WINDOW, {
      toTarget: payload => this.#relay!.message(payload[0]!, payload),
      adjustClient: bytes => this.#toClient(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(bytes)),
    })
    this.#target = target
    const opening = message(MESSAGE.CHANNEL_OPEN, string('session'), uint32(id), uint32(room), uint32(maxPacket))
    this.#relay!.message(MESSAGE.CHANNEL_OPEN, opening)
  }

  /** From the client to the relay. */
  #passOn(type: number, payload: Buffer): void {
    const isOwn = type > MESSAGE.CHANNEL_OPEN_FAILURE && payload.length >= 5 && payload.readUInt32BE(1) === OWN
    if (isOwn && this.#closedForClient) return
    if (!isOwn || this.#target === undefined) this.#relay!.message(type, payload)
    else this.#target.fromClient(type, payload)
  }

  // From the relay to the client.

  send(payload: Buffer): void {
    if (!this.#isTaken(payload)) this.#transport.send(payload)
  }

  /** What says something of the channel that the client knows by another number, or of its window. */
  #isTaken(payload: Buffer): boolean {
    const target = this.#target
    if (target === undefined || target.over || payload.length < 5) return false
    const isOwn = payload.readUInt32BE(1) === this.#channel!.id
    switch (payload[0]) {
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION: {
        const fields = new WireReader(payload, 5)
        const [id, window, maxPacket] = [fields.uint32(), fields.uint32(), fields.uint32()]
        if (isOwn) target.opened({ id, window, maxPacket })
        else if (id === OWN) this.disconnect(DISCONNECT.PROTOCOL_ERROR, 'a channel number in use')
        return isOwn
      }
      case MESSAGE.CHANNEL_OPEN_FAILURE:
        if (!isOwn) return false
        target.refused()
        this.#failed(new WireReader(payload, 9).utf8())
        return true
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        if (isOwn) target.adjusted(payload.readUInt32BE(5))
        return isOwn
      case MESSAGE.CHANNEL_CLOSE:
        if (isOwn) target.closed()
        return false
      // To the program: of what was asked for before it, the target is told to answer nothing.
      case MESSAGE.CHANNEL_SUCCESS:
      case MESSAGE.CHANNEL_FAILURE:
        if (!isOwn || !this.#toldItRuns) return false
        this.#toldItRuns = false
        if (payload[0] === MESSAGE.CHANNEL_SUCCESS) return true
        this.#sayWhy('the program is refused')
        // The client's number is free only once the target has closed it as well.
        this.#closedForClient = true
        target.close()
        return true
      default:
        return false
    }
  }

  /** The client was told long ago that the channel is open. */
  #failed(why: string): void {
    this.#sayWhy(why)
    this.#toClient(MESSAGE.CHANNEL_CLOSE)
  }

  #sayWhy(why: string): void {
    const words = Buffer.from(terminalLines(`Sallyport: ${why}`))
    this.#toClient(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(EXTENDED_DATA_STDERR), string(words))
  }

  get over(): boolean {
    return this.#transport.over
  }
  get peerSoftware(): string {
    return this.#transport.peerSoftware
  }
  get exchangingKeys(): boolean {
    return this.#transport.exchangingKeys
  }
  get pendingBytes(): number {
    return this.#transport.pendingBytes
  }
  get mostWaiting(): number {
    return this.#transport.mostWaiting
  }
  set mostWaiting(bytes: number) {
    this.#transport.mostWaiting = bytes
  }
  get onKeyExchange(): (() => void) | undefined {
    return this.#transport.onKeyExchange
  }
  set onKeyExchange(listener: (() => void) | undefined) {
    this.#transport.onKeyExchange = listener
  }
  get socket(): RelayPeer['socket'] {
    return this.#transport.socket
  }
  disconnect(reason: number, text: string): void {
    this.#transport.disconnect(reason, text)
  }
  destroy(): void {
    this.#transport.destroy()
  }
  unimplemented(): void {
    this.#transport.unimplemented()
  }
}
