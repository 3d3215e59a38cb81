/** The last write of a session: lease, row and seal, and then the marker of its recording. */

import type { Grant } from '../../policy/grant.ts'
import type { Recordings } from '../../recording/store/recordings.ts'
import type { PendingWrites } from './pending-writes.ts'
import type { SessionChanges } from './session-changes.ts'
import type { Ending } from './session-store.ts'

interface Parts {
  readonly changes: Pick<SessionChanges, 'end'>
  readonly recordings: Pick<Recordings, 'noted'>
  readonly pendingWrites: PendingWrites
}

/** What cannot be written now is written when the store is back. Never rejects. */
export function endSession(
  { changes, recordings, pendingWrites }: Parts,
  grant: Pick<Grant, 'session' | 'user'>,
  ending: Ending,
): Promise<void> {
  const { session } = grant
  return pendingWrites.write(session, async () => {
    const sealRecorded = await changes.end(grant, ending)
    // Until here it would be found again, with its seal.
    if (ending.sealed !== undefined && sealRecorded) await recordings.noted(session)
  })
}
