/** THE PIPELINE, the same for every protocol: authenticate, authorize, lease, connect, record, relay, close. */

import type { Audit } from '../audit/event.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import type { Principal } from '../identity/principal.ts'
import { covers } from '../policy/covers.ts'
import type { Grant } from '../policy/grant.ts'
import type { Recorder } from '../recording/recorder.ts'
import type { Recordings } from '../recording/recordings.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { formatAccountAddress, parseLoginName } from '../shared/names.ts'
import type { Lease } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { Access } from './access.ts'
import { type Authenticated, authenticate } from './authenticate.ts'
import { closeBooks } from './close-books.ts'
import type { LiveSession, LiveSessions } from './live-sessions.ts'
import type { OwedSteps } from './owed-steps.ts'
import type { Downstream, Protocol, Upstream } from './protocol.ts'
import { endFor, endOf, lastWord, refusalOf, refusedByEnd } from './session-end.ts'
import type { SessionStore } from './session-store.ts'
import type { EndReason } from './state.ts'

/** Longer than any login name that is one. */
const MAX_LOGIN_SHOWN = 256
/** So many refused channels of one session may wait for the audit log. */
const MAX_UNWRITTEN_REFUSALS = 256
/** How long a downstream may take to close after its session was ended from outside. */
const CLOSE_PATIENCE_MS = 5000

const STOPPING = refuse('GATEWAY_STOPPING', 'The gateway is stopping; try again in a moment.')

export interface PipelineParts {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly vault: Vault
  readonly recordings: Recordings
  readonly sessions: SessionStore
  readonly live: LiveSessions
  readonly audit: Audit
  readonly metrics: Metrics
  readonly owed: OwedSteps
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
  if (parts.stopping()) return STOPPING

  const login = parseLoginName(downstream.login)
  if (isRefusal(login)) return refuseLogin(parts, downstream, session, login)

  const who = await authenticate(parts, downstream, login)
  if (isRefusal(who)) return refuseLogin(parts, downstream, session, who)
  const { principal } = who

  const decide = (fresh: Principal) => parts.access.decide(fresh, session, downstream.protocol, login)
  const changesSeen = parts.live.accessChanges
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
  try {
    onceAborted(downstream.gone, () => live.abort('client-closed'))
    const lease = (await refusedMeanwhile(parts, live, changesSeen)) ?? (await parts.vault.lease(grant))
    if (isRefusal(lease)) return await refuseSession(parts, grant, lease)
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
  const { session, user } = grant
  const { audit, metrics } = parts
  let upstream: U | undefined
  let recorder: Recorder | undefined
  let letIn = false
  let reason: EndReason = 'internal-error'
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
    await bothDone(
      parts.sessions.open(grant, downstream.source.address, parts.recordings.fileOf(subject), downstream.details),
      audit.append({
        kind: 'lease.started',
        actor: user,
        session,
        data: { lease: lease.id, account: accountOf(grant), version: lease.version },
      }),
    )
    upstream = await protocol.connect(grant, lease, downstream, signal)
    signal.throwIfAborted()
    recorder = await parts.recordings.open(subject)
    onceAborted(recorder.failure, () => live.abort('recording-failed'))
    await bothDone(
      parts.sessions.activate(session),
      audit.append({
        kind: 'session.started',
        actor: user,
        session,
        data: { account: accountOf(grant), role: grant.role },
      }),
    )
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
    return await refuseSession(parts, grant, refusal)
  } finally {
    upstream?.close()
    await closeBooks(parts, lease, recorder, reason)
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
  let unwritten = 0
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
        // One session must not fill the queue that the logins of the others wait in.
        if (++unwritten > MAX_UNWRITTEN_REFUSALS) return live.abort('protocol-violation')
        parts.audit.append({ kind: 'channel.denied', actor: user, session, data: { what, why } }).then(
          () => unwritten--,
          // What is not in the audit log must not go on.
          () => live.abort('internal-error'),
        )
      },
    })
    const reason = endOf(signal) ?? closedBy
    // First: the person may be slow to hear the last word.
    upstream.close()
    await sayGoodbye(downstream, live, reason)
    return reason
  } finally {
    open.dec({ protocol: protocol.name })
  }
}

/**
 * The last word takes as long as a slow reader takes for the rest of their output; once the session must end, in the midst of
 * that too, not longer than `CLOSE_PATIENCE_MS`.
 */
async function sayGoodbye(downstream: Downstream, { grant, signal }: LiveSession, reason: EndReason): Promise<void> {
  const said = downstream.close(reason, lastWord(reason, grant.session))
  const outOfPatience = new Promise<void>(resolve => {
    onceAborted(signal, () => void setTimeout(resolve, CLOSE_PATIENCE_MS).unref())
  })
  await Promise.race([said, outOfPatience])
}

/** Writes down that a session was granted and yet did not begin. */
async function refuseSession({ audit }: PipelineParts, grant: Grant, refusal: Refusal): Promise<Refusal> {
  const { session, user } = grant
  const data = { account: accountOf(grant), code: refusal.code, why: refusal.detail }
  // Somebody may stand between, so it is found by a kind of its own.
  const kind = refusal.code === 'TARGET_IDENTITY_MISMATCH' ? 'target.identity-mismatch' : 'session.refused'
  await audit.append({ kind, actor: user, session, data })
  return refusal
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
      // Nobody has proven anything yet: what they sent must not fill the log.
      login: downstream.login.slice(0, MAX_LOGIN_SHOWN),
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

/** Calls `act` when the signal aborts, and at once where it has already. */
function onceAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}

/** Waits for both also when one fails: a step that is still on its way must not arrive after the books are closed. */
async function bothDone(...steps: [Promise<void>, Promise<void>]): Promise<void> {
  await Promise.allSettled(steps)
  await Promise.all(steps)
}
