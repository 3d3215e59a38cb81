/** The side of the user: an SSH connection from its first authentication request to its disconnect message. */

import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { Proof, Source } from '../../../identity/proof.ts'
import type { Brought, NoticeAbout, SessionNotice } from '../../../session/protocol.ts'
import type { Login } from '../../../session/run-login.ts'
import { END_REASON_TEXT, type EndReason } from '../../../session/state.ts'
import { type ErrorCode, type Refusal, refuse } from '../../../shared/errors.ts'
import type { Factor } from '../../../shared/factors.ts'
import { message, string } from '../../../shared/ssh-encoding/wire.ts'
import type { RelayedClient, RelayPeer, Speaker } from '../relay/relay-peer.ts'
import { noticeOf } from '../relay/terminal-notices.ts'
import { DISCONNECT, MESSAGE } from '../transport/messages.ts'
import { plain, terminalLines } from '../transport/texts.ts'
import { type Transport, type TransportListener, TransportViolation } from '../transport/transport.ts'
import { WaitingClient } from '../waiting/waiting-client.ts'
import { answerServiceRequest } from './service-request.ts'
import { type AuthenticationOptions, UserAuthentication } from './user-authentication.ts'

/** How long the disconnect message may take to be sent when the gateway ends a session. */
const LAST_WORD_MS = 1_000
/** What a client may send between being let in and the relay taking over: its socket is paused, so one read at most. */
const MAX_HELD = 4_096
/** Variables, and a terminal, come with a session channel. Short: OpenSSH shows 400 characters in all. */
const SAYS_NOTHING = '\nNot by -N or -W: nothing can be said on them.'
const ONLY_WAITS = '\nNot by -N or -W: they only wait for what was asked for before.'

export interface SshDownstreamOptions extends AuthenticationOptions {
  /** The login name that the name sent stands for, where that is another. */
  readonly meaning?: string
  /** The login of the connection around this one. */
  readonly outer?: Login
  readonly transport: Transport
  readonly source: Source
  readonly session: string
  /** Called once when the person is let in, or will be when others let them. */
  onAccepted(): void
  /** Called when a proof was wrong: clients hang up by themselves when they have no other. */
  onWrongProof(): void
  /** Called when the person is sent away. */
  onDenied(code: ErrorCode): void
  /** Called when the client broke the protocol before it was let in. */
  onBroken(error: TransportViolation): void
}

export class SshDownstream implements RelayedClient, TransportListener {
  readonly protocol = 'ssh'
  readonly source: Source
  readonly login: string
  readonly session: string
  readonly database = undefined
  readonly outer: string | undefined
  readonly details: Record<string, string>
  readonly transport: Transport
  speaker: Speaker | undefined
  readonly #authentication: UserAuthentication
  readonly #gone = new AbortController()
  readonly #loginOver = new AbortController()
  readonly #options: SshDownstreamOptions
  #accepted = false
  /** Once who they are is proven, and what they bring, or wait for, is asked about. */
  #waiting: WaitingClient | undefined
  #proven = false
  #expired = false
  #held: Buffer[] = []
  #ownRefusal: Refusal | undefined

  constructor(options: SshDownstreamOptions) {
    this.transport = options.transport
    this.source = options.source
    this.login = options.meaning ?? options.login
    this.outer = options.outer?.id
    this.session = options.session
    this.details = {
      client: plain(options.transport.peerSoftware),
      ...(options.outer === undefined ? {} : { inside: options.outer.id }),
    }
    this.#authentication = new UserAuthentication(options.transport, options)
    this.#options = options
  }

  get carrier(): Duplex {
    return this.transport.socket
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get loginOver(): AbortSignal {
    return this.#loginOver.signal
  }

  get relayed(): RelayPeer {
    return this.#waiting ?? this.transport
  }

  message(type: number, payload: Buffer): void {
    if (this.#waiting !== undefined) {
      this.#waiting.message(type, payload)
    } else if (this.#accepted) {
      this.#hold(type, payload)
    } else if (type === MESSAGE.USERAUTH_REQUEST || type === MESSAGE.USERAUTH_INFO_RESPONSE) {
      this.#authentication.receive(type, payload)
    } else if (type === MESSAGE.SERVICE_REQUEST) {
      answerServiceRequest(this.transport, payload)
    } else if (type >= MESSAGE.GLOBAL_REQUEST) {
      this.transport.disconnect(DISCONNECT.PROTOCOL_ERROR, 'a message of the connection protocol before the login')
    } else {
      this.transport.unimplemented()
    }
  }

  ended(error: Error | undefined): void {
    if (error instanceof TransportViolation && !this.#accepted) this.#options.onBroken(error)
    this.#authentication.end()
    this.#waiting?.ended(error)
    this.#loginOver.abort()
    this.#gone.abort()
  }

  get answered(): boolean {
    return this.#authentication.answered
  }

  async nextProof(first?: readonly Factor[]): Promise<Proof | undefined> {
    const proof = await this.#authentication.nextProof(first)
    if (proof === undefined && this.#authentication.exhausted) {
      this.#ownRefusal = refuse('TOO_MANY_TRIES', 'Too many tries on one connection.')
    } else if (proof === undefined && this.#expired) {
      this.#ownRefusal = refuse('LOGIN_TOO_SLOW', 'The login took too long.')
    }
    return proof
  }

  askFor(next: readonly Factor[], partial: boolean): void {
    if (!partial) this.#options.onWrongProof()
    this.#authentication.askFor(next, partial)
  }

  /** The login took too long: there will be no more proofs. */
  expire(): void {
    this.#expired = true
    this.#authentication.end()
    this.#loginOver.abort()
  }

  /** Variables come on a channel, and channels after USERAUTH_SUCCESS: who they are is proven by now. */
  async brought(): Promise<Brought> {
    if (this.transport.over) return { attended: false }
    if (this.#waiting === undefined) {
      this.#authentication.end()
      this.#waiting = new WaitingClient(this.transport, () => this.#loginOver.abort())
      this.#letIn()
    }
    const brought = await this.#waiting.brought
    return this.#waiting.hasChannel ? brought : { ...brought, forwardsOnly: true }
  }

  async ask(question: string): Promise<string | undefined> {
    return this.#waiting?.ask(question)
  }

  tell(line: string): void {
    this.#isProven()
    if (this.#waiting === undefined) this.#banner(line)
    else this.#waiting.tell(line)
  }

  async accept(_notice: SessionNotice): Promise<void> {
    this.#authentication.end()
    this.#accepted = true
    this.transport.socket.pause()
    if (this.#waiting === undefined) this.#letIn()
    else this.#waiting.accept()
  }

  #letIn(): void {
    this.transport.send(message(MESSAGE.USERAUTH_SUCCESS))
    this.#isProven()
  }

  /** From here on it is not they who are slow. */
  #isProven(): void {
    if (this.#proven) return
    this.#proven = true
    this.#options.onAccepted()
  }

  async deny(refusal: Refusal, session: string): Promise<void> {
    const told = this.#ownRefusal ?? refusal
    this.#options.onDenied(told.code)
    const advice = told.advice === undefined ? '' : `\n${told.advice}`
    const words = `${told.message} [${told.code}, session ${session}]${advice}${this.#unheard(told)}`
    let goodbye = `${told.code}, session ${session}`
    if (this.#waiting === undefined) this.#banner(words)
    else {
      this.#waiting.refuse(words)
      // Of a connection that forwards, and has no channel to read it on.
      if (!this.#waiting.hasChannel) goodbye = plain(words)
      await Promise.race([this.#closed(undefined), pause(LAST_WORD_MS)])
    }
    this.transport.disconnect(DISCONNECT.NO_MORE_AUTH_METHODS, goodbye)
    await this.#closed(LAST_WORD_MS)
  }

  #unheard({ code, advice }: Refusal): string {
    if (advice === undefined || this.#waiting?.hasChannel !== false) return ''
    return code === 'REASON_REQUIRED' ? SAYS_NOTHING : ONLY_WAITS
  }

  notify(text: string, short?: string, about?: NoticeAbout): void {
    if (this.#waiting !== undefined && this.speaker === undefined) this.#waiting.tell(text)
    else if (!this.#accepted) this.#banner(text)
    else this.speaker?.say(noticeOf(text, short, about))
  }

  async close(reason: EndReason, text?: string): Promise<void> {
    if (text !== undefined) this.speaker?.lastWord(terminalLines(text))
    this.speaker = undefined
    const byThemselves = reason === 'client-closed' || reason === 'target-closed'
    this.transport.disconnect(DISCONNECT.BY_APPLICATION, plain(text ?? `Sallyport: ${END_REASON_TEXT[reason]}`))
    await this.#closed(byThemselves ? undefined : LAST_WORD_MS)
  }

  /** Hands the connection over to the relay: what came meanwhile is given to it first. */
  handOver(listener: TransportListener): void {
    if (this.#waiting !== undefined) {
      this.transport.listener = this.#waiting
      this.#waiting.handOver(listener)
      return
    }
    this.transport.listener = listener
    const held = this.#held
    this.#held = []
    for (const payload of held) {
      if (!this.transport.over) listener.message(payload[0]!, payload)
    }
  }

  /** The relay tells that the connection ended while it was the listener. */
  lost(): void {
    this.#gone.abort()
  }

  #banner(text: string): void {
    this.transport.send(message(MESSAGE.USERAUTH_BANNER, string(terminalLines(text)), string('')))
  }

  #hold(type: number, payload: Buffer): void {
    // Authentication requests after success are to be ignored (RFC 4252 §5.1).
    if (type < MESSAGE.GLOBAL_REQUEST) return
    if (this.#held.length >= MAX_HELD) throw new Error('too many messages at once')
    this.#held.push(Buffer.from(payload))
  }

  /** Resolves when the socket is closed; destroys it after `withinMs` where that is given. */
  #closed(withinMs: number | undefined): Promise<void> {
    const { socket } = this.transport
    if (socket.destroyed) return Promise.resolve()
    return new Promise(resolve => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => socket.destroy(), withinMs)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
