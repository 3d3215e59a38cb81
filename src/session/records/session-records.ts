/** The records of one session (its row, its leases, the audit log): what a recording is compared with. */

import { createPublicKey } from 'node:crypto'
import { type AuditRow, checkAlone } from '../../audit/chain/chain.ts'
import { listEvents } from '../../audit/chain/list.ts'
import type { AuditKind } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { SealNote } from '../../recording/format/seal-notes.ts'
import type { SessionStore } from './session-store.ts'

export interface SessionRecords {
  /**
   * Every record that has the hash of the session's recording: its row, and the events of the audit log whose signature holds. Once
   * there is one, nothing is sealed for this session any more.
   */
  sealNotes(session: string): Promise<SealNote[]>
  /** The session's events of these kinds, in the order of the chain; signatures are not checked. */
  events(session: string, kinds: readonly AuditKind[]): Promise<AuditRow[]>
  /** Whether there is, or was, a session or a login of this id: it has a row, or an event of any kind. */
  isKnown(session: string): Promise<boolean>
}

/** The events that have a recording's hash, and where in their data. */
const HASH_IN: Partial<Record<AuditKind, 'recording' | 'hash'>> = {
  'session.ended': 'recording',
  'recording.sealed-as-interrupted': 'hash',
  'recording.seal-noted': 'hash',
}
export const SEAL_EVENTS = Object.keys(HASH_IN) as AuditKind[]

/** The hash of a recording that an event holds. */
export function sealHashIn({ kind, data }: { readonly kind: string; readonly data: string }): string | undefined {
  const field = HASH_IN[kind as AuditKind]
  const hash = field && (JSON.parse(data) as Record<string, unknown>)[field]
  return typeof hash === 'string' ? hash : undefined
}

export function createSessionRecords(parts: {
  database: Database
  sessions: Pick<SessionStore, 'get'>
  publicKeyPem: string
}): SessionRecords {
  const { database, sessions } = parts
  const publicKey = createPublicKey(parts.publicKeyPem)
  const events: SessionRecords['events'] = (session, kinds) =>
    listEvents(database, { session, kinds, after: 0, limit: 1000 })

  return {
    events,
    async isKnown(session) {
      const [row, [event]] = await Promise.all([sessions.get(session), listEvents(database, { session, limit: 1 })])
      return row !== undefined || event !== undefined
    },
    async sealNotes(session) {
      const notes: SealNote[] = []
      const row = await sessions.get(session)
      if (row !== undefined && row.recording_hash !== null) notes.push({ place: 'session', hash: row.recording_hash })
      for (const event of await events(session, SEAL_EVENTS)) {
        const hash = sealHashIn(event)
        if (hash === undefined || (await checkAlone(event, publicKey)) !== undefined) continue
        notes.push({ place: 'audit', event: event.seq, hash })
      }
      return notes
    },
  }
}
