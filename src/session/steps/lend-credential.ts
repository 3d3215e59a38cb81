/** The broker's part of the third step: the lease and the session's row are stored, and audited, before the credential is handed over. */

import { wordsOf } from '../../policy/grant.ts'
import type { Recordings } from '../../recording/store/recordings.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Lease } from '../../vault/lease.ts'
import type { Vault } from '../../vault/vault.ts'
import type { LiveSessions } from '../live/live-sessions.ts'
import { endSession } from '../records/end-session.ts'
import type { PendingWrites } from '../records/pending-writes.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import type { SessionChanges } from '../records/session-changes.ts'
import { endFor, GATEWAY_STOPPING, refusalOf, refusedByEnd } from '../session-end.ts'
import { NOT_DECIDED } from '../state.ts'
import type { Authorized } from './authorize-session.ts'

export interface LendingParts {
  readonly vault: Pick<Vault, 'lease'>
  readonly changes: SessionChanges
  readonly recordings: Pick<Recordings, 'fileOf' | 'noted'>
  readonly pendingWrites: PendingWrites
  readonly sessionAudit: SessionAudit
  readonly live: Pick<LiveSessions, 'accessChanges'>
  readonly log: Log
  readonly stopping: () => boolean
}

/** `source`: the address that the session comes from. A refusal is in the audit log. */
export async function lendCredential(
  parts: LendingParts,
  authorized: Authorized,
  source: string,
  details: Record<string, string>,
): Promise<Lease | Refusal> {
  const { vault, changes, recordings, sessionAudit, log } = parts
  const { grant } = authorized
  const { session, database, target } = grant
  // What cannot be read now is decided when the session begins.
  await changes
    .earlierEnded(grant)
    .catch(error => log.warn({ err: error, session }, 'whether an earlier session has ended cannot be read now'))
  const promised = (await refusedMeanwhile(parts, authorized)) ?? (await vault.lease(grant))
  if (isRefusal(promised)) {
    await sessionAudit.sessionRefused(grant, promised)
    return promised
  }
  const begun = async (): Promise<Lease | Refusal> => {
    await changes.begin(promised, {
      source,
      recording: recordings.fileOf(grant),
      details: {
        ...details,
        ...wordsOf(grant),
        ...(database === undefined ? {} : { database }),
        ...(target.via === undefined ? {} : { via: target.via }),
      },
    })
    return promised.open()
  }
  const lease = await begun().catch(error => refusalOf(log, session, error))
  if (isRefusal(lease)) {
    await endSession(parts, grant, { reason: endFor(lease.code) })
    await sessionAudit.sessionRefused(grant, lease)
  }
  return lease
}

/** What happened since the decision. */
async function refusedMeanwhile(
  { live, stopping }: LendingParts,
  { accessChanges, stillAllowed }: Authorized,
): Promise<Refusal | undefined> {
  if (stopping()) return GATEWAY_STOPPING
  if (live.accessChanges === accessChanges) return undefined
  const anew = await stillAllowed().catch(() => NOT_DECIDED)
  return anew.is === 'allowed' ? undefined : refusedByEnd(anew.reason)
}
