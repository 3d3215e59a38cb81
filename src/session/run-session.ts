/** THE PIPELINE, the same for every protocol: authenticate, authorize, lease, connect, record, relay, close. */

import type { Audit } from '../audit/event.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import type { Principal } from '../identity/principal.ts'
import { covers } from '../policy/covers.ts'
import type { Grant } from '../policy/grant.ts'
import type { Recorder, SealedRecording } from '../recording/recorder.ts'
import type { Recordings } from '../recording/recordings.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError, isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { formatAccountAddress, parseLoginName } from '../shared/names.ts'
import type { Lease } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { Access } from './access.ts'
import { type Authenticated, authenticate } from './authenticate.ts'
import { type LiveSession, type LiveSessions, SessionEnd } from './live-sessions.ts'
import type { Downstream, Protocol, Upstream } from './protocol.ts'
import type { SessionStore } from './session-store.ts'
import { END_REASON_TEXT, type EndReason } from './state.ts'

export interface PipelineParts {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly vault: Vault
  readonly recordings: Recordings
  readonly sessions: SessionStore
  readonly live: LiveSessions
  readonly audit: Audit
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  readonly gateway: string
  /** True while the gateway drains: no new sessions. */
  readonly stopping: () => boolean
}

/** Runs one connection from login to end. Never rejects: what breaks is told to the person by code, and to the log by cause. */
export async function runSession<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
): Promise<void> {
  const refusal = await attemptSession(parts, protocol, downstream, session).catch(error =>
    refusalOf(parts.log, session, error),
  )
  if (refusal === undefined) return
  parts.metrics.logins.inc({ protocol: downstream.protocol, result: refusal.code })
  await downstream
    .deny(refusal, session)
    .catch(error => parts.log.error({ err: error, session }, 'a refusal could not be told'))
}

/** Undefined once a session ran; otherwise why it did not. */
async function attemptSession<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
): Promise<Refusal | undefined> {
  const startedAt = performance.now()
  const { audit } = parts
  if (parts.stopping()) return refuse('GATEWAY_STOPPING', 'The gateway is stopping; try again in a moment.')

  const login = parseLoginName(downstream.login)
  if (isRefusal(login)) return refuseLogin(parts, downstream, session, login)

  const who = await authenticate(parts, downstream, login)
  if (isRefusal(who)) return refuseLogin(parts, downstream, session, who)
  const { principal } = who

  const decide = (fresh: Principal) => parts.access.decide(fresh, session, downstream.protocol, login)
  const grant = await decide(principal)
  const accepted = audit.append({
    kind: 'login.accepted',
    actor: principal.user,
    session,
    data: loginFacts(downstream, who),
  })
  const decision = audit.append(
    isRefusal(grant)
      ? {
          kind: 'decision.denied',
          actor: principal.user,
          session,
          data: { wanted: downstream.login, code: grant.code, why: grant.detail },
        }
      : {
          kind: 'decision.granted',
          actor: principal.user,
          session,
          data: { account: accountOf(grant), role: grant.role, endsAt: grant.endsAt },
        },
  )
  await Promise.all([accepted, decision])
  if (isRefusal(grant)) return grant

  const stillAllowed = async () => {
    const fresh = await who.renew()
    const anew = fresh && (await decide(fresh))
    return anew !== undefined && !isRefusal(anew) && covers(anew, grant)
  }
  const live = parts.live.add(grant, downstream, stillAllowed)
  downstream.gone.addEventListener('abort', () => live.abort('client-closed'), { once: true })
  try {
    const lease = await parts.vault.lease(grant)
    if (isRefusal(lease)) {
      await audit.append({
        kind: 'session.refused',
        actor: grant.user,
        session,
        data: { account: accountOf(grant), code: lease.code, why: lease.detail },
      })
      return lease
    }
    return await lendAndRun(parts, protocol, downstream, live, lease, startedAt)
  } finally {
    parts.live.remove(live)
  }
}

/** The part of the pipeline in which a credential is lent: the lease ends with it, whatever happens. */
async function lendAndRun<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  live: LiveSession,
  lease: Lease,
  startedAt: number,
): Promise<Refusal | undefined> {
  const { grant, signal } = live
  const { session, user } = grant
  const { audit, metrics } = parts
  let upstream: U | undefined
  let recorder: Recorder | undefined
  let reason: EndReason = 'connect-failed'
  try {
    const subject = {
      session,
      protocol: protocol.name,
      user,
      account: grant.account.name,
      target: grant.target.name,
      role: grant.role,
      source: downstream.source.address,
      gateway: parts.gateway,
      startedAt: parts.clock.now(),
    }
    await Promise.all([
      parts.sessions.open(grant, downstream.source.address, parts.recordings.fileOf(subject), downstream.details),
      audit.append({
        kind: 'lease.started',
        actor: user,
        session,
        data: { lease: lease.id, account: accountOf(grant), version: lease.version },
      }),
    ])
    upstream = await protocol.connect(grant, lease, downstream, signal)
    recorder = await parts.recordings.open(subject)
    await Promise.all([
      parts.sessions.activate(session),
      audit.append({
        kind: 'session.started',
        actor: user,
        session,
        data: { account: accountOf(grant), role: grant.role },
      }),
    ])
    await downstream.accept({ session, account: grant.account.name, target: grant.target.name, endsAt: grant.endsAt })
    metrics.logins.inc({ protocol: protocol.name, result: 'accepted' })
    metrics.handshake.observe({ protocol: protocol.name }, (performance.now() - startedAt) / 1000)
    reason = await relayUntilEnd(parts, protocol, downstream, upstream, live, recorder)
    return undefined
  } catch (error) {
    if (recorder === undefined) {
      const refusal = refusalOf(parts.log, session, error)
      await audit.append({
        kind: 'session.refused',
        actor: user,
        session,
        data: { account: accountOf(grant), code: refusal.code, why: refusal.detail },
      })
      return refusal
    }
    reason = endOf(signal) ?? 'internal-error'
    parts.log.error({ err: error, session }, 'a session broke')
    await downstream.close(reason, lastWord(reason, session))
    return undefined
  } finally {
    upstream?.close()
    await closeBooks(parts, live, lease, recorder, reason)
  }
}

/** Relays until one side closes or the session's signal says that it must end, and then tells the person why. */
async function relayUntilEnd<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  upstream: U,
  live: LiveSession,
  recorder: Recorder,
): Promise<EndReason> {
  const { grant, signal } = live
  const { session, user } = grant
  const { bytes, sessions: open } = parts.metrics
  const counters = { in: bytes.labels(protocol.name, 'in'), out: bytes.labels(protocol.name, 'out') }
  recorder.failure.addEventListener('abort', () => live.abort('recording-failed'), { once: true })
  open.inc({ protocol: protocol.name })
  try {
    const closedBy = await protocol.relay(downstream, upstream, {
      session,
      grant,
      recorder,
      signal,
      activity: live.activity,
      count: (direction, count) => counters[direction].inc(count),
      refused(what, why, channel) {
        recorder.fact({ type: 'refused', what, reason: why, ...(channel === undefined ? {} : { channel }) })
        parts.audit
          .append({ kind: 'channel.denied', actor: user, session, data: { what, why } })
          // What is not in the audit log must not go on.
          .catch(() => live.abort('internal-error'))
      },
    })
    const reason = endOf(signal) ?? closedBy
    await downstream.close(reason, lastWord(reason, session))
    return reason
  } finally {
    open.dec({ protocol: protocol.name })
  }
}

/** Ends the lease, seals the recording, ends the session's row and says so in the audit log. Each step is tried. */
async function closeBooks(
  parts: PipelineParts,
  live: LiveSession,
  lease: Lease,
  recorder: Recorder | undefined,
  reason: EndReason,
): Promise<void> {
  const { session, user, target } = live.grant
  const attempt = <T>(what: string, step: () => Promise<T>): Promise<T | undefined> =>
    step().catch(error => {
      parts.log.error({ err: error, session }, `${what} failed at the end of a session`)
      return undefined
    })
  const sealed: SealedRecording | undefined =
    recorder && (await attempt('sealing the recording', () => recorder.seal(reason)))
  await attempt('ending the lease', () => parts.vault.endLease(lease))
  await attempt("ending the session's row", () => parts.sessions.end(session, reason, sealed))
  await attempt('the audit log', () =>
    Promise.all([
      parts.audit.append({ kind: 'lease.ended', actor: user, session, data: { lease: lease.id } }),
      parts.audit.append({
        kind: 'session.ended',
        actor: user,
        session,
        data: { reason, recording: sealed?.hash, bytes: sealed?.bytes },
      }),
    ]),
  )
  parts.metrics.sessionsEnded.inc({ protocol: target.protocol, reason })
}

async function refuseLogin(
  parts: PipelineParts,
  downstream: Downstream,
  session: string,
  refusal: Refusal,
): Promise<Refusal> {
  await parts.audit.append({
    kind: 'login.refused',
    actor: 'unknown',
    session,
    data: {
      protocol: downstream.protocol,
      source: downstream.source.address,
      login: downstream.login,
      code: refusal.code,
      why: refusal.detail,
    },
  })
  return refusal
}

function loginFacts(
  { protocol, source, login }: Downstream,
  { principal, trail }: Authenticated,
): Record<string, unknown> {
  return {
    protocol,
    source: source.address,
    login,
    factors: [...principal.proven],
    ...(trail.length > 0 ? { trail } : {}),
  }
}

function accountOf(grant: Grant): string {
  return formatAccountAddress({ account: grant.account.name, target: grant.target.name })
}

function endOf(signal: AbortSignal): EndReason | undefined {
  if (!signal.aborted) return undefined
  return signal.reason instanceof SessionEnd ? signal.reason.reason : 'internal-error'
}

/** What the person reads last; nothing when they or the target hung up themselves. */
function lastWord(reason: EndReason, session: string): string | undefined {
  if (reason === 'client-closed' || reason === 'target-closed') return undefined
  return `Sallyport: ${END_REASON_TEXT[reason]} (session ${session})`
}

function refusalOf(log: Log, session: string, error: unknown): Refusal {
  if (error instanceof GatewayError) {
    log.warn({ err: error, session }, error.message)
    return refuse(error.code, error.message, error.cause instanceof Error ? error.cause.message : undefined)
  }
  log.error({ err: error, session }, 'a session could not begin')
  return refuse(
    'INTERNAL',
    'Something broke in the gateway; ask its administrator, who finds the cause under the session id.',
  )
}
