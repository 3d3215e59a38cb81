/** THE PIPELINE, the same for every protocol: authenticate, authorize, lease, connect, record, relay, close. */

import type { LiveRecordings } from '../recording/store/live-recordings.ts'
import type { Recorder } from '../recording/writing/recorder.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { SessionBroker } from './broker/broker.ts'
import type { LiveSessions } from './live/live-sessions.ts'
import type { Watchers } from './live/watchers.ts'
import type { Downstream, Protocol, Upstream } from './protocol.ts'
import { endFor, endOf, endOfClient, GATEWAY_STOPPING, onceAborted, refusalOf } from './session-end.ts'
import type { EndReason } from './state.ts'
import { awaitModerator } from './steps/await-moderator.ts'
import { connectTarget } from './steps/connect-target.ts'
import { finalizeSession } from './steps/finalize-session.ts'
import { leaseCredential } from './steps/lease-credential.ts'
import { openRecording } from './steps/open-recording.ts'
import { relayUntilEnd } from './steps/relay-until-end.ts'

export interface PipelineParts {
  /** Proves, decides and lends: `broker/create-broker.ts` has its steps. */
  readonly broker: SessionBroker
  readonly recordings: LiveRecordings
  readonly live: LiveSessions
  readonly watchers: Watchers
  readonly metrics: Metrics
  readonly log: Log
  readonly gateway: string
  /** True while the gateway drains: no new sessions. */
  readonly stopping: () => boolean
}

/** Runs one connection from login to end. Never rejects: the person gets the code of what broke, the log its cause. */
export async function runSession<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
): Promise<void> {
  const refusal = await takeSteps(parts, protocol, downstream, session)
    .catch(error => refusalOf(parts.log, session, error))
    .finally(() => parts.broker.forget(session))
  if (refusal === undefined) return
  parts.metrics.logins.inc({ protocol: downstream.protocol, result: refusal.code })
  await downstream
    .deny(refusal, session)
    .catch(error => parts.log.error({ err: error, session }, 'a refusal could not be told'))
}

/** Each step takes what the one before it has returned. Undefined once the person was let in; otherwise why they were not. */
async function takeSteps<D extends Downstream, U extends Upstream>(
  parts: PipelineParts,
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
): Promise<Refusal | undefined> {
  const loginBegan = performance.now()
  if (parts.stopping()) return GATEWAY_STOPPING

  const { broker } = parts
  const { accessChanges } = parts.live
  const grant = await broker.admit(session, downstream)
  if (isRefusal(grant)) return grant
  const authorized = { grant, stillAllowed: () => broker.stillAllowed(session) }
  // From here on others can find it, and end it.
  using ending = new DisposableStack()
  const live = ending.adopt(parts.live.add(authorized, downstream), parts.live.remove)
  onceAborted(downstream.gone, () => live.abort(endOfClient(downstream.gone)))
  const unwatched = await awaitModerator(parts, live)
  if (unwatched !== undefined) return unwatched
  const lease = await leaseCredential(parts, live, accessChanges)
  if (isRefusal(lease)) return lease

  let upstream: U | undefined
  let recorder: Recorder | undefined
  let reason: EndReason = 'internal-error'
  // A client that is not let in is still to be told why.
  let letIn: D | undefined
  try {
    upstream = await connectTarget(protocol, downstream, live, lease)
    recorder = await openRecording(parts, downstream, live)
    reason = await relayUntilEnd(parts, protocol, downstream, live, upstream, recorder, loginBegan)
    letIn = downstream
    return undefined
  } catch (error) {
    // Not let in. Whoever ended the session is the reason, and not what broke because of it.
    const refusal = refusalOf(parts.log, session, live.signal.aborted ? live.signal.reason : error)
    reason = endOf(live.signal) ?? endFor(refusal.code)
    await broker.refused(live.grant, refusal)
    return refusal
  } finally {
    upstream?.close()
    await finalizeSession(parts, lease, recorder, { reason, sides: { downstream: letIn, upstream } })
  }
}
