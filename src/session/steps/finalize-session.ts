/** The last step of the pipeline: the lease is ended, the recording sealed, and the session's end written down. */

import type { Recordings } from '../../recording/store/recordings.ts'
import { ChangedByOthers } from '../../recording/writing/append-file.ts'
import type { Recorder } from '../../recording/writing/recorder.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Lease } from '../../vault/lease.ts'
import type { SessionBroker } from '../broker/broker.ts'
import type { Ending } from '../records/session-store.ts'
import type { EndReason } from '../state.ts'
import { lookAtSides, type Sides } from './look-at-sides.ts'

interface Parts {
  readonly broker: Pick<SessionBroker, 'end'>
  readonly recordings: Pick<Recordings, 'fileOf'>
  readonly metrics: Metrics
  readonly log: Log
}

/**
 * Seals the recording, then has lease and session ended and audited, all in one transaction. What cannot be written now is written
 * when the store is back. Never rejects.
 */
export async function finalizeSession(
  { broker, recordings, metrics, log }: Parts,
  lease: Lease,
  recorder: Recorder | undefined,
  { reason, sides }: { readonly reason: EndReason; readonly sides: Sides },
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
  await broker.end(lease.grant, { reason, sealed, tampered, closed: await lookAtSides(sides) })
  metrics.sessionsEnded.inc({ protocol: target.protocol, reason })
}
