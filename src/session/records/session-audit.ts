/** What the audit log says of a login and a session, from the first proof to the end. */

import type { Audit, AuditEvent, AuditKind } from '../../audit/event.ts'
import type { Principal } from '../../identity/principal.ts'
import type { Denial } from '../../policy/authorize.ts'
import { type Grant, type GrantEnd, loginDetail, wordsOf } from '../../policy/grant.ts'
import type { LoginTerms } from '../../policy/login.ts'
import type { SealedRecording } from '../../recording/writing/recorder.ts'
import { type ErrorCode, type GatewayError, isRefusal, messageOf, type Refusal } from '../../shared/errors.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { hopName, type NamedHop } from '../../targets/route.ts'
import type { PromisedLease } from '../../vault/lease.ts'
import type { LoginClient } from '../protocol.ts'
import type { Ending } from './session-store.ts'

/** Longer than any login name that is one. */
const MAX_LOGIN_SHOWN = 256

/** Somebody may stand between, or be after the credential: such refusals are found by a kind of their own. */
const KINDS: Partial<Record<ErrorCode, AuditKind>> = {
  TARGET_IDENTITY_MISMATCH: 'target.identity-mismatch',
  TARGET_AUTHENTICATION_REFUSED: 'target.authentication-refused',
}

/** Who logged in, and what was noted on the way there. */
interface Known {
  readonly principal: Principal
  readonly trail: readonly string[]
}

export type SessionAudit = ReturnType<typeof createSessionAudit>

/** Every method resolves when the event is durable, and throws `AUDIT_UNAVAILABLE`: what it records must then not happen. */
export function createSessionAudit(audit: Audit) {
  return {
    loginRefused: ({ protocol, source, login }: LoginClient, session: string, { code, detail }: Refusal) =>
      audit.append({
        kind: 'login.refused',
        actor: 'unknown',
        session,
        // Nobody has proven anything yet: what they sent must not fill the log.
        data: { protocol, source: source.address, login: login.slice(0, MAX_LOGIN_SHOWN), code, why: detail },
      }),

    /** Who it is. */
    loginAccepted: (client: LoginClient, session: string, who: Known) =>
      audit.append(loginAccepted(client, session, who)),

    /** They wait to be let in, until somebody has decided on the request. */
    loginWaits: ({ protocol, source, login }: LoginClient, session: string, { principal }: Known, request: string) =>
      audit.append({
        ...{ kind: 'login.waiting', actor: principal.user, session },
        data: { protocol, source: source.address, login, request },
      }),

    /** Whether they may. */
    decided({ login, database }: LoginClient, session: string, { principal }: Known, decision: Grant | Denial) {
      const common = { actor: principal.user, session }
      return isRefusal(decision)
        ? audit.append({
            ...common,
            kind: 'decision.denied',
            // Of an authenticated user by now, but as long as a client likes.
            data: {
              wanted: login,
              ...databaseOf({ database: database?.slice(0, MAX_LOGIN_SHOWN) }),
              code: decision.code,
              why: decision.detail,
              ...onRequestOf(decision),
            },
          })
        : audit.append({
            ...common,
            kind: 'decision.granted',
            data: {
              account: accountOf(decision),
              ...databaseOf(decision),
              role: decision.role,
              ...requestOf(decision),
              ...wordsOf(decision),
              endsAt: decision.endsAt,
            },
          })
    },

    /** The same for a login that names no target. */
    async loginDecided(client: LoginClient, id: string, who: Known, terms: LoginTerms | Refusal) {
      const common = { actor: who.principal.user, session: id }
      await Promise.all([
        audit.append(loginAccepted(client, id, who)),
        ...(isRefusal(terms)
          ? [
              audit.append({
                ...common,
                kind: 'decision.denied' as const,
                data: { wanted: client.login, code: terms.code, why: terms.detail },
              }),
            ]
          : []),
      ])
    },

    /** A session that was granted and yet did not begin. */
    sessionRefused: (grant: Grant, { code, detail }: Refusal) =>
      audit.append({
        kind: KINDS[code] ?? 'session.refused',
        actor: grant.user,
        session: grant.session,
        data: { account: accountOf(grant), ...databaseOf(grant), code, why: detail },
      }),

    /** Of a session that somebody must watch. */
    moderation: (
      grant: Grant,
      kind: Extract<
        AuditKind,
        'session.moderator-awaited' | 'session.moderated' | 'session.paused' | 'session.resumed'
      >,
      data: Readonly<Record<string, string>>,
    ) =>
      audit.append({ kind, actor: grant.user, session: grant.session, data: { account: accountOf(grant), ...data } }),

    /** Of a hop on the way to the granted target. */
    hopRefused: (grant: Grant, hop: NamedHop, { code, message, cause }: GatewayError) =>
      audit.append({
        kind: KINDS[code] ?? 'session.hop-failed',
        actor: grant.user,
        session: grant.session,
        data: {
          account: hopName(hop),
          onTheWayTo: accountOf(grant),
          code,
          why: cause === undefined ? message : messageOf(cause),
        },
      }),

    /** It was decided anew, and ends at another time. */
    endMoved: (grant: Grant, from: GrantEnd, to: GrantEnd) =>
      audit.append({
        kind: 'session.end-moved',
        actor: 'gateway',
        session: grant.session,
        data: {
          account: accountOf(grant),
          ...requestOf(grant),
          from: from.endsAt,
          endsAt: to.endsAt,
          by: to.endsBy,
        },
      }),

    channelDenied: ({ user, session }: Pick<Grant, 'user' | 'session'>, what: string, why: string) =>
      audit.append({ kind: 'channel.denied', actor: user, session, data: { what, why } }),
  }
}

function loginAccepted(
  { protocol, source, login }: LoginClient,
  session: string,
  { principal, trail }: Known,
): AuditEvent {
  const factors = [...principal.proven]
  return {
    kind: 'login.accepted',
    actor: principal.user,
    session,
    data: { protocol, source: source.address, login, factors, ...(trail.length > 0 ? { trail } : {}) },
  }
}

/** The events of a session's states: `session-changes.ts` stores each with the change that it records. */
export const stateEvents = {
  leaseStarted: ({ id, grant, version, address }: PromisedLease): AuditEvent => {
    const [account, wanted] = [formatAccountAddress(address), accountOf(grant)]
    return {
      kind: 'lease.started',
      actor: grant.user,
      session: grant.session,
      data: { lease: id, account, version, ...(account === wanted ? {} : { onTheWayTo: wanted }) },
    }
  },

  sessionStarted: (grant: Grant): AuditEvent => ({
    kind: 'session.started',
    actor: grant.user,
    session: grant.session,
    data: {
      account: accountOf(grant),
      ...loginDetail(grant),
      ...databaseOf(grant),
      role: grant.role,
      ...requestOf(grant),
      ...wordsOf(grant),
    },
  }),

  leaseEnded: (actor: string, session: string, lease: string, more = {}): AuditEvent => ({
    kind: 'lease.ended',
    actor,
    session,
    data: { lease, ...more },
  }),

  sessionEnded: (actor: string, session: string, { reason, sealed }: Ending, more = {}): AuditEvent => ({
    kind: 'session.ended',
    actor,
    session,
    data: { reason, recording: sealed?.hash, bytes: sealed?.bytes, ...more },
  }),

  /** Before there was a seal to compare with. */
  recordingTampered: (session: string, { file, why }: NonNullable<Ending['tampered']>): AuditEvent => ({
    kind: 'recording.tampered',
    actor: 'gateway',
    session,
    data: { file, noted: null, found: null, why },
  }),

  /** Of a seal that was found, or made, when the session had been written down as ended already. */
  sealNoted: (session: string, { file, hash, bytes }: SealedRecording, reason: string, more = {}): AuditEvent => ({
    kind: reason === 'interrupted' ? 'recording.sealed-as-interrupted' : 'recording.seal-noted',
    actor: 'gateway',
    session,
    data: { file, hash, bytes, reason, ...more },
  }),
}

function accountOf({ account, target }: Grant): string {
  return formatAccountAddress({ account: account.name, target: target.name })
}

/** What they could ask for instead. */
function onRequestOf({ onRequest: [offered] }: Denial): { onRequest?: string } {
  if (offered === undefined) return {}
  const { account, target, role } = offered
  return { onRequest: `${formatAccountAddress({ account: account.name, target: target.name })} by ${role.name}` }
}

function requestOf({ request }: Grant): { request?: string } {
  return request === undefined ? {} : { request }
}

function databaseOf({ database }: { database: string | undefined }): { database?: string } {
  return database === undefined ? {} : { database }
}
