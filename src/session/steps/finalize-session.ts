/** The last step of the pipeline: the lease is ended, the recording sealed, and the session's end written down. */

import type { Recordings } from '../../recording/store/recordings.ts'
import { ChangedByOthers } from '../../recording/writing/append-file.ts'
import type { Recorder } from '../../recording/writing/recorder.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Lease } from '../../vault/lease.ts'
import type { PendingWrites } from '../records/pending-writes.ts'
import type { SessionChanges } from '../records/session-changes.ts'
import type { Ending } from '../records/session-store.ts'
import type { EndReason } from '../state.ts'

interface Parts {
  readonly recordings: Recordings
  readonly changes: SessionChanges
  readonly metrics: Metrics
  readonly pendingWrites: PendingWrites
  readonly log: Log
}

/**
 * Seals the recording, then ends lease and session and audits it, all in one transaction. What cannot be written now is written
 * when the store is back. Never rejects.
 */
export async function finalizeSession(
  { recordings, changes, metrics, pendingWrites, log }: Parts,
  lease: Lease,
  recorder: Recorder | undefined,
  reason: EndReason,
): Promise<void> {
  const { session, target } = lease.grant
  lease.erase()
  let tampered: Ending['tampered']
  const sealed = await recorder?.seal(reason).catch(error => {
    // It is found without a seal, and sealed as interrupted as far as it goes; but not where somebody has cut it.
    if (error.cause instanceof ChangedByOthers) {
      tampered = {
        file: recordings.fileOf({ session }),
        why: `changed while it was being written: ${error.cause.message}`,
      }
    }
    log.error({ err: error, session }, 'a recording could not be sealed')
    return undefined
  })
  await pendingWrites.write(session, async () => {
    const sealRecorded = await changes.end(lease, { reason, sealed, tampered })
    // Until here it would be found again, with its seal.
    if (sealed !== undefined && sealRecorded) await recordings.noted(session)
  })
  metrics.sessionsEnded.inc({ protocol: target.protocol, reason })
}
