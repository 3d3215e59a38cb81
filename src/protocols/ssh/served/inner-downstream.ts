/** The side of the user of a session that was begun from a channel of the gateway's own: who it is was proven by the connection around it. */

import type { Proof, Source } from '../../../identity/proof.ts'
import type { SessionOutcome, SessionQuestions } from '../../../session/conversation.ts'
import type { Brought, Carrier, NoticeAbout } from '../../../session/protocol.ts'
import { END_REASON_TEXT, type EndReason } from '../../../session/state.ts'
import type { Refusal } from '../../../shared/errors.ts'
import { type AskedFactor, type Factor, showingOf } from '../../../shared/factors.ts'
import { Secret } from '../../../shared/secret.ts'
import type { RelayedClient, Speaker } from '../relay/relay-peer.ts'
import { noticeOf } from '../relay/terminal-notices.ts'
import { plain, terminalLines } from '../transport/texts.ts'
import type { TransportListener } from '../transport/transport.ts'
import type { InnerClient } from './inner-client.ts'

export interface InnerDownstreamOptions {
  readonly client: InnerClient
  readonly source: Source
  /** The whole login name, as if it had been typed. */
  readonly login: string
  readonly session: string
  readonly details: Record<string, string>
  /** Aborted when the person's channel is gone, or their login must end: its reason then says why. */
  readonly gone: AbortSignal
  /** The id of the login around it. */
  readonly outer: string
  readonly person: SessionQuestions
}

/** Wrong answers of one session. */
const MOST_TRIES = 3

export class InnerDownstream implements RelayedClient {
  readonly protocol = 'ssh'
  readonly database = undefined
  readonly answered = true
  readonly relayed: InnerClient
  readonly source: Source
  readonly login: string
  readonly details: Record<string, string>
  readonly gone: AbortSignal
  readonly loginOver: AbortSignal
  readonly outer: string
  speaker: Speaker | undefined
  outcome: SessionOutcome
  readonly #options: InnerDownstreamOptions
  #tries = 0

  constructor(options: InnerDownstreamOptions) {
    const { client, source, login, details, gone, outer, session } = options
    this.relayed = client
    this.source = source
    this.login = login
    this.details = details
    this.gone = gone
    this.loginOver = AbortSignal.any([gone, options.person.givesUp])
    this.outer = outer
    this.#options = options
    this.outcome = { kind: 'ended', session, text: END_REASON_TEXT['internal-error'] }
  }

  /** The person's channel goes on after the session: what is over is that it has to do with it. */
  get carrier(): Carrier {
    const { relayed } = this
    return {
      get closed() {
        return relayed.over
      },
      // What was relayed may still be on its way.
      writableFinished: false,
      // It is closed as soon as it is destroyed.
      once: () => undefined,
      destroy: () => relayed.destroy(),
    }
  }

  async nextProof(first?: readonly Factor[]): Promise<Proof | undefined> {
    const { person } = this.#options
    for (const factor of first ?? []) {
      const showing = showingOf(factor)
      if (this.#tries >= MOST_TRIES || (showing.how !== 'answer' && showing.how !== 'elsewhere')) continue
      const again = this.#tries++ > 0
      const kind = factor as AskedFactor
      if (showing.how === 'answer') {
        const answer = await person.answer(showing.wanted, again)
        return answer && { kind, answer }
      }
      person.told(showing.instruction)
      return { kind, answer: new Secret('') }
    }
    return undefined
  }

  askFor(): void {
    // It is told by the next question.
  }

  async brought(): Promise<Brought> {
    return { attended: true, canKeep: true }
  }

  ask(question: string): Promise<string | undefined> {
    return this.#options.person.ask(question)
  }

  tell(line: string): void {
    this.#options.person.told(plain(line))
  }

  async accept(): Promise<void> {
    this.relayed.attach()
    await this.#options.person.begun()
  }

  async deny({ code, message, advice }: Refusal, session: string): Promise<void> {
    const text = plain(advice === undefined ? message : `${message} ${advice}`)
    this.outcome = { kind: 'refused', session, code, text }
  }

  notify(text: string, short?: string, about?: NoticeAbout): void {
    this.speaker?.say(noticeOf(text, short, about))
  }

  async close(reason: EndReason, text?: string): Promise<void> {
    if (text !== undefined) this.speaker?.lastWord(terminalLines(text))
    this.speaker = undefined
    const { exitStatus, lastWord } = this.relayed
    const byThemselves = reason === 'client-closed' || reason === 'target-closed'
    this.outcome = {
      kind: 'ended',
      session: this.#options.session,
      ...(exitStatus === undefined ? {} : { exitStatus }),
      text: plain(byThemselves ? (lastWord ?? 'the session ended') : END_REASON_TEXT[reason]),
    }
    this.relayed.destroy()
  }

  handOver(listener: TransportListener): void {
    this.relayed.begin(listener)
  }

  lost(): void {}
}
