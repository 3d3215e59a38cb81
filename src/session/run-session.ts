/** THE PIPELINE, the same for every protocol: authenticate, authorize, lease, connect, record, relay, close. */

import type { Authenticator } from '../identity/authenticator.ts'
import type { Principal } from '../identity/principal.ts'
import { covers } from '../policy/covers.ts'
import type { Grant } from '../policy/grant.ts'
import type { Recordings } from '../recording/store/recordings.ts'
import type { Recorder } from '../recording/writing/recorder.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Lease } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { Access } from './access.ts'
import { authenticate } from './authenticate.ts'
import { closeBooks } from './finalize-session.ts'
import type { LiveSession, LiveSessions } from './live-sessions.ts'
import type { OwedEnds } from './pending-writes.ts'
import type { Downstream, Protocol, Upstream } from './protocol.ts'
import { relayUntilEnd, sayGoodbye } from './relay-until-end.ts'
import type { SessionAudit } from './session-audit.ts'
import type { SessionChanges } from './session-changes.ts'
import { endFor, endOf, onceAborted, refusalOf, refusedByEnd } from './session-end.ts'
import type { EndReason } from './state.ts'

const STOPPING = refuse('GATEWAY_STOPPING', 'The gateway is stopping; try again in a moment.')

export interface PipelineParts {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly vault: Vault
  readonly recordings: Recordings
  readonly changes: SessionChanges
  readonly live: LiveSessions
  /** The audit log's words for each step. */
  readonly say: SessionAudit
  readonly metrics: Metrics
  readonly owed: OwedEnds
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
  const { say } = parts
  if (parts.stopping()) return STOPPING

  const who = await authenticate(parts, downstream)
  if (isRefusal(who)) {
    // Who left at the first question tried nothing.
    if (who.code !== 'LOGIN_ABANDONED') await say.loginRefused(downstream, session, who)
    return who
  }

  const { protocol: protocolName, database } = downstream
  const wish = { protocol: protocolName, login: who.login, database }
  const decide = (principal: Principal) => parts.access.decide(principal, session, wish)
  const changesSeen = parts.live.accessChanges
  const grant = await decide(who.principal)
  await say.decided(downstream, session, who, grant)
  if (isRefusal(grant)) return grant

  const stillAllowed = async () => {
    const fresh = await who.renew()
    const anew = fresh && (await decide(fresh))
    return anew !== undefined && !isRefusal(anew) && covers(anew, grant)
  }
  const live = parts.live.add(grant, downstream, stillAllowed)
  try {
    onceAborted(downstream.gone, () => live.abort('client-closed'))
    const lease = (await refusedMeanwhile(parts, live, changesSeen)) ?? (await parts.vault.lease(grant))
    if (isRefusal(lease)) {
      await say.sessionRefused(grant, lease)
      return lease
    }
    return await lendAndRun(parts, protocol, downstream, live, lease, startedAt)
  } finally {
    parts.live.remove(live)
  }
}

/** What happened while the decision was written down, when the session could not be found yet to be ended. */
async function refusedMeanwhile(
  parts: PipelineParts,
  live: LiveSession,
  changesSeen: number,
): Promise<Refusal | undefined> {
  if (parts.stopping()) return STOPPING
  // An error while deciding is a no.
  if (parts.live.accessChanges !== changesSeen && !(await live.stillAllowed().catch(() => false))) {
    live.abort('access-revoked')
  }
  const end = endOf(live.signal)
  return end && refusedByEnd(end)
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
  const { session } = grant
  const { metrics, say } = parts
  let upstream: U | undefined
  let recorder: Recorder | undefined
  let letIn = false
  let reason: EndReason = 'internal-error'
  try {
    const subject = subjectOf(parts, grant, downstream)
    await parts.changes.begin(lease, {
      source: downstream.source.address,
      recording: parts.recordings.fileOf(subject),
      details: { ...downstream.details, ...(grant.database === undefined ? {} : { database: grant.database }) },
    })
    upstream = await protocol.connect(grant, lease, downstream, signal).finally(() => lease.erase())
    signal.throwIfAborted()
    recorder = await parts.recordings.open(subject, grant.recording)
    onceAborted(recorder.failure, () => live.abort('recording-failed'))
    if (!(await parts.changes.activate(grant))) live.abort('interrupted')
    signal.throwIfAborted()
    letIn = true
    await downstream.accept({ session, account: grant.account.name, target: grant.target.name, endsAt: grant.endsAt })
    metrics.logins.inc({ protocol: protocol.name, result: 'accepted' })
    metrics.handshake.observe({ protocol: protocol.name }, (performance.now() - startedAt) / 1000)
    reason = await relayUntilEnd(parts, protocol, downstream, upstream, live, recorder)
    return undefined
  } catch (error) {
    if (letIn) {
      reason = endOf(signal) ?? 'internal-error'
      parts.log.error({ err: error, session }, 'a session broke')
      upstream?.close()
      await sayGoodbye(downstream, live, reason)
      return undefined
    }
    // Whoever ended the session is the reason, and not what broke because of it.
    const refusal = refusalOf(parts.log, session, signal.aborted ? signal.reason : error)
    reason = endOf(signal) ?? endFor(refusal.code)
    await say.sessionRefused(grant, refusal)
    return refusal
  } finally {
    upstream?.close()
    await closeBooks(parts, lease, recorder, reason)
  }
}

/** What the recording's header says. */
function subjectOf({ gateway, clock }: PipelineParts, grant: Grant, { source, protocol }: Downstream) {
  const { session, user, role } = grant
  const account = grant.account.name
  const target = grant.target.name
  return {
    session,
    protocol,
    user,
    account,
    target,
    ...(grant.database === undefined ? {} : { database: grant.database }),
    role,
    source: source.address,
    gateway,
    startedAt: clock.now(),
  }
}
