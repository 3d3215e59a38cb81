/** The relay: takes decrypted messages of the connection protocol (RFC 4254) from one side to the other, as they came. */

import type { RelayContext } from '../../../session/protocol.ts'
import type { EndReason } from '../../../session/state.ts'
import { message, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { SshUpstream } from '../target-side/upstream.ts'
import { DISCONNECT, EXTENDED_DATA_STDERR, MESSAGE } from '../transport/messages.ts'
import { terminalLines } from '../transport/texts.ts'
import { TransportViolation } from '../transport/transport.ts'
import { otherSide } from './channels.ts'
import { Flow } from './flow.ts'
import { Forwarder } from './forwarder.ts'
import { HeldMessages } from './held-messages.ts'
import type { Side } from './policy.ts'
import type { RelayedClient, RelayPeer } from './relay-peer.ts'
import { Requests } from './requests.ts'
import { expectEnd, FAILURE_SHAPE, readsOneWay } from './shapes.ts'

/** Message number and recipient, with which every message of a channel begins. */
const RECIPIENT_END = 5

export interface RelayOptions {
  readonly maxChannels: number
  readonly execOutputLimitBytes: number
}

/**
 * Resolves with who closed, when the last event is with the recorder. When the context's signal aborts, nothing passes from then on and neither
 * side is read: `downstream.close` sends the final message, and the target's side is closed by whoever called this.
 */
export function relay(
  downstream: RelayedClient,
  upstream: SshUpstream,
  context: RelayContext,
  options: RelayOptions,
): Promise<EndReason> {
  return new Relay(downstream, upstream, context, options).run()
}

class Relay {
  readonly #downstream: RelayedClient
  readonly #upstream: SshUpstream
  readonly #transports: Record<Side, RelayPeer>
  readonly #context: RelayContext
  readonly #flow: Flow
  readonly #forwarder: Forwarder
  readonly #requests: Requests
  readonly #held: HeldMessages | undefined
  readonly #ended = Promise.withResolvers<EndReason>()
  #over = false

  constructor(downstream: RelayedClient, upstream: SshUpstream, context: RelayContext, options: RelayOptions) {
    this.#downstream = downstream
    this.#upstream = upstream
    this.#context = context
    this.#transports = { client: downstream.relayed, target: upstream.transport }
    this.#flow = new Flow(this.#transports)
    this.#forwarder = new Forwarder(this.#transports, this.#flow, context, options)
    this.#requests = new Requests(this.#forwarder, options)
    const { pause } = context
    this.#held = pause && new HeldMessages(pause, this.#flow, this.#requests, (...message) => this.#pass(...message))
  }

  async run(): Promise<EndReason> {
    const { signal } = this.#context
    const abort = () => {
      this.#end('internal-error')
      this.#forwarder.drop()
      this.#ended.resolve('internal-error')
    }
    signal.addEventListener('abort', abort, { once: true })
    const { pause } = this.#context
    if (pause !== undefined) {
      pause.onChange = () => {
        if (pause.paused) this.#held?.begin()
        else this.#held?.release((...message) => this.#take(...message))
      }
      if (pause.paused) this.#held?.begin()
    }
    this.#takeOver()
    if (signal.aborted) abort()
    else if (this.#transports.target.over) this.#end('target-closed')
    else if (this.#transports.client.over) this.#end('client-closed')
    else this.#flow.start()
    try {
      return await this.#ended.promise
    } finally {
      signal.removeEventListener('abort', abort)
      if (pause !== undefined) pause.onChange = undefined
      this.#held?.end()
    }
  }

  #takeOver(): void {
    for (const transport of Object.values(this.#transports)) transport.reuseMemory()
    this.#downstream.speaker = {
      say: notice => this.#forwarder.say(notice),
      lastWord: lines => this.#forwarder.lastWord(lines),
    }
    this.#downstream.handOver({
      message: (type, payload) => this.#take('client', type, payload),
      ended: error => {
        if (error instanceof TransportViolation) return this.#transportBroken('client', error)
        // By a goodbye of ours: they did not leave.
        if (this.#over) return
        this.#downstream.lost()
        this.#end('client-closed')
      },
    })
    this.#upstream.handOver({
      message: (type, payload) => this.#take('target', type, payload),
      ended: error => {
        if (error instanceof TransportViolation) return this.#transportBroken('target', error)
        this.#end('target-closed')
      },
    })
  }

  #end(reason: EndReason): void {
    if (!this.#stop()) return
    for (const channel of this.#forwarder.channels) this.#forwarder.closeLog(channel)
    // What was on its way when one side left is for the other all the same.
    void this.#forwarder.settled().then(() => {
      this.#forwarder.drop()
      this.#ended.resolve(reason)
    })
  }

  #stop(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#flow.end()
    return true
  }

  #take(side: Side, type: number, payload: Buffer): void {
    if (this.#over) return
    try {
      if (this.#held === undefined) this.#pass(side, type, payload)
      else this.#held.take(side, type, payload)
    } catch (error) {
      if (error instanceof WireError) this.#brokenRule(side, error)
      else if (this.#stop()) this.#ended.reject(error)
    }
  }

  #transportBroken(side: Side, { message: rule }: TransportViolation): void {
    if (!this.#over) this.#blame(side, rule)
    this.#end('protocol-violation')
  }

  /** Who it was: the log and the person must not take a broken target for a broken client. */
  #blame(side: Side, rule: string): void {
    this.#context.refused('protocol', `the ${side} broke the protocol: ${rule}`)
    if (side === 'target') this.#forwarder.lastWord(terminalLines(`Sallyport: the target broke the protocol: ${rule}`))
  }

  #brokenRule(side: Side, { message: rule }: WireError): void {
    this.#blame(side, rule)
    this.#end('protocol-violation')
    this.#transports[side].disconnect(DISCONNECT.PROTOCOL_ERROR, `${rule} (session ${this.#context.session})`)
  }

  #pass(side: Side, type: number, payload: Buffer): void {
    // Keepalives and their answers are not: they would keep an idle session open for ever.
    if (type === MESSAGE.CHANNEL_DATA || type === MESSAGE.CHANNEL_EXTENDED_DATA || type === MESSAGE.CHANNEL_OPEN) {
      this.#context.activity()
    }
    switch (type) {
      case MESSAGE.CHANNEL_DATA:
        this.#data(side, payload)
        break
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        this.#adjust(side, payload)
        break
      case MESSAGE.CHANNEL_EXTENDED_DATA:
        this.#extendedData(side, payload)
        break
      case MESSAGE.CHANNEL_REQUEST:
        this.#requests.channel(side, this.#channelOf(side, payload), payload)
        break
      case MESSAGE.CHANNEL_SUCCESS:
      case MESSAGE.CHANNEL_FAILURE:
        this.#channelReply(side, payload)
        break
      case MESSAGE.CHANNEL_OPEN:
        this.#requests.open(side, payload)
        break
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
        this.#requests.confirmation(side, payload)
        break
      case MESSAGE.CHANNEL_OPEN_FAILURE:
        this.#openFailure(side, payload)
        break
      case MESSAGE.CHANNEL_EOF:
        this.#endOfData(side, payload)
        break
      case MESSAGE.CHANNEL_CLOSE:
        this.#close(side, payload)
        break
      case MESSAGE.GLOBAL_REQUEST:
        this.#requests.global(side, payload)
        break
      case MESSAGE.REQUEST_SUCCESS:
      case MESSAGE.REQUEST_FAILURE:
        this.#requests.answered(side, payload)
        break
      default:
        // Authentication requests after success are to be ignored (RFC 4252 §5.1).
        if (type < MESSAGE.USERAUTH_REQUEST || type >= MESSAGE.GLOBAL_REQUEST) {
          this.#transports[side].unimplemented()
          this.#flow.answered(side)
        }
    }
  }

  #channelOf(side: Side, payload: Buffer) {
    return this.#forwarder.channels.find(side, recipientOf(payload))
  }

  /** For messages that say nothing but which channel they are about. */
  #channelAlone(side: Side, payload: Buffer) {
    if (payload.length > RECIPIENT_END) throw new WireError('the message is longer than it should be')
    return this.#channelOf(side, payload)
  }

  #openFailure(side: Side, payload: Buffer): void {
    const recipient = recipientOf(payload)
    if (!readsOneWay(FAILURE_SHAPE, new WireReader(payload, RECIPIENT_END))) throw new WireError('a NUL byte in a text')
    this.#forwarder.closeLog(this.#forwarder.channels.failed(side, recipient))
    this.#forwarder.forward(side, payload)
  }

  #data(side: Side, payload: Buffer): void {
    const channel = this.#channelOf(side, payload)
    const exact = payload.length >= 9 && payload.readUInt32BE(5) === payload.length - 9
    if (!exact) throw new WireError('data of another length')
    const bytes = payload.subarray(9)
    this.#forwarder.channels.data(side, channel, bytes.length)
    const log = this.#forwarder.log(channel)
    if (side === 'client') {
      this.#context.count('in', bytes.length)
      log.fromClient(bytes)
    } else {
      this.#context.count('out', bytes.length)
      log.fromTarget('output', bytes)
    }
    this.#forwarder.note()
    this.#forwarder.forwardInOrder(side, channel, payload)
    if (side === 'target' && channel.terminal !== undefined) {
      channel.terminal.screen.see(bytes)
      this.#forwarder.sayWaiting(channel)
    }
  }

  #extendedData(side: Side, payload: Buffer): void {
    const channel = this.#channelOf(side, payload)
    const reader = new WireReader(payload, RECIPIENT_END)
    const type = reader.uint32()
    const bytes = reader.string()
    if (!reader.atEnd) throw new WireError('data of another length')
    this.#forwarder.channels.data(side, channel, bytes.length)
    // No other is in use, and what came as one would pass by the recording.
    if (side === 'client' || type !== EXTENDED_DATA_STDERR) throw new WireError('extended data that is not stderr')
    this.#forwarder.log(channel).fromTarget('stderr', bytes)
    this.#context.count('out', bytes.length)
    this.#forwarder.note()
    this.#forwarder.forwardInOrder(side, channel, payload)
  }

  #adjust(side: Side, payload: Buffer): void {
    const channel = this.#channelOf(side, payload)
    const reader = new WireReader(payload, RECIPIENT_END)
    const bytes = reader.uint32()
    expectEnd(reader)
    const forwarded = this.#forwarder.channels.adjusted(side, channel, bytes)
    if (side === 'client' && channel.client.window >= 0) {
      this.#forwarder.release(channel)
      this.#forwarder.sayWaiting(channel)
    }
    if (forwarded === bytes) this.#forwarder.forward(side, payload)
    else if (forwarded > 0) {
      const { id } = channel[otherSide(side)]
      this.#forwarder.forward(side, message(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(id), uint32(forwarded)))
    }
  }

  #channelReply(side: Side, payload: Buffer): void {
    const channel = this.#channelAlone(side, payload)
    const { requests } = channel[otherSide(side)]
    requests.answered(payload, () => this.#forwarder.forwardInOrder(side, channel, payload))
  }

  #endOfData(side: Side, payload: Buffer): void {
    const channel = this.#channelAlone(side, payload)
    if (channel[side].sentEof) {
      // Some clients say it twice, and their servers never minded: it says nothing new.
      if (side === 'client') return
      throw new WireError('the end of data a second time')
    }
    channel[side].sentEof = true
    this.#forwarder.forwardInOrder(side, channel, payload)
  }

  #close(side: Side, payload: Buffer): void {
    const channel = this.#channelAlone(side, payload)
    const gone = this.#forwarder.channels.closed(side, channel)
    this.#forwarder.forwardInOrder(side, channel, payload)
    if (!gone) return
    this.#forwarder.release(channel)
    this.#forwarder.closeLog(channel)
  }
}

function recipientOf(payload: Buffer): number {
  if (payload.length < RECIPIENT_END) throw new WireError('the message is too short')
  return payload.readUInt32BE(1)
}
