/**
 * A login that names no target (`ssh alice@gateway`): authenticate, decide, let in, and serve what she asks for, each by a decision of its
 * own. Nothing of a target is open yet, and nothing is lent; what is opened inside it is a session like any other.
 */

import type { Principal } from '../identity/principal.ts'
import type { LoginTerms } from '../policy/login.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { AdmittedLogin, SessionBroker } from './broker/broker.ts'
import { type LiveSessions, SessionEnd } from './live/live-sessions.ts'
import type { Downstream } from './protocol.ts'
import { endOf, GATEWAY_STOPPING, onceAborted, refusalOf, refusedByEnd } from './session-end.ts'
import type { EndReason } from './state.ts'
import { closeDownstream } from './steps/close-downstream.ts'

export interface LoginParts {
  readonly broker: SessionBroker
  readonly live: LiveSessions
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  readonly stopping: () => boolean
}

/** A login that was let in, for as long as its connection lasts. */
export interface Login {
  /** `ses_…`: the audit log's events of it have it. */
  readonly id: string
  /** Who it is, as it was proven. */
  readonly who: { readonly principal: Principal }
  /** Aborted when the connection must end. */
  readonly signal: AbortSignal
  /** False once its time is over: nothing new is opened on it. */
  readonly mayOpen: boolean
  /** When it began and when its time is over, in milliseconds since the epoch. */
  readonly since: number
  readonly endsAt: number
  /** The person as the store has them now; undefined once they could not log in like this any more. */
  person(): Promise<Principal | undefined>
  /** Something was opened on it: until all is released it is not idle. Returns the release. */
  opened(): () => void
  /** The person did something. Cheap. */
  readonly activity: () => void
  /** Something was refused on it: for the audit log, without which it does not go on. */
  readonly refused: (what: string, why: string) => void
  /** The same, where that is in the audit log already. */
  readonly refusalNoted: () => void
}

/** So much may be refused on one login before it ends: it must not fill the audit log. */
const MAX_REFUSALS = 256

/** Serves the connection until the client leaves or the signal aborts; gives who ended it. */
export type ServeLogin<D extends Downstream> = (downstream: D, login: Login) => Promise<EndReason>

/** What a protocol calls for a login that names no target. */
export type RunLogin<D extends Downstream> = (downstream: D, id: string, serve: ServeLogin<D>) => Promise<void>

/** Never rejects, as `runSession`. */
export async function runLogin<D extends Downstream>(
  parts: LoginParts,
  downstream: D,
  id: string,
  serve: ServeLogin<D>,
): Promise<void> {
  const refusal = await attemptLogin(parts, downstream, id, serve)
    .catch(error => refusalOf(parts.log, id, error))
    .finally(() => parts.broker.forget(id))
  if (refusal === undefined) return
  parts.metrics.logins.inc({ protocol: downstream.protocol, result: refusal.code })
  await downstream
    .deny(refusal, id)
    .catch(error => parts.log.error({ err: error, session: id }, 'a refusal could not be told'))
}

async function attemptLogin<D extends Downstream>(
  parts: LoginParts,
  downstream: D,
  id: string,
  serve: ServeLogin<D>,
): Promise<Refusal | undefined> {
  const { broker, live, metrics, log } = parts
  if (parts.stopping()) return GATEWAY_STOPPING
  const changesSeen = live.accessChanges
  const admitted = await broker.admitLogin(id, downstream)
  if (isRefusal(admitted)) return admitted
  const { endsAt } = admitted.terms

  const login = new OpenLogin(parts, id, admitted)
  const unwatch = live.watch(login)
  try {
    onceAborted(downstream.gone, () => login.abort('client-closed'))
    if (live.accessChanges !== changesSeen && !(await login.stillAllowed().catch(() => false))) {
      login.abort('access-revoked')
    }
    const end = endOf(login.signal)
    if (end !== undefined) return refusedByEnd(end)
    await downstream.accept({ session: id, endsAt })
    metrics.logins.inc({ protocol: downstream.protocol, result: 'accepted' })
    const closedBy = await serve(downstream, login).catch((error): EndReason => {
      log.error({ err: error, session: id }, 'a login without a target broke')
      return 'internal-error'
    })
    const reason = endOf(login.signal) ?? closedBy
    // What is open inside ends with it.
    login.abort(reason)
    await closeDownstream(downstream, login, reason)
    return undefined
  } finally {
    unwatch()
  }
}

type OpenParts = Pick<LoginParts, 'broker' | 'clock'>

class OpenLogin implements Login {
  readonly id: string
  readonly who: Login['who']
  readonly since: number
  readonly #parts: OpenParts
  readonly #terms: LoginTerms
  readonly #controller = new AbortController()
  #open = 0
  #refusals = 0
  #lastActivity: number

  constructor(parts: OpenParts, id: string, { principal, terms }: AdmittedLogin) {
    this.#parts = parts
    this.id = id
    this.who = { principal }
    this.#terms = terms
    this.since = parts.clock.now()
    this.#lastActivity = this.since
  }

  get endsAt(): number {
    return this.#terms.endsAt
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get mayOpen(): boolean {
    return !this.signal.aborted && this.#parts.clock.now() < this.#terms.endsAt
  }

  abort(reason: EndReason): void {
    this.#controller.abort(new SessionEnd(reason))
  }

  opened(): () => void {
    this.#open++
    return () => {
      this.#open--
      this.#lastActivity = this.#parts.clock.now()
    }
  }

  readonly activity = (): void => {
    this.#lastActivity = this.#parts.clock.now()
  }

  readonly refusalNoted = (): void => {
    if (++this.#refusals > MAX_REFUSALS) this.abort('protocol-violation')
  }

  readonly refused = (what: string, why: string): void => {
    this.refusalNoted()
    if (this.#refusals > MAX_REFUSALS) return
    this.#parts.broker.channelDenied({ session: this.id }, what, why).catch(() => this.abort('internal-error'))
  }

  person(): Promise<Principal | undefined> {
    return this.#parts.broker.person(this.id)
  }

  stillAllowed(): Promise<boolean> {
    return this.#parts.broker.loginStillAllowed(this.id)
  }

  /** What is open has an end and an idle time of its own, by the role that gave it. */
  tick(): void {
    if (this.#open > 0) return
    const now = this.#parts.clock.now()
    const { endsAt, idleMs } = this.#terms
    if (now >= endsAt) this.abort('deadline')
    else if (idleMs !== undefined && now - this.#lastActivity >= idleMs) this.abort('idle')
  }
}
