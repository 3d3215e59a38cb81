/** The last step of the pipeline: what was lent is taken back, and what happened is sealed and written down. */

import type { Audit } from '../audit/event.ts'
import type { Recorder, SealedRecording } from '../recording/recorder.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Lease } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { SessionStore } from './session-store.ts'
import type { EndReason } from './state.ts'

interface Parts {
  readonly vault: Vault
  readonly sessions: SessionStore
  readonly audit: Audit
  readonly metrics: Metrics
  readonly log: Log
}

/** Ends the lease, seals the recording, ends the session's row and says so in the audit log. Each step is tried; never rejects. */
export async function closeBooks(
  { vault, sessions, audit, metrics, log }: Parts,
  lease: Lease,
  recorder: Recorder | undefined,
  reason: EndReason,
): Promise<void> {
  const { session, user, target } = lease.grant
  const attempt = <T>(what: string, step: () => Promise<T>): Promise<T | undefined> =>
    step().catch(error => {
      log.error({ err: error, session }, `${what} failed at the end of a session`)
      return undefined
    })
  const sealed: SealedRecording | undefined =
    recorder && (await attempt('sealing the recording', () => recorder.seal(reason)))
  await attempt('ending the lease', () => vault.endLease(lease))
  await attempt("ending the session's row", async () => {
    // Another gateway that took this one for dead has ended the row already: it did not know the seal.
    if (!(await sessions.end(session, reason, sealed)) && sealed) await sessions.noteSeal(session, sealed)
  })
  await attempt('the audit log', () =>
    Promise.all([
      audit.append({ kind: 'lease.ended', actor: user, session, data: { lease: lease.id } }),
      audit.append({
        kind: 'session.ended',
        actor: user,
        session,
        data: { reason, recording: sealed?.hash, bytes: sealed?.bytes },
      }),
    ]),
  )
  metrics.sessionsEnded.inc({ protocol: target.protocol, reason })
}
