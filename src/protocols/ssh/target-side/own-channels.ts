/** A connection to a host that we are logged in to, for channels of the gateway's own: opens them, and hands each what is for it. */

import { message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import { DISCONNECT, MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import { RELAY_WAITING_BYTES, type Transport, type TransportListener } from '../transport/transport.ts'
import type { SshUpstream } from './upstream.ts'

/** What the host may send on a channel before it was read. */
export const WINDOW = 2 * 1024 * 1024
/** The most that either side puts into one message. */
export const MAX_PACKET = 32 * 1024
/** So much may be on its way to the host before our channels wait. */
/** So much of what a host says of a refusal is shown. */
const MAX_SHOWN = 120
const MUCH_BYTES = 1024 * 1024
/** A host that takes less in one message than this wants to keep us busy. */
const SMALLEST_PACKET = 256
const REASON = ['', 'administratively prohibited', 'connect failed', 'unknown channel type', 'resource shortage']

/** One channel, as the connection sees it. What it throws as WireError ends the connection. */
export interface OwnChannel {
  readonly id: number
  /** CHANNEL_DATA: the bytes are good until it returns. */
  received(bytes: Buffer): void
  /** CHANNEL_EXTENDED_DATA, where any is expected. */
  receivedError?(bytes: Buffer): void
  /** CHANNEL_WINDOW_ADJUST. */
  adjusted(bytes: number): void
  /** CHANNEL_EOF. */
  peerEnded(): void
  /** CHANNEL_CLOSE. */
  peerClosed(): void
  /** CHANNEL_REQUEST: answers by itself. */
  request(name: string, wantsReply: boolean, fields: WireReader): void
  /** CHANNEL_SUCCESS or CHANNEL_FAILURE, where a request of ours waits for one. */
  answered?(success: boolean): void
  /** The connection is over. */
  lost(error: Error): void
  /** More may be sent. */
  sendMore(): void
  /** Nobody has a use for it any more. */
  destroy(): void
}

/** The connection, as its channels see it. */
export interface OwnLine {
  /** Whether more may be sent now: neither keys are exchanged, nor is much on its way. Who was told no is called by `sendMore`. */
  readonly hasRoom: boolean
  /** The payload is copied. */
  send(payload: Buffer): void
  /** The channel is closed on both sides. */
  closed(id: number): void
}

/** The host's end of a channel, from its confirmation. */
export interface HostEnd {
  /** The recipient in messages to it. */
  readonly id: number
  readonly window: number
  readonly maxPacket: number
}

/** The host does not open the channel; says why, in its own words too. */
export class ChannelRefused extends Error {
  override readonly name = 'ChannelRefused'
}

interface Opening {
  create(host: HostEnd): OwnChannel
  failed(error: Error): void
  /** Nobody waits for it any more. */
  abandoned: boolean
}

export class OwnChannels implements TransportListener, OwnLine {
  readonly #transport: Transport
  readonly #opening = new Map<number, Opening>()
  readonly #open = new Map<number, OwnChannel>()
  #next = 0
  #over: Error | undefined

  constructor(upstream: SshUpstream) {
    const { transport } = upstream
    this.#transport = transport
    transport.mostWaiting = RELAY_WAITING_BYTES
    transport.onKeyExchange = () => this.#sendMore()
    transport.socket.on('drain', () => this.#sendMore())
    if (transport.over) this.ended(undefined)
    else upstream.handOver(this)
    transport.socket.resume()
  }

  get hasRoom(): boolean {
    return !this.#transport.exchangingKeys && this.#transport.pendingBytes < MUCH_BYTES
  }

  /**
   * Opens a channel; `create` makes our end once the host has opened its own. Throws ChannelRefused, what ended the connection, or the
   * signal's reason: what the host opens after that is closed at once.
   */
  async open<C extends OwnChannel>(
    type: string,
    fields: readonly Uint8Array[],
    create: (id: number, host: HostEnd) => C,
    signal: AbortSignal,
  ): Promise<C> {
    signal.throwIfAborted()
    if (this.#over !== undefined) throw this.#over
    const id = this.#next++
    const opened = Promise.withResolvers<C>()
    const opening: Opening = {
      create(host) {
        const channel = create(id, host)
        opened.resolve(channel)
        return channel
      },
      failed: opened.reject,
      abandoned: false,
    }
    this.#opening.set(id, opening)
    const head = [string(type), uint32(id), uint32(WINDOW), uint32(MAX_PACKET)]
    this.send(message(MESSAGE.CHANNEL_OPEN, ...head, ...fields))
    const giveUp = () => {
      opening.abandoned = true
      opened.reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await opened.promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  close(): void {
    this.#transport.disconnect(DISCONNECT.BY_APPLICATION, 'the session is over')
  }

  send(payload: Buffer): void {
    this.#transport.send(payload)
  }

  closed(id: number): void {
    this.#open.delete(id)
  }

  message(type: number, payload: Buffer): void {
    const fields = new WireReader(payload, 1)
    switch (type) {
      case MESSAGE.GLOBAL_REQUEST:
        fields.string()
        if (fields.boolean()) this.send(message(MESSAGE.REQUEST_FAILURE))
        return
      case MESSAGE.CHANNEL_OPEN: {
        // Nothing was asked for that a host could open channels for.
        fields.string()
        const answer = [uint32(fields.uint32()), uint32(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED)]
        this.send(message(MESSAGE.CHANNEL_OPEN_FAILURE, ...answer, string(''), string('')))
        return
      }
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
        this.#confirmed(fields)
        return
      case MESSAGE.CHANNEL_OPEN_FAILURE:
        this.#failed(fields)
        return
      case MESSAGE.CHANNEL_DATA:
        this.#channel(fields).received(fields.string())
        return
      case MESSAGE.CHANNEL_EXTENDED_DATA: {
        const channel = this.#channel(fields)
        fields.uint32()
        if (channel.receivedError === undefined) throw new WireError('extended data where there is none')
        channel.receivedError(fields.string())
        return
      }
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        this.#channel(fields).adjusted(fields.uint32())
        return
      case MESSAGE.CHANNEL_EOF:
        this.#channel(fields).peerEnded()
        return
      case MESSAGE.CHANNEL_CLOSE:
        this.#channel(fields).peerClosed()
        return
      case MESSAGE.CHANNEL_REQUEST: {
        const channel = this.#channel(fields)
        const name = fields.utf8()
        channel.request(name, fields.boolean(), fields)
        return
      }
      case MESSAGE.CHANNEL_SUCCESS:
      case MESSAGE.CHANNEL_FAILURE: {
        const channel = this.#channel(fields)
        if (channel.answered === undefined) throw new WireError('an answer to a request that was not made')
        channel.answered(type === MESSAGE.CHANNEL_SUCCESS)
        return
      }
      default:
        this.#transport.unimplemented()
    }
  }

  ended(error: Error | undefined): void {
    const why = error ?? new Error('the host closed the connection')
    this.#over = why
    for (const opening of this.#opening.values()) opening.failed(why)
    this.#opening.clear()
    for (const channel of this.#open.values()) channel.lost(why)
    this.#open.clear()
  }

  #confirmed(fields: WireReader): void {
    const id = fields.uint32()
    const opening = this.#take(id)
    const host = { id: fields.uint32(), window: fields.uint32(), maxPacket: fields.uint32() }
    if (host.maxPacket < SMALLEST_PACKET) throw new WireError('a packet size that no data fits in')
    const channel = opening.create(host)
    this.#open.set(id, channel)
    if (opening.abandoned) channel.destroy()
  }

  #failed(fields: WireReader): void {
    const opening = this.#take(fields.uint32())
    const reason = REASON[fields.uint32()] ?? 'for no known reason'
    const words = withoutSecrets(fields.utf8(), [], { most: MAX_SHOWN })
    opening.failed(new ChannelRefused(`${reason}${words === '' ? '' : ` (${words})`}`))
  }

  #take(id: number): Opening {
    const opening = this.#opening.get(id)
    if (opening === undefined) throw new WireError('an answer to an open that was not asked for')
    this.#opening.delete(id)
    return opening
  }

  #channel(fields: WireReader): OwnChannel {
    const channel = this.#open.get(fields.uint32())
    if (channel === undefined) throw new WireError('a message for a channel that is not open')
    return channel
  }

  #sendMore(): void {
    for (const channel of this.#open.values()) channel.sendMore()
  }
}
