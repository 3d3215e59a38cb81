/** The third step of the pipeline: the account's credential is lent to the session, if it may still begin. */

import type { Refusal } from '../../shared/errors.ts'
import type { Lease } from '../../vault/lease.ts'
import type { SessionBroker } from '../broker/broker.ts'
import type { LiveSession, LiveSessions } from '../live/live-sessions.ts'
import { endOf, GATEWAY_STOPPING, refusedByEnd } from '../session-end.ts'

interface Parts {
  readonly broker: SessionBroker
  readonly live: LiveSessions
  readonly stopping: () => boolean
}

/** `accessChanges`: `LiveSessions.accessChanges` before it was decided. A refusal is in the audit log. */
export async function leaseCredential(
  parts: Parts,
  session: LiveSession,
  accessChanges: number,
): Promise<Lease | Refusal> {
  const { broker } = parts
  const refusal = await refusedMeanwhile(parts, session, accessChanges)
  if (refusal === undefined) return broker.lease(session.grant, session.downstream.details)
  await broker.refused(session.grant, refusal)
  return refusal
}

/** What happened while the decision was written down, when the session could not be found yet to be ended. */
async function refusedMeanwhile(
  { live, stopping }: Parts,
  session: LiveSession,
  accessChanges: number,
): Promise<Refusal | undefined> {
  if (stopping()) return GATEWAY_STOPPING
  if (live.accessChanges !== accessChanges) await live.decideAnew(session)
  const end = endOf(session.signal)
  return end && refusedByEnd(end)
}
