/** The relay: takes decrypted messages of the connection protocol (RFC 4254) from one side to the other, as they came. */

import type { RelayContext } from '../../session/protocol.ts'
import type { EndReason } from '../../session/state.ts'
import { ChannelLog } from './channel-log.ts'
import { type Channel, Channels, MAX_PACKET, otherSide } from './channels.ts'
import type { SshDownstream } from './downstream.ts'
import { Flow } from './flow.ts'
import { DISCONNECT, EXTENDED_DATA_STDERR, MESSAGE, OPEN_FAILURE } from './messages.ts'
import { type Objection, objectToGlobalRequest, objectToOpen, objectToRequest, type Side } from './policy.ts'
import { ReplyQueue } from './reply-queue.ts'
import { plain } from './texts.ts'
import type { Transport } from './transport.ts'
import type { SshUpstream } from './upstream.ts'
import { message, string, uint32, WireError, WireReader } from './wire.ts'

export interface RelayOptions {
  readonly maxChannels: number
  readonly execOutputLimitBytes: number
}

const REMOTE_FORWARDS = new Set(['tcpip-forward', 'streamlocal-forward@openssh.com'])

export class Relay {
  readonly #transports: Record<Side, Transport>
  readonly #context: RelayContext
  readonly #options: RelayOptions
  readonly #flow: Flow
  readonly #channels = new Channels()
  readonly #logs = new Map<Channel, ChannelLog>()
  readonly #globalRequests = { client: new ReplyQueue(), target: new ReplyQueue() }
  readonly #asked = { remoteForward: false, agent: false, x11: false }
  readonly #allows: (channel: Parameters<RelayContext['grant']['allows']>[0]) => boolean
  #finish: ((reason: EndReason) => void) | undefined

  constructor(downstream: SshDownstream, upstream: SshUpstream, context: RelayContext, options: RelayOptions) {
    this.#transports = { client: downstream.transport, target: upstream.transport }
    this.#context = context
    this.#options = options
    this.#flow = new Flow(this.#transports, context.recorder)
    this.#allows = channel => context.grant.allows(channel)
  }

  /** Resolves with who closed, when the last event is with the recorder. On abort the target's side is gone at once. */
  async run(downstream: SshDownstream, upstream: SshUpstream): Promise<EndReason> {
    const { signal } = this.#context
    const ended = new Promise<EndReason>(resolve => {
      this.#finish = resolve
    })
    const abort = () => this.#end('internal-error')
    signal.addEventListener('abort', abort, { once: true })
    downstream.speaker = text => this.#say(text)
    downstream.handOver({
      message: (type, payload) => this.#take('client', type, payload),
      ended: error => {
        downstream.lost()
        this.#end(error === undefined ? 'client-closed' : 'protocol-violation')
      },
    })
    upstream.handOver({
      message: (type, payload) => this.#take('target', type, payload),
      ended: error => this.#end(error === undefined ? 'target-closed' : 'protocol-violation'),
    })
    if (signal.aborted) abort()
    else if (upstream.transport.over) this.#end('target-closed')
    else if (downstream.transport.over) this.#end('client-closed')
    else this.#startReading()
    const reason = await ended
    signal.removeEventListener('abort', abort)
    if (signal.aborted) upstream.transport.destroy()
    return reason
  }

  #startReading(): void {
    this.#transports.client.socket.resume()
    this.#transports.target.socket.resume()
  }

  #end(reason: EndReason): void {
    const finish = this.#finish
    if (finish === undefined) return
    this.#finish = undefined
    this.#flow.end()
    this.#transports.client.socket.pause()
    this.#transports.target.socket.pause()
    for (const channel of this.#channels) this.#closeLog(channel)
    finish(reason)
  }

  #take(side: Side, type: number, payload: Buffer): void {
    if (this.#finish === undefined) return
    try {
      this.#pass(side, type, payload)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#context.refused('protocol', `${side}: ${error.message}`)
      this.#transports[side].disconnect(
        DISCONNECT.PROTOCOL_ERROR,
        `${error.message} (session ${this.#context.session})`,
      )
      this.#end('protocol-violation')
    }
  }

  #pass(side: Side, type: number, payload: Buffer): void {
    this.#context.activity()
    switch (type) {
      case MESSAGE.CHANNEL_DATA:
        this.#data(side, payload)
        return
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        this.#adjust(side, payload)
        return
      case MESSAGE.CHANNEL_EXTENDED_DATA:
        this.#extendedData(side, payload)
        return
      case MESSAGE.CHANNEL_REQUEST:
        this.#request(side, payload)
        return
      case MESSAGE.CHANNEL_SUCCESS:
      case MESSAGE.CHANNEL_FAILURE: {
        const channel = this.#channels.find(side, recipientOf(payload))
        channel[otherSide(side)].requests.answered(() => this.#forward(side, payload))
        return
      }
      case MESSAGE.CHANNEL_OPEN:
        this.#open(side, payload)
        return
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
        this.#confirmation(side, payload)
        return
      case MESSAGE.CHANNEL_OPEN_FAILURE: {
        this.#closeLog(this.#channels.failed(side, recipientOf(payload)))
        this.#forward(side, payload)
        return
      }
      case MESSAGE.CHANNEL_EOF:
        this.#channels.find(side, recipientOf(payload))[side].sentEof = true
        this.#forward(side, payload)
        return
      case MESSAGE.CHANNEL_CLOSE: {
        const channel = this.#channels.find(side, recipientOf(payload))
        if (this.#channels.closed(side, channel)) this.#closeLog(channel)
        this.#forward(side, payload)
        return
      }
      case MESSAGE.GLOBAL_REQUEST:
        this.#globalRequest(side, payload)
        return
      case MESSAGE.REQUEST_SUCCESS:
      case MESSAGE.REQUEST_FAILURE:
        this.#globalRequests[otherSide(side)].answered(() => this.#forward(side, payload))
        return
      default:
        // Authentication requests after success are to be ignored (RFC 4252 §5.1).
        if (type < MESSAGE.USERAUTH_REQUEST || type >= MESSAGE.GLOBAL_REQUEST) this.#transports[side].unimplemented()
    }
  }

  #data(side: Side, payload: Buffer): void {
    const channel = this.#channels.find(side, recipientOf(payload))
    if (payload.length < 9 || payload.readUInt32BE(5) !== payload.length - 9)
      throw new WireError('data of another length')
    const bytes = payload.subarray(9)
    this.#channels.data(side, channel, bytes.length)
    const log = this.#logs.get(channel)!
    if (side === 'client') {
      this.#context.count('in', bytes.length)
      log.fromClient(bytes)
    } else {
      this.#context.count('out', bytes.length)
      log.fromTarget('output', bytes)
    }
    this.#forward(side, payload)
    this.#flow.recorded()
  }

  #extendedData(side: Side, payload: Buffer): void {
    const channel = this.#channels.find(side, recipientOf(payload))
    const reader = new WireReader(payload, 5)
    const type = reader.uint32()
    const bytes = reader.string()
    if (!reader.atEnd) throw new WireError('data of another length')
    this.#channels.data(side, channel, bytes.length)
    if (side === 'target' && type === EXTENDED_DATA_STDERR) this.#logs.get(channel)!.fromTarget('stderr', bytes)
    this.#context.count(side === 'client' ? 'in' : 'out', bytes.length)
    this.#forward(side, payload)
    this.#flow.recorded()
  }

  #adjust(side: Side, payload: Buffer): void {
    const channel = this.#channels.find(side, recipientOf(payload))
    const bytes = new WireReader(payload, 5).uint32()
    const told = this.#channels.adjusted(side, channel, bytes)
    if (told === bytes) this.#forward(side, payload)
    else if (told > 0) {
      this.#send(
        otherSide(side),
        message(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(channel[otherSide(side)].id), uint32(told)),
      )
    }
  }

  #open(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const kind = reader.utf8()
    const sender = reader.uint32()
    const window = reader.uint32()
    const packetAt = reader.offset
    const maxPacket = reader.uint32()
    const objection = objectToOpen(side, kind, this.#allows, this.#asked)
    if (objection !== undefined) {
      this.#refuseOpen(side, sender, OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, objection)
      return
    }
    if (this.#channels.count >= this.#options.maxChannels) {
      const tooMany = { what: kind, why: 'there are too many channels in this session', tell: true }
      this.#refuseOpen(side, sender, OPEN_FAILURE.RESOURCE_SHORTAGE, tooMany)
      return
    }
    const channel = this.#channels.opening(side, kind, { sender, window, maxPacket })
    const log = new ChannelLog(
      {
        recorder: this.#context.recorder,
        recordInput: this.#context.grant.recordInput,
        execOutputLimitBytes: this.#options.execOutputLimitBytes,
      },
      channel.number,
      kind,
    )
    this.#logs.set(channel, log)
    log.opened(reader)
    if (maxPacket > MAX_PACKET) payload.writeUInt32BE(MAX_PACKET, packetAt)
    this.#forward(side, payload)
  }

  #confirmation(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const recipient = reader.uint32()
    const fields = { sender: reader.uint32(), window: reader.uint32(), maxPacket: reader.uint32() }
    this.#channels.confirmed(side, recipient, fields)
    if (fields.maxPacket > MAX_PACKET) payload.writeUInt32BE(MAX_PACKET, 13)
    this.#forward(side, payload)
  }

  #request(side: Side, payload: Buffer): void {
    const channel = this.#channels.find(side, recipientOf(payload))
    const reader = new WireReader(payload, 5)
    const name = reader.utf8()
    const wantsReply = reader.boolean()
    const fieldsAt = reader.offset
    const argument = name === 'subsystem' || name === 'env' ? reader.utf8() : ''
    const objection = objectToRequest(side, name, argument, this.#allows)
    if (objection !== undefined) {
      this.#refuseRequest(side, channel, wantsReply, objection)
      return
    }
    const log = this.#logs.get(channel)!
    const fields = new WireReader(payload, fieldsAt)
    if (side === 'client') {
      log.request(name, fields)
      if (name === 'auth-agent-req@openssh.com') this.#asked.agent = true
      if (name === 'x11-req') this.#asked.x11 = true
    } else log.targetRequest(name, fields)
    if (wantsReply) channel[side].requests.forwarded()
    this.#forward(side, payload)
  }

  #globalRequest(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const name = reader.utf8()
    const wantsReply = reader.boolean()
    const objection = objectToGlobalRequest(side, name, this.#allows)
    const queue = this.#globalRequests[side]
    if (objection !== undefined) {
      if (objection.tell) this.#report(objection)
      if (wantsReply) queue.refused(() => this.#send(side, message(MESSAGE.REQUEST_FAILURE)))
      return
    }
    if (REMOTE_FORWARDS.has(name)) this.#asked.remoteForward = true
    if (wantsReply) queue.forwarded()
    this.#forward(side, payload)
  }

  #refuseOpen(side: Side, recipient: number, code: number, objection: Objection): void {
    this.#report(objection)
    const text = `${this.#sentence(objection)}`
    this.#send(side, message(MESSAGE.CHANNEL_OPEN_FAILURE, uint32(recipient), uint32(code), string(text), string('')))
  }

  #refuseRequest(side: Side, channel: Channel, wantsReply: boolean, objection: Objection): void {
    if (objection.tell) {
      this.#report(objection, channel.number)
      if (side === 'client') this.#whisper(channel, `${this.#sentence(objection)}\r\n`)
    } else {
      this.#context.recorder.fact({
        type: 'refused',
        what: plain(objection.what),
        reason: objection.why,
        channel: channel.number,
      })
    }
    if (!wantsReply) return
    channel[side].requests.refused(() => this.#send(side, message(MESSAGE.CHANNEL_FAILURE, uint32(channel[side].id))))
  }

  #sentence({ what, why }: Objection): string {
    return `Sallyport: ${plain(what)} refused: ${why} [CHANNEL_DENIED, session ${this.#context.session}]`
  }

  #report({ what, why }: Objection, channel?: number): void {
    this.#context.refused(plain(what), why, channel)
  }

  /** Puts words of the gateway into the person's terminals (or stderr where there is none). */
  #say(text: string): void {
    if (this.#transports.client.over) return
    this.#context.recorder.fact({ type: 'notice', text })
    for (const channel of this.#channels) {
      if (channel.kind === 'session' && channel.open) this.#whisper(channel, text)
    }
  }

  /** Uses window that the target does not know of: its next adjustment is that much smaller. */
  #whisper(channel: Channel, text: string): void {
    const bytes = Buffer.from(text, 'utf8')
    const { client, target } = channel
    if (bytes.length > client.window || bytes.length > client.maxPacket || target.sentEof || target.sentClose) return
    client.window -= bytes.length
    client.debt += bytes.length
    const stderr = [uint32(client.id), uint32(EXTENDED_DATA_STDERR), string(bytes)]
    this.#send('client', message(MESSAGE.CHANNEL_EXTENDED_DATA, ...stderr))
  }

  #closeLog(channel: Channel): void {
    this.#logs.get(channel)?.closed(channel.client.sentBytes, channel.target.sentBytes)
    this.#logs.delete(channel)
  }

  #forward(from: Side, payload: Buffer): void {
    this.#send(otherSide(from), payload)
  }

  #send(to: Side, payload: Buffer): void {
    this.#transports[to].send(payload)
    this.#flow.sent(to)
  }
}

function recipientOf(payload: Buffer): number {
  if (payload.length < 5) throw new WireError('the message is too short')
  return payload.readUInt32BE(1)
}
