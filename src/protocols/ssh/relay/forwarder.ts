/** Forwards messages between the two sides of a session, and injects the gateway's own: notices, answers, and what must wait. */

import { Gate } from '../../../recording/writing/gate.ts'
import type { RelayContext } from '../../../session/protocol.ts'
import { message, string, uint32, WireError } from '../../../shared/ssh-encoding/wire.ts'
import { ChannelLog } from '../capture/channel-log.ts'
import { EXTENDED_DATA_STDERR, MESSAGE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import { type Channel, Channels, otherSide } from './channels.ts'
import type { Flow } from './flow.ts'
import type { Objection, Side } from './policy.ts'
import type { RelayPeer } from './relay-peer.ts'
import type { Notice } from './terminal-notices.ts'

/** Messages of a target that wait for the client's window: as many as the gateway's notices could displace, and some. */
const MAX_HELD = 4_096
/** No sequence of a program's takes so long: a target that never ends one, or a character, must not keep the gateway's words back. */
const SEQUENCE_MS = 10_000
/** A name that was refused is the other side's to choose, and the audit log keeps it for ever. */
const MAX_NAME_SHOWN = 100

/** What was refused, for people and logs. */
export function shown(what: string): string {
  return plain(what.slice(0, MAX_NAME_SHOWN))
}

export class Forwarder {
  readonly channels = new Channels()
  readonly context: RelayContext
  readonly #transports: Record<Side, RelayPeer>
  readonly #flow: Flow
  readonly #gates: Record<Side, Gate>
  readonly #execOutputLimitBytes: number
  readonly #logs = new Map<Channel, ChannelLog>()

  constructor(
    transports: Record<Side, RelayPeer>,
    flow: Flow,
    context: RelayContext,
    options: { execOutputLimitBytes: number },
  ) {
    this.#transports = transports
    this.#flow = flow
    this.context = context
    this.#gates = { client: this.#gateTo('client'), target: this.#gateTo('target') }
    this.#execOutputLimitBytes = options.execOutputLimitBytes
  }

  isOpenSsh(side: Side): boolean {
    return this.#transports[side].peerSoftware.startsWith('OpenSSH')
  }

  /** Sends in order, and what stands in the message is with the recorder: it leaves when the recording allows. */
  send(to: Side, payload: Buffer): void {
    this.#gates[to].pass(payload)
  }

  /** Resolves when nothing waits for the recorder any more. */
  async settled(): Promise<void> {
    await Promise.all([this.#gates.client.empty, this.#gates.target.empty])
  }

  /** The session must end: what waits for the recorder is never shown. */
  drop(): void {
    this.#gates.client.end()
    this.#gates.target.end()
  }

  /** Writes down how much has passed of what is only counted, where that is due. */
  note(): void {
    if (!this.context.recorder.noteDue) return
    for (const channel of this.channels)
      this.#logs.get(channel)?.note(channel.client.sentBytes, channel.target.sentBytes)
  }

  /** The gateway's own answer to what `to` asked. */
  answer(to: Side, payload: Buffer): void {
    this.send(to, payload)
    this.#flow.answered(to)
  }

  forward(from: Side, payload: Buffer): void {
    this.send(otherSide(from), payload)
  }

  /** Forwards a message of a channel, but not past what the client has no room for: see {@link injectStderr}. */
  forwardInOrder(from: Side, channel: Channel, payload: Buffer): void {
    const wait = from === 'target' && (channel.client.window < 0 || channel.held.length > 0)
    if (wait && channel.held.length >= MAX_HELD) throw new WireError('too much for a channel that has no room')
    if (wait) channel.held.push(Buffer.from(payload))
    else this.forward(from, payload)
  }

  /** The client has room again. */
  release(channel: Channel): void {
    for (const payload of channel.held.splice(0)) this.forward('target', payload)
  }

  /**
   * Injects a text of the gateway's into a channel, as stderr (which a terminal shows as well). It uses window that the target
   * does not know of: its next adjustment is that much smaller. False when there is no room for it.
   */
  injectStderr(channel: Channel, text: string): boolean {
    const bytes = Buffer.from(text, 'utf8')
    const { client, target } = channel
    if (bytes.length > Math.min(client.window, client.maxPacket) || target.sentEof || target.sentClose) return false
    client.window -= bytes.length
    client.debt += bytes.length
    const fields = [uint32(client.id), uint32(EXTENDED_DATA_STDERR), string(bytes)]
    this.send('client', message(MESSAGE.CHANNEL_EXTENDED_DATA, ...fields))
    return true
  }

  /** Shows it in each terminal when it spoils nothing there, and records it now. Programs without a terminal are not told that the session ends soon. */
  say(notice: Notice): void {
    for (const channel of this.#speakingOf(notice.lines)) {
      if (channel.terminal !== undefined) {
        channel.terminal.add(notice)
        this.sayWaiting(channel)
        if (channel.terminal.waits) setTimeout(() => this.sayWaiting(channel, true), SEQUENCE_MS).unref()
      } else if (notice.urgent?.about !== 'end') this.injectStderr(channel, notice.lines)
    }
  }

  /** What waits for its moment in a terminal is said, where that has come. */
  sayWaiting(channel: Channel, overdue = false): void {
    // What is held is not on the screen yet.
    if (!channel.terminal?.waits || channel.held.length > 0) return
    channel.terminal.say(text => this.injectStderr(channel, text), overdue)
  }

  /** Shows it in every session channel at once, whatever runs there: nothing comes after it. */
  lastWord(lines: string): void {
    for (const channel of this.#speakingOf(lines))
      this.injectStderr(channel, `${channel.terminal?.restored() ?? ''}${lines}`)
  }

  /** Those in which something can be said, once it is recorded. */
  #speakingOf(lines: string): Channel[] {
    if (this.#transports.client.over) return []
    this.context.recorder.fact({ type: 'notice', text: lines.replaceAll('\r\n', '\n').trimEnd() })
    return [...this.channels].filter(({ kind, open }) => kind === 'session' && open)
  }

  /** Audits and records something that was refused. */
  report({ what, why }: Objection, channel?: Channel): void {
    this.context.refused(shown(what), why, channel?.number)
  }

  /** What the person reads of a refusal. */
  sentence({ what, why }: Objection): string {
    return `Sallyport: ${shown(what)} refused: ${why} [CHANNEL_DENIED, session ${this.context.session}]`
  }

  #gateTo(side: Side): Gate {
    const send = (payload: Buffer) => {
      this.#transports[side].send(payload)
      this.#flow.sent(side)
    }
    return new Gate(this.context.recorder, send, full => this.#flow.unwritten(side, full))
  }

  openLog(channel: Channel): ChannelLog {
    const { recorder, grant } = this.context
    const { recordInput, recordExecInput } = grant
    const options = {
      recorder,
      recordInput,
      recordExecInput,
      execOutputLimitBytes: Math.max(this.#execOutputLimitBytes, grant.execOutputLimitBytes),
    }
    const log = new ChannelLog(options, channel.number, channel.kind)
    this.#logs.set(channel, log)
    return log
  }

  log(channel: Channel): ChannelLog {
    return this.#logs.get(channel)!
  }

  closeLog(channel: Channel): void {
    this.#logs.get(channel)?.closed(channel.client.sentBytes, channel.target.sentBytes)
    this.#logs.delete(channel)
  }
}
