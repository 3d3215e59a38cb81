/** Opens and requests on their way through: evaluated by policy, passed on, or refused by the gateway in the target's place. */

import { boolean, message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { ChannelLog } from '../capture/channel-log.ts'
import { MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import { type Channel, MAX_PACKET, otherSide } from './channels.ts'
import { type Forwarder, shown } from './forwarder.ts'
import {
  type AskedFor,
  notAskedFor,
  type Objection,
  objectToGlobalRequest,
  objectToOpen,
  objectToRequest,
  type Side,
} from './policy.ts'
import { RemoteForwards } from './remote-forwards.ts'
import { ReplyQueue } from './reply-queue.ts'
import { expectEnd, GLOBAL_SHAPES, OPEN_SHAPES, REQUEST_SHAPES, readsOneWay, type Shape } from './shapes.ts'
import { TerminalNotices } from './terminal-notices.ts'

/** OpenSSH's client ends at once when a shell is refused: give it time to show why. */
const READING_MS = 100
/** What starts a program: one of these can succeed in a channel (RFC 4254 §6.5). */
const STARTS = new Set(['shell', 'exec', 'subsystem'])
/** As ssh and sshd send it; whoever answers is there, whatever they say. */
const KEEPALIVE = 'keepalive@openssh.com'
const REMOTE_FORWARDS = new Set(['tcpip-forward', 'streamlocal-forward@openssh.com'])

export class Requests {
  readonly #forwarder: Forwarder
  readonly #maxChannels: number
  readonly #global = { client: new ReplyQueue(), target: new ReplyQueue() }
  readonly #asked: { -readonly [wish in keyof AskedFor]: boolean } = { remoteForward: false, agent: false, x11: false }
  readonly #forwards = new RemoteForwards()
  readonly #allows: (channel: Parameters<Forwarder['context']['grant']['allows']>[0]) => boolean

  constructor(forwarder: Forwarder, options: { maxChannels: number }) {
    this.#forwarder = forwarder
    this.#maxChannels = options.maxChannels
    this.#allows = channel => forwarder.context.grant.allows(channel)
  }

  open(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const kind = reader.utf8()
    const sender = reader.uint32()
    const window = reader.uint32()
    const packetAt = reader.offset
    const maxPacket = reader.uint32()
    const { channels } = this.#forwarder
    const objection =
      objectToOpen(side, kind, this.#allows, this.#asked) ??
      objectToTexts(side, kind, OPEN_SHAPES.get(kind), new WireReader(payload, reader.offset)) ??
      this.#objectToForward(kind, new WireReader(payload, reader.offset))
    if (objection !== undefined) {
      this.#refuseOpen(side, sender, OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, objection)
    } else if (channels.count >= this.#maxChannels) {
      const why = 'there are too many channels in this session'
      this.#refuseOpen(side, sender, OPEN_FAILURE.RESOURCE_SHORTAGE, { what: kind, why, report: true })
    } else {
      const channel = channels.opening(side, kind, { sender, window, maxPacket })
      this.#forwarder.openLog(channel).opened(reader)
      if (maxPacket > MAX_PACKET) payload.writeUInt32BE(MAX_PACKET, packetAt)
      this.#forwarder.forward(side, payload)
    }
  }

  confirmation(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const recipient = reader.uint32()
    const fields = { sender: reader.uint32(), window: reader.uint32(), maxPacket: reader.uint32() }
    expectEnd(reader)
    this.#forwarder.channels.confirmed(side, recipient, fields)
    if (fields.maxPacket > MAX_PACKET) payload.writeUInt32BE(MAX_PACKET, 13)
    this.#forwarder.forward(side, payload)
  }

  channel(side: Side, channel: Channel, payload: Buffer): void {
    const reader = new WireReader(payload, 5)
    const name = reader.utf8()
    const wantsReply = reader.boolean()
    const fieldsAt = reader.offset
    const argument = name === 'subsystem' || name === 'env' ? reader.utf8() : ''
    const starts = side === 'client' && STARTS.has(name)
    const objection =
      (side === 'client' && channel.kind !== 'session' ? notOfSession(name) : undefined) ??
      objectToRequest(side, name, argument, this.#allows) ??
      objectToTexts(side, `request ${name}`, REQUEST_SHAPES.get(name), new WireReader(payload, fieldsAt)) ??
      ((starts || (side === 'client' && name === 'pty-req')) && channel.started ? secondProgram(name) : undefined)
    if (objection !== undefined) {
      this.#refuseRequest(side, channel, wantsReply, objection)
      return
    }
    // As OpenSSH does: others need not know it, and sshj answers what asks for no answer.
    if (name === 'eow@openssh.com' && !wantsReply && !this.#forwarder.isOpenSsh(otherSide(side))) return
    const log = this.#forwarder.log(channel)
    const fields = new WireReader(payload, fieldsAt)
    if (side === 'client') {
      log.request(name, fields)
      if (name === 'auth-agent-req@openssh.com') this.#asked.agent = true
      if (name === 'x11-req') this.#asked.x11 = true
    } else log.targetRequest(name, fields)
    if (starts) {
      this.#showUser(channel)
      channel.started = true
    }
    const heard = (reply: Buffer) => {
      const granted = reply[0] !== MESSAGE.CHANNEL_FAILURE
      if (starts && !granted) notStarted(channel, log)
      if (name === 'pty-req' && side === 'client') {
        log.terminalAnswered(granted)
        if (granted) channel.terminal ??= new TerminalNotices()
      }
    }
    if (wantsReply) channel[side].requests.forwarded(heard)
    else if (name === 'pty-req' && side === 'client') {
      // How its input is recorded hangs on the answer.
      channel[side].requests.asked(heard)
      payload[fieldsAt - 1] = 1
    }
    this.#forwarder.forwardInOrder(side, channel, payload)
  }

  /** Tells the target, before a program starts, who stands behind the account. No client can: these names are not on its list. */
  #showUser(channel: Channel): void {
    const { target, user, session } = this.#forwarder.context.grant
    if (target.protocol !== 'ssh' || !(target.showUserIn ?? ['environment']).includes('environment')) return
    for (const [name, value] of [
      ['SALLYPORT_USER', user],
      ['SALLYPORT_SESSION', session],
    ] as const) {
      const fields = [string('env'), boolean(false), string(name), string(value)]
      this.#forwarder.send('target', message(MESSAGE.CHANNEL_REQUEST, uint32(channel.target.id), ...fields))
    }
  }

  global(side: Side, payload: Buffer): void {
    const reader = new WireReader(payload, 1)
    const name = reader.utf8()
    const wantsReply = reader.boolean()
    const objection =
      objectToGlobalRequest(side, name, this.#allows) ??
      objectToTexts(side, name, GLOBAL_SHAPES.get(name), new WireReader(payload, reader.offset))
    if (objection !== undefined) {
      if (objection.report) this.#forwarder.report(objection)
      const answer = () => this.#forwarder.answer(side, message(MESSAGE.REQUEST_FAILURE))
      if (wantsReply) this.#global[side].refused(answer)
      return
    }
    if (REMOTE_FORWARDS.has(name)) this.#asked.remoteForward = true
    if (wantsReply) this.#global[side].forwarded(this.#forwards.asked(name, reader))
    else this.#forwards.takenFor(name, reader)
    this.#forwarder.forward(side, payload)
  }

  /**
   * Answers a keepalive of OpenSSH in the place of the other side, which may not hear of it now. False: it is none, or another answer is owed
   * first.
   */
  answerKeepalive(side: Side, type: number, payload: Buffer): boolean {
    const isGlobal = type === MESSAGE.GLOBAL_REQUEST
    const reader = new WireReader(payload, 1)
    const channel = isGlobal ? undefined : this.#forwarder.channels.find(side, reader.uint32())
    if (reader.utf8() !== KEEPALIVE || !reader.boolean()) return false
    const owed = channel === undefined ? this.#global[side] : channel[side].requests
    if (!owed.isEmpty || channel?.[otherSide(side)].sentClose) return false
    const no =
      channel === undefined
        ? message(MESSAGE.REQUEST_FAILURE)
        : message(MESSAGE.CHANNEL_FAILURE, uint32(channel[side].id))
    this.#forwarder.answer(side, no)
    return true
  }

  /** Of a request: whether its sender waits for an answer. */
  wantsReply(type: number, payload: Buffer): boolean {
    const reader = new WireReader(payload, 1)
    if (type === MESSAGE.CHANNEL_REQUEST) reader.uint32()
    reader.utf8()
    return reader.boolean()
  }

  /** REQUEST_SUCCESS or REQUEST_FAILURE from `side`, for a global request of the other. */
  answered(side: Side, payload: Buffer): void {
    const queue = side === 'client' ? this.#global.target : this.#global.client
    queue.answered(payload, () => this.#forwarder.forward(side, payload))
  }

  #objectToForward(kind: string, fields: WireReader): Objection | undefined {
    return !kind.startsWith('forwarded-') || this.#forwards.includes(kind, fields) ? undefined : notAskedFor(kind)
  }

  #refuseOpen(side: Side, recipient: number, code: number, objection: Objection): void {
    this.#forwarder.report(objection)
    const fields = [uint32(recipient), uint32(code), string(this.#forwarder.sentence(objection)), string('')]
    this.#forwarder.answer(side, message(MESSAGE.CHANNEL_OPEN_FAILURE, ...fields))
  }

  #refuseRequest(side: Side, channel: Channel, wantsReply: boolean, objection: Objection): void {
    const forwarder = this.#forwarder
    let injected = false
    if (objection.report) {
      forwarder.report(objection, channel)
      injected = side === 'client' && forwarder.injectStderr(channel, `${forwarder.sentence(objection)}\r\n`)
    } else {
      const { what, why } = objection
      forwarder.context.recorder.fact({ type: 'refused', what: shown(what), reason: why, channel: channel.number })
    }
    if (!wantsReply) return
    const answer = () => {
      // After the other side's CLOSE the number may stand for another channel by now.
      if (channel[otherSide(side)].sentClose) return
      forwarder.answer(side, message(MESSAGE.CHANNEL_FAILURE, uint32(channel[side].id)))
    }
    channel[side].requests.refused(answer, injected ? READING_MS : 0)
  }
}

/** Refuses what would mean something else to the target than to the gateway; what a target sends has no excuse. */
function objectToTexts(side: Side, what: string, shape: Shape | undefined, rest: WireReader): Objection | undefined {
  if (readsOneWay(shape, rest)) return undefined
  if (side === 'target') throw new WireError('a NUL byte in a text')
  return { what, why: 'a NUL byte in a text can be read in two ways', report: true }
}

function notOfSession(name: string): Objection {
  return { what: `request ${name}`, why: 'this channel is none of a session', report: false }
}

/** How a channel is recorded follows from its program: another one must not change it while the first runs. */
function secondProgram(name: string): Objection {
  return { what: `request ${name}`, why: 'a program was started in this channel already', report: true }
}

function notStarted(channel: Channel, log: ChannelLog): void {
  channel.started = false
  log.notStarted()
}
