/** The fourth step of the pipeline: the loan is written down, and the target is logged in to with what was lent. */

import type { Recordings } from '../../recording/store/recordings.ts'
import type { Lease } from '../../vault/lease.ts'
import type { LiveSession } from '../live/live-sessions.ts'
import type { Downstream, Protocol, Upstream } from '../protocol.ts'
import type { SessionChanges } from '../records/session-changes.ts'

/** Throws why there is no connection; when the session must end meanwhile, that. */
export async function connectTarget<D extends Downstream, U extends Upstream>(
  { changes, recordings }: { changes: SessionChanges; recordings: Recordings },
  protocol: Protocol<D, U>,
  downstream: D,
  { grant, signal }: LiveSession,
  lease: Lease,
): Promise<U> {
  await changes.begin(lease, {
    source: downstream.source.address,
    recording: recordings.fileOf(grant),
    details: {
      ...downstream.details,
      ...(grant.database === undefined ? {} : { database: grant.database }),
      ...(grant.target.via === undefined ? {} : { via: grant.target.via }),
    },
  })
  return protocol.connect(grant, lease, downstream, signal).finally(() => lease.erase())
}
