/**
 * The client of a session that was begun from a channel of the gateway's own: to the relay it is one like any other, that opens a
 * channel, asks for the terminal and a shell, and passes on what the person's real channel brings. Windows are end to end.
 */

import { boolean, message, string, uint32, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { RelayPeer } from '../relay/relay-peer.ts'
import { MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import type { Transport, TransportListener } from '../transport/transport.ts'
import type { SessionChannel } from './session-channel.ts'

/** The client's number for its one channel. */
const OWN = 0

export class InnerClient implements RelayPeer {
  readonly #transport: Transport
  readonly #channel: SessionChannel
  listener: TransportListener | undefined
  onKeyExchange: (() => void) | undefined
  mostWaiting = 0
  over = false
  /** Of the program that ran: undefined where the target did not say, or a signal ended it. */
  exitStatus: number | undefined
  /** The final message of whoever ended the session. */
  lastWord: string | undefined
  #caughtUp: (() => void) | undefined
  #target: number | undefined
  /** Bytes that the target will take. */
  #room = 0
  /** What the person's client took while the target's channel was not open yet. */
  #earlyRoom = 0
  #paused = false
  #input: Buffer[] = []
  #asked: string[] = []
  #saidEof = false
  #saidClose = false

  /** `channel`: the person's, on their own `transport`. */
  constructor(transport: Transport, channel: SessionChannel) {
    this.#transport = transport
    this.#channel = channel
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

  /** The relay reads this client only while the target keeps up; what the person sends meanwhile is bounded by their window. */
  readonly socket = {
    pause: (): void => {
      this.#paused = true
    },
    resume: (): void => {
      this.#paused = false
      this.#passInput()
    },
    isPaused: (): boolean => this.#paused,
    on: (_event: 'drain', listener: () => void): void => {
      this.#caughtUp = listener
    },
  }

  /** From now on what the person types is for the session: it waits until the target takes it. */
  attach(): void {
    const channel = this.#channel
    const { terminal } = channel.program
    channel.use({
      data: bytes => {
        this.#input.push(Buffer.from(bytes))
        this.#passInput()
      },
      eof: () => this.#passInput(),
      resized: () => {
        if (terminal !== undefined) this.#request('window-change', false, terminal.change)
      },
      signalled: (request, fields) => this.#request(request, false, [fields]),
      adjusted: bytes => {
        if (this.#target === undefined) this.#earlyRoom += bytes
        else this.#toTarget(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(bytes))
      },
      ready: () => {
        this.onKeyExchange?.()
        this.#caughtUp?.()
      },
    })
  }

  /** The relay takes over. */
  begin(listener: TransportListener): void {
    this.listener = listener
    const channel = this.#channel
    channel.gone.addEventListener('abort', this.#leave, { once: true })
    if (channel.gone.aborted) {
      this.#leave()
      return
    }
    // All that the client took until here stands in the window.
    this.#earlyRoom = 0
    const opening = [string('session'), uint32(OWN), uint32(channel.room), uint32(channel.maxPacket)]
    this.#say(message(MESSAGE.CHANNEL_OPEN, ...opening))
  }

  /** What the relay sends to its client. */
  send(payload: Buffer): void {
    if (this.over) return
    this.#take(payload)
    // The relay stops the target while this side takes nothing, and waits to be told.
    if (!this.#channel.line.ready) this.#channel.line.waits()
  }

  #take(payload: Buffer): void {
    const fields = new WireReader(payload, 1)
    switch (payload[0]) {
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
        fields.uint32()
        this.#target = fields.uint32()
        this.#room = fields.uint32()
        if (this.#earlyRoom > 0) this.#toTarget(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(this.#earlyRoom))
        this.#askForShell()
        return
      case MESSAGE.CHANNEL_OPEN_FAILURE:
        fields.uint32()
        fields.uint32()
        this.lastWord = fields.utf8()
        this.#leave()
        return
      case MESSAGE.CHANNEL_DATA:
        fields.uint32()
        this.#channel.forward(fields.string(), false)
        return
      case MESSAGE.CHANNEL_EXTENDED_DATA:
        fields.uint32()
        fields.uint32()
        this.#channel.forward(fields.string(), true)
        return
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        fields.uint32()
        this.#room += fields.uint32()
        this.#passInput()
        return
      case MESSAGE.CHANNEL_REQUEST:
        this.#targetAsks(fields)
        return
      case MESSAGE.CHANNEL_SUCCESS:
        this.#asked.shift()
        return
      case MESSAGE.CHANNEL_FAILURE:
        // Without a shell there is nothing to wait for; why not was said by who refused it.
        if (this.#asked.shift() === 'shell') this.#close()
        return
      case MESSAGE.CHANNEL_CLOSE:
        this.#close()
        this.#leave()
        return
      case MESSAGE.GLOBAL_REQUEST:
        fields.utf8()
        if (fields.boolean()) this.#say(message(MESSAGE.REQUEST_FAILURE))
        return
      case MESSAGE.CHANNEL_OPEN: {
        // Nothing was asked for that a target could open channels for.
        fields.utf8()
        const failure = [uint32(fields.uint32()), uint32(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED)]
        this.#say(message(MESSAGE.CHANNEL_OPEN_FAILURE, ...failure, string(''), string('')))
        return
      }
    }
  }

  /** The session is over for this client; the person's connection stays. */
  disconnect(_reason: number, text: string): void {
    this.lastWord ??= text
    this.#end()
  }

  destroy(): void {
    this.#end()
  }

  reuseMemory(): void {
    // Its messages have no memory of a packet.
  }

  unimplemented(): void {
    // A message of its own making that the relay does not know: there is none.
  }

  #askForShell(): void {
    const { environment, terminal } = this.#channel.program
    for (const variable of environment) this.#request('env', false, [variable])
    if (terminal !== undefined) this.#request('pty-req', true, terminal.request)
    this.#request('shell', true, [])
    this.#passInput()
  }

  #targetAsks(fields: WireReader): void {
    fields.uint32()
    const name = fields.utf8()
    const wantsReply = fields.boolean()
    if (name === 'exit-status') this.exitStatus = fields.uint32()
    if (wantsReply) this.#toTarget(MESSAGE.CHANNEL_FAILURE)
  }

  /** As much as the target has room for; what was passed on, the person may send again. */
  #passInput(): void {
    while (!this.#paused && this.#target !== undefined && this.#input.length > 0 && this.#room > 0) {
      const first = this.#input[0]!
      const bytes = first.subarray(0, this.#room)
      if (bytes.length === first.length) this.#input.shift()
      else this.#input[0] = first.subarray(bytes.length)
      this.#room -= bytes.length
      this.#toTarget(MESSAGE.CHANNEL_DATA, string(bytes))
      this.#channel.consumed(bytes.length)
    }
    if (this.#channel.clientEof && this.#input.length === 0 && !this.#saidEof && this.#target !== undefined) {
      this.#saidEof = true
      this.#toTarget(MESSAGE.CHANNEL_EOF)
    }
  }

  #request(name: string, wantsReply: boolean, fields: Buffer[]): void {
    if (wantsReply) this.#asked.push(name)
    this.#toTarget(MESSAGE.CHANNEL_REQUEST, string(name), boolean(wantsReply), ...fields)
  }

  #toTarget(type: number, ...fields: Buffer[]): void {
    if (this.#target !== undefined && !this.#saidClose) this.#say(message(type, uint32(this.#target), ...fields))
  }

  #close(): void {
    this.#toTarget(MESSAGE.CHANNEL_CLOSE)
    this.#saidClose = true
  }

  #say(payload: Buffer): void {
    if (!this.over) this.listener?.message(payload[0]!, payload)
  }

  readonly #leave = (): void => {
    this.#end()
  }

  #end(): void {
    if (this.over) return
    this.over = true
    const channel = this.#channel
    channel.gone.removeEventListener('abort', this.#leave)
    channel.use(undefined)
    // What the session did not take was meant for it, and for nobody else.
    for (const bytes of this.#input.splice(0)) channel.consumed(bytes.length)
    this.listener?.ended(undefined)
  }
}
