/** The gateway's own end of an SSH connection (RFC 4254), for a login that names no target: channels end here, by kind. */

import type { EndReason } from '../../../session/state.ts'
import { message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MAX_PACKET } from '../relay/channels.ts'
import { expectEnd } from '../relay/shapes.ts'
import { DISCONNECT, MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import {
  RELAY_WAITING_BYTES,
  type Transport,
  type TransportListener,
  TransportViolation,
} from '../transport/transport.ts'

/** Bytes that may wait for the client before channels send no more, and before it is no longer read. */
const HIGH_WATER_BYTES = 1024 * 1024
/** Message number and recipient, with which every message of a channel begins. */
const RECIPIENT_END = 5

/** What the client says of its end of a channel. */
export interface PeerEnd {
  /** The recipient in messages to it. */
  readonly id: number
  readonly window: number
  readonly maxPacket: number
}

/** One channel, as the connection sees it. What it throws as WireError ends the connection. */
export interface ServedEnd {
  /** What the client may send at first. */
  readonly inputWindow: number
  /** The client is told that the channel is open: from here on it may be written to. */
  confirmed?(): void
  /** CHANNEL_DATA: the bytes are good until it returns. */
  received(bytes: Buffer): void
  /** CHANNEL_WINDOW_ADJUST. */
  adjusted(bytes: number): void
  /** CHANNEL_EOF. */
  peerEnded(): void
  /** CHANNEL_CLOSE: after it nothing is sent but our own CLOSE. */
  peerClosed(): void
  /** The connection is gone. */
  lost(): void
  /** CHANNEL_REQUEST: answers by itself. */
  request(name: string, wantsReply: boolean, fields: WireReader): void
  /** Sends one message of what waits; true where there is more, and room for it in the client's window. */
  sendSome(): boolean
}

/** What a channel has of its connection. */
export interface ChannelLine {
  /** False while the connection takes no more data: `waits` is then what to do. Other messages may be sent all the same. */
  readonly ready: boolean
  /** The payload is copied. Nothing happens where the connection is over. */
  send(payload: Buffer): void
  /** `sendSome` is called when the connection takes more, turn and turn about. */
  waits(): void
  /** CHANNEL_CLOSE was sent: the number is free once the client has closed too. */
  closed(): void
}

/** What becomes of a channel that the client wants to open. */
export type Opening =
  | { readonly open: (peer: PeerEnd, line: ChannelLine) => ServedEnd }
  /** An open failure's code; `why` is for the person: OpenSSH prints it. */
  | { readonly refused: number; readonly why: string }

export interface ServedConnectionOptions {
  readonly maxChannels: number
  /** Decides on CHANNEL_OPEN; `fields` stand behind the packet size. May throw WireError. */
  open(kind: string, fields: WireReader): Promise<Opening> | Opening
  /** The client broke the protocol. */
  broken(rule: string): void
  /** Opening a channel failed for a reason that is no refusal. */
  failed(error: unknown): void
}

interface Entry {
  readonly end: ServedEnd
  readonly peerId: number
  peerClosed: boolean
  closed: boolean
}

export class ServedConnection implements TransportListener {
  readonly #transport: Transport
  readonly #options: ServedConnectionOptions
  readonly #channels = new Map<number, Entry>()
  /** The client's numbers in use. */
  readonly #theirs = new Set<number>()
  /** Channels with something to send and no room on the connection; who waits longest first. */
  readonly #waiting = new Set<ServedEnd>()
  readonly #ended = Promise.withResolvers<EndReason>()
  #opening = 0
  #next = 0

  constructor(transport: Transport, options: ServedConnectionOptions) {
    this.#transport = transport
    this.#options = options
    transport.mostWaiting = RELAY_WAITING_BYTES
    transport.socket.on('drain', this.#pace)
    transport.onKeyExchange = this.#pace
  }

  /** Resolves when the connection is over, with who ended it. */
  get end(): Promise<EndReason> {
    return this.#ended.promise
  }

  message(type: number, payload: Buffer): void {
    try {
      this.#take(type, payload)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#brokenRule(error)
    }
    this.#pace()
  }

  ended(error: Error | undefined): void {
    const broken = error instanceof TransportViolation
    if (broken) this.#options.broken(error.message)
    this.#transport.onKeyExchange = undefined
    this.#transport.socket.off('drain', this.#pace)
    for (const { end } of this.#channels.values()) end.lost()
    this.#channels.clear()
    this.#ended.resolve(broken ? 'protocol-violation' : 'client-closed')
  }

  #brokenRule({ message: rule }: WireError): void {
    this.#options.broken(rule)
    this.#ended.resolve('protocol-violation')
    this.#transport.disconnect(DISCONNECT.PROTOCOL_ERROR, rule)
  }

  #take(type: number, payload: Buffer): void {
    switch (type) {
      case MESSAGE.CHANNEL_DATA: {
        const fields = new WireReader(payload, RECIPIENT_END)
        const bytes = fields.string()
        expectEnd(fields)
        this.#find(payload).end.received(bytes)
        break
      }
      case MESSAGE.CHANNEL_WINDOW_ADJUST: {
        const fields = new WireReader(payload, RECIPIENT_END)
        const bytes = fields.uint32()
        expectEnd(fields)
        this.#find(payload).end.adjusted(bytes)
        break
      }
      case MESSAGE.CHANNEL_OPEN:
        this.#open(payload)
        break
      case MESSAGE.CHANNEL_REQUEST: {
        const fields = new WireReader(payload, RECIPIENT_END)
        this.#find(payload).end.request(fields.utf8(), fields.boolean(), fields)
        break
      }
      case MESSAGE.CHANNEL_EOF:
        this.#find(payload).end.peerEnded()
        break
      case MESSAGE.CHANNEL_CLOSE:
        this.#close(payload)
        break
      case MESSAGE.GLOBAL_REQUEST: {
        const fields = new WireReader(payload, 1)
        fields.string()
        // A keepalive is content with any answer; nothing else is granted.
        if (fields.boolean()) this.#transport.send(message(MESSAGE.REQUEST_FAILURE))
        break
      }
      case MESSAGE.CHANNEL_EXTENDED_DATA:
        throw new WireError('extended data that is not stderr')
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
      case MESSAGE.CHANNEL_OPEN_FAILURE:
      case MESSAGE.CHANNEL_SUCCESS:
      case MESSAGE.CHANNEL_FAILURE:
      case MESSAGE.REQUEST_SUCCESS:
      case MESSAGE.REQUEST_FAILURE:
        throw new WireError('a reply to no request')
      default:
        // Authentication requests after success are to be ignored (RFC 4252 §5.1).
        if (type < MESSAGE.USERAUTH_REQUEST || type >= MESSAGE.GLOBAL_REQUEST) this.#transport.unimplemented()
    }
  }

  #close(payload: Buffer): void {
    const entry = this.#find(payload)
    entry.peerClosed = true
    entry.end.peerClosed()
    this.#freeIfOver(payload.readUInt32BE(1), entry)
  }

  #find(payload: Buffer): Entry {
    const entry = this.#channels.get(new WireReader(payload, 1).uint32())
    if (entry === undefined || entry.peerClosed) throw new WireError('a message for a channel that is not open')
    return entry
  }

  #open(payload: Buffer): void {
    // The decision may take longer than the message is there.
    const fields = new WireReader(Buffer.from(payload), 1)
    const kind = fields.utf8()
    const peer = { id: fields.uint32(), window: fields.uint32(), maxPacket: fields.uint32() }
    if (this.#theirs.has(peer.id)) throw new WireError('a channel number in use')
    if (this.#channels.size + this.#opening >= this.#options.maxChannels) {
      const why = 'Sallyport: there are too many channels in this connection'
      this.#refuse(peer.id, OPEN_FAILURE.RESOURCE_SHORTAGE, why)
      return
    }
    this.#theirs.add(peer.id)
    this.#opening++
    const decided = (async () => this.#options.open(kind, fields))().finally(() => this.#opening--)
    decided
      .then(opening => this.#opened(peer, opening))
      .catch(error => {
        if (error instanceof WireError) return this.#brokenRule(error)
        this.#options.failed(error)
        this.#refuse(peer.id, OPEN_FAILURE.CONNECT_FAILED, 'Sallyport: something broke in the gateway [INTERNAL]')
      })
  }

  #opened(peer: PeerEnd, opening: Opening): void {
    if (this.#transport.over) return
    if ('refused' in opening) {
      this.#refuse(peer.id, opening.refused, opening.why)
      return
    }
    const own = this.#freeNumber()
    const end: ServedEnd = opening.open(
      { ...peer, maxPacket: Math.min(peer.maxPacket, MAX_PACKET) },
      this.#line(own, () => end),
    )
    this.#channels.set(own, { end, peerId: peer.id, peerClosed: false, closed: false })
    const numbers = [uint32(peer.id), uint32(own), uint32(end.inputWindow), uint32(MAX_PACKET)]
    this.#transport.send(message(MESSAGE.CHANNEL_OPEN_CONFIRMATION, ...numbers))
    end.confirmed?.()
  }

  #refuse(recipient: number, code: number, why: string): void {
    this.#theirs.delete(recipient)
    const fields = [uint32(recipient), uint32(code), string(why), string('')]
    this.#transport.send(message(MESSAGE.CHANNEL_OPEN_FAILURE, ...fields))
  }

  #line(own: number, end: () => ServedEnd): ChannelLine {
    const transport = this.#transport
    return {
      get ready() {
        return !transport.over && !transport.exchangingKeys && transport.pendingBytes <= HIGH_WATER_BYTES
      },
      send: payload => transport.send(payload),
      waits: () => this.#waiting.add(end()),
      closed: () => {
        const entry = this.#channels.get(own)
        if (entry === undefined) return
        entry.closed = true
        this.#freeIfOver(own, entry)
      },
    }
  }

  #freeIfOver(own: number, entry: Entry): void {
    if (!entry.closed || !entry.peerClosed) return
    this.#channels.delete(own)
    this.#theirs.delete(entry.peerId)
    this.#waiting.delete(entry.end)
  }

  #freeNumber(): number {
    while (this.#channels.has(this.#next)) this.#next = (this.#next + 1) >>> 0
    return this.#next++
  }

  /** One who asks and never reads is not listened to; but new keys are agreed on over the same socket. */
  readonly #pace = (): void => {
    const { socket, pendingBytes, exchangingKeys, over } = this.#transport
    if (over) return
    const pause = pendingBytes > HIGH_WATER_BYTES && !exchangingKeys
    if (pause && !socket.isPaused()) socket.pause()
    else if (!pause && socket.isPaused()) socket.resume()
    // Each channel that waits sends one message in its turn, so that none keeps the others from it.
    while (!this.#transport.exchangingKeys && this.#transport.pendingBytes <= HIGH_WATER_BYTES) {
      const [first] = this.#waiting
      if (first === undefined) return
      this.#waiting.delete(first)
      if (first.sendSome()) this.#waiting.add(first)
    }
  }
}
