/** The last step of the pipeline: what was lent is taken back, and what happened is sealed and written down. */

import type { Recorder } from '../recording/recorder.ts'
import type { Recordings } from '../recording/recordings.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Lease } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { OwedSteps } from './owed-steps.ts'
import type { SessionAudit } from './session-audit.ts'
import type { SessionStore } from './session-store.ts'
import type { EndReason } from './state.ts'

interface Parts {
  readonly vault: Vault
  readonly recordings: Recordings
  readonly sessions: SessionStore
  readonly say: SessionAudit
  readonly metrics: Metrics
  readonly owed: OwedSteps
  readonly log: Log
}

/**
 * Seals the recording, ends the lease and the session's row, and says so in the audit log. What cannot be written now is written
 * when the store is back. Never rejects.
 */
export async function closeBooks(
  { vault, recordings, sessions, say, metrics, owed, log }: Parts,
  lease: Lease,
  recorder: Recorder | undefined,
  reason: EndReason,
): Promise<void> {
  const { session, target } = lease.grant
  const sealed = await recorder?.seal(reason).catch(error => {
    // It is found without a seal, and sealed as interrupted as far as it goes.
    log.error({ err: error, session }, 'a recording could not be sealed')
    return undefined
  })
  await owed.settle(session, [
    () => vault.endLease(lease),
    async () => {
      // Another gateway that took this one for dead has ended the row already: it did not know the seal.
      if (!(await sessions.end(session, reason, sealed)) && sealed) await sessions.noteSeal(session, sealed)
    },
    () => say.sessionEnded(lease, reason, sealed),
    // Until here it would be found again, with its seal.
    async () => void (sealed && (await recordings.noted(session))),
  ])
  metrics.sessionsEnded.inc({ protocol: target.protocol, reason })
}
