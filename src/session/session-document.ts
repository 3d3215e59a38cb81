/** A session as the API and `ssh alice@gateway sessions --json` give it. */

import type { SessionRow } from './records/session-store.ts'

/** Times are ISO 8601 in UTC. */
export function sessionDocument(row: SessionRow) {
  return {
    id: row.id,
    protocol: row.protocol,
    user: row.user,
    account: row.account,
    target: row.target,
    ...(row.details.database === undefined ? {} : { database: row.details.database }),
    role: row.role,
    ...(row.request === null ? {} : { request: row.request }),
    source: row.source,
    gateway: row.gateway,
    state: row.state,
    startedAt: new Date(row.started_at).toISOString(),
    endedAt: row.ended_at === null ? null : new Date(row.ended_at).toISOString(),
    endReason: row.end_reason,
    recording: { file: row.recording, bytes: row.recording_bytes, hash: row.recording_hash },
    details: row.details,
  }
}
