/** The book of a session's channels, kept from the messages that pass: numbers of both sides, windows, ends. Throws on a broken rule. */

import { WireError } from '../../../shared/ssh-encoding/wire.ts'
import type { Side } from './policy.ts'
import { ReplyQueue } from './reply-queue.ts'
import type { TerminalNotices } from './terminal-notices.ts'

/** What ssh2 takes as one packet is a little more than this; a side that can take more is told this. */
export const MAX_PACKET = 32_768
/** What every implementation must be able to take is 32768; this is only the bound of what makes sense (CVE: 0 loops for ever). */
export const SMALLEST_MAX_PACKET = 256
const MAX_WINDOW = 0xffffffff

/** What one side has said about its end of a channel. */
export interface ChannelEnd {
  /** Its number for the channel: the recipient in messages to it. */
  id: number
  /** Bytes it may still be sent. */
  window: number
  /** Bytes the gateway has put in that the other side does not know of: taken off its next adjustments. */
  debt: number
  maxPacket: number
  sentBytes: number
  sentEof: boolean
  sentClose: boolean
  /** Its requests that wait for an answer. */
  readonly requests: ReplyQueue
}

export interface Channel {
  /** Unique in the session, for the recording: the sides reuse theirs. */
  readonly number: number
  readonly kind: string
  readonly opener: Side
  readonly client: ChannelEnd
  readonly target: ChannelEnd
  open: boolean
  /** A program was asked for, and the target has not said no. */
  started: boolean
  /** Messages of the target that wait until the client has room again: what the gateway put in took theirs. */
  readonly held: Buffer[]
  /** Of a channel with a terminal: what the gateway has to say there. */
  terminal: TerminalNotices | undefined
}

export interface OpenFields {
  readonly sender: number
  readonly window: number
  readonly maxPacket: number
}

export class Channels {
  readonly #byId = { client: new Map<number, Channel>(), target: new Map<number, Channel>() }
  /** Opened by a side, not answered by the other. */
  readonly #opening = { client: new Map<number, Channel>(), target: new Map<number, Channel>() }
  #next = 0

  get count(): number {
    return this.#byId.client.size + this.#opening.client.size + this.#opening.target.size
  }

  /** All that are open or opening. */
  *[Symbol.iterator](): Generator<Channel> {
    yield* this.#byId.client.values()
    yield* this.#opening.client.values()
    yield* this.#opening.target.values()
  }

  /** CHANNEL_OPEN from `side` that may pass. */
  opening(side: Side, kind: string, fields: OpenFields): Channel {
    const { sender } = fields
    if (this.#byId[side].has(sender) || this.#opening[side].has(sender)) throw new WireError('a channel number in use')
    const opener = end(fields)
    const other = end({ sender: 0, window: 0, maxPacket: MAX_PACKET })
    const channel: Channel = {
      number: this.#next++,
      kind,
      opener: side,
      client: side === 'client' ? opener : other,
      target: side === 'client' ? other : opener,
      open: false,
      started: false,
      held: [],
      terminal: undefined,
    }
    this.#opening[side].set(sender, channel)
    return channel
  }

  /** CHANNEL_OPEN_CONFIRMATION from `side`, for the other side's channel `recipient`. */
  confirmed(side: Side, recipient: number, fields: OpenFields): Channel {
    const opener = otherSide(side)
    const channel = this.#opening[opener].get(recipient)
    if (channel === undefined) throw new WireError('a confirmation of no channel')
    if (this.#byId[side].has(fields.sender) || this.#opening[side].has(fields.sender))
      throw new WireError('a channel number in use')
    const answering = channel[side]
    answering.id = fields.sender
    answering.window = fields.window
    answering.maxPacket = packetSize(fields)
    channel.open = true
    this.#opening[opener].delete(recipient)
    this.#byId[opener].set(recipient, channel)
    this.#byId[side].set(fields.sender, channel)
    return channel
  }

  /** CHANNEL_OPEN_FAILURE from `side`. */
  failed(side: Side, recipient: number): Channel {
    const opening = this.#opening[otherSide(side)]
    const channel = opening.get(recipient)
    if (channel === undefined) throw new WireError('a failure of no channel')
    opening.delete(recipient)
    return channel
  }

  /** The channel that a message from `side` to `recipient` (the other side's number) is about. */
  find(side: Side, recipient: number): Channel {
    const channel = this.#byId[side === 'client' ? 'target' : 'client'].get(recipient)
    if (channel === undefined || channel[side].sentClose)
      throw new WireError('a message for a channel that is not open')
    return channel
  }

  /** Data from `side`: the other side must have room for it (RFC 4254 §5.2). */
  data(side: Side, channel: Channel, bytes: number): void {
    const receiver = side === 'client' ? channel.target : channel.client
    const sender = channel[side]
    if (bytes > receiver.window + receiver.debt || bytes > receiver.maxPacket)
      throw new WireError('more data than the window allows')
    if (sender.sentEof) throw new WireError('data after the end of data')
    receiver.window -= bytes
    sender.sentBytes += bytes
  }

  /** CHANNEL_WINDOW_ADJUST from `side`. Returns how many bytes the other side is to be told of. */
  adjusted(side: Side, channel: Channel, bytes: number): number {
    const receiver = channel[side]
    if (receiver.window + receiver.debt + bytes > MAX_WINDOW) throw new WireError('a window larger than there can be')
    receiver.window += bytes
    const paid = Math.min(receiver.debt, bytes)
    receiver.debt -= paid
    return bytes - paid
  }

  /** CHANNEL_CLOSE from `side`. True when both have closed: the channel is no more. */
  closed(side: Side, channel: Channel): boolean {
    channel[side].sentClose = true
    if (!channel.client.sentClose || !channel.target.sentClose) return false
    this.#byId.client.delete(channel.client.id)
    this.#byId.target.delete(channel.target.id)
    return true
  }
}

export function otherSide(side: Side): Side {
  return side === 'client' ? 'target' : 'client'
}

function packetSize({ maxPacket }: OpenFields): number {
  if (maxPacket < SMALLEST_MAX_PACKET) throw new WireError('a packet size that no data fits in')
  return Math.min(maxPacket, MAX_PACKET)
}

function end(fields: OpenFields): ChannelEnd {
  return {
    id: fields.sender,
    window: fields.window,
    debt: 0,
    maxPacket: packetSize(fields),
    sentBytes: 0,
    sentEof: false,
    sentClose: false,
    requests: new ReplyQueue(),
  }
}
