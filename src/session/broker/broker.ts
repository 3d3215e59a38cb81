/**
 * What the pipeline asks of the process that holds the vault's key: who somebody is, whether they may, and for the credential. Whoever
 * relays bytes of strangers asks by session, and is believed nothing that the broker can know by itself.
 */

import type { Principal } from '../../identity/principal.ts'
import type { Grant } from '../../policy/grant.ts'
import type { LoginTerms } from '../../policy/login.ts'
import type { GatewayError, Refusal } from '../../shared/errors.ts'
import type { Secret } from '../../shared/secret.ts'
import type { NamedHop } from '../../targets/route.ts'
import type { Target } from '../../targets/target.ts'
import type { Lease } from '../../vault/lease.ts'
import type { LentCredential } from '../dialer.ts'
import type { AtTarget, LoginClient } from '../protocol.ts'
import type { Ending } from '../records/session-store.ts'
import type { DecidedAnew } from '../state.ts'

/** A login that names no target, and was let in. */
export interface AdmittedLogin {
  readonly principal: Principal
  readonly terms: LoginTerms
}

type OfSession = Pick<Grant, 'session'>

export interface SessionBroker {
  /** The first two steps: asks the client for proofs, and decides. Both are in the audit log when it resolves. */
  admit(session: string, client: LoginClient): Promise<Grant | Refusal>
  /** The same for a login that names no target. */
  admitLogin(session: string, client: LoginClient): Promise<AdmittedLogin | Refusal>
  /** Waits until somebody watches the session whom its roles demand: undefined then. A refusal is in the audit log. */
  awaitModerator(of: OfSession): Promise<Refusal | undefined>
  /** Decides anew whether an admitted session may go on, and until when. */
  stillAllowed(session: string): Promise<DecidedAnew>
  /** The same of a login that names no target, whose end stays. */
  loginStillAllowed(session: string): Promise<boolean>
  /** The person of an admitted login as the store has them now; undefined once they could not log in like this any more. */
  person(session: string): Promise<Principal | undefined>
  /**
   * Lends the credential, once for a session: its row, the lease and their audit events are stored before. `details`: facts of the client
   * that are worth recording. Throws `AUDIT_UNAVAILABLE`.
   */
  lease(grant: Grant, details: Record<string, string>): Promise<Lease | Refusal>
  /** A target that the way to the granted one goes through, as the entries are now. */
  findHop(of: OfSession, name: string): Promise<Target | undefined>
  /** The credential of a hop on the way to the granted target, once that is in the audit log. */
  lendForHop(of: OfSession, hop: NamedHop): Promise<LentCredential>
  hopFailed(of: OfSession, hop: NamedHop, error: GatewayError): Promise<void>
  /** The session is active from now on. False when it has ended meanwhile. */
  activate(of: OfSession, atTarget: AtTarget): Promise<boolean>
  /** It was granted, and yet does not begin. */
  refused(of: OfSession, refusal: Refusal): Promise<void>
  channelDenied(of: OfSession, what: string, why: string): Promise<void>
  /** Lease and session are over: written down now, or when the store is back. Never rejects. */
  end(of: OfSession, ending: Ending): Promise<void>
  /** A one-time code that is asked for within an admitted login: it is proven on it from then on. False where it is not right. */
  proveCode(session: string, code: Secret): Promise<boolean>
  /** Nothing more comes of this session, or login. */
  forget(session: string): void
}
