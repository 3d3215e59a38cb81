/** The third step of the pipeline: the vault lends the account's credential to the session, if it may still begin. */

import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { Lease } from '../../vault/lease.ts'
import type { Vault } from '../../vault/vault.ts'
import type { LiveSession, LiveSessions } from '../live/live-sessions.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import { endOf, GATEWAY_STOPPING, refusedByEnd } from '../session-end.ts'
import type { Authorized } from './authorize-session.ts'

interface Parts {
  readonly vault: Vault
  readonly live: LiveSessions
  readonly sessionAudit: SessionAudit
  readonly stopping: () => boolean
}

export async function leaseCredential(
  parts: Parts,
  session: LiveSession,
  decided: Pick<Authorized, 'accessChanges'>,
): Promise<Lease | Refusal> {
  const lease = (await refusedMeanwhile(parts, session, decided)) ?? (await parts.vault.lease(session.grant))
  if (isRefusal(lease)) await parts.sessionAudit.sessionRefused(session.grant, lease)
  return lease
}

/** What happened while the decision was written down, when the session could not be found yet to be ended. */
async function refusedMeanwhile(
  { live, stopping }: Parts,
  session: LiveSession,
  { accessChanges }: Pick<Authorized, 'accessChanges'>,
): Promise<Refusal | undefined> {
  if (stopping()) return GATEWAY_STOPPING
  // An error while deciding is a no.
  if (live.accessChanges !== accessChanges && !(await session.stillAllowed().catch(() => false))) {
    session.abort('access-revoked')
  }
  const end = endOf(session.signal)
  return end && refusedByEnd(end)
}
