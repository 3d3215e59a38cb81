/**
 * Repairs the session records that earlier versions left when they were killed: leases that stayed open, and starts, ends and seals that the
 * audit log never got. Each lease is looked at once; what is added is marked with `mended`.
 */

import { eventsOfSessions, lockChain, type SessionEvent } from '../../audit/chain/list.ts'
import type { Outbox } from '../../audit/chain/outbox.ts'
import type { AuditEvent, AuditKind } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import { repairedUpTo, setRepairedUpTo } from '../../database/repairs.ts'
import type { LeaseTable } from '../../database/schema.ts'
import type { Recordings } from '../../recording/store/recordings.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Log } from '../../shared/log.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { ofSession } from '../../vault/lease.ts'
import type { Vault } from '../../vault/vault.ts'
import { stateEvents } from '../records/session-audit.ts'
import { SEAL_EVENTS, sealHashIn } from '../records/session-records.ts'
import type { SessionRow, SessionStore } from '../records/session-store.ts'
import { endReasonOf } from '../state.ts'

const NAME = 'books'
const PAGE = 100
/** A gateway of the version before may be about to write the row of this lease. */
const NEW_MS = 30_000
const KINDS: AuditKind[] = ['lease.started', 'lease.ended', 'session.ended', ...SEAL_EVENTS]
const REPAIRED = { mended: true }

export interface RecordsRepair {
  /** Goes on from where it came to, to the end. */
  repair(): Promise<void>
}

export function createRecordsRepair(parts: {
  outbox: Outbox
  vault: Pick<Vault, 'sessionLeasesAfter' | 'endLeases'>
  sessions: Pick<SessionStore, 'getAll'>
  recordings: Pick<Recordings, 'mark'>
  clock: Clock
  log: Log
}): RecordsRepair {
  const { outbox, vault, sessions, recordings, clock, log } = parts

  /** True when there may be more. */
  function repairPage(): Promise<boolean> {
    return outbox.change(async (on, record) => {
      // Nothing gets from the outbox into the chain meanwhile, and another gateway that repairs waits here.
      await lockChain(on)
      const leases = await vault.sessionLeasesAfter(await repairedUpTo(NAME, on), PAGE, on)
      const rows = await rowsOf(leases, on)
      const known = await eventsOfSessions(on, [...new Set(leases.map(({ session }) => session))], KINDS)
      let reached: string | undefined
      for (const lease of leases) {
        const row = rows.get(lease.session)
        if (row === undefined && lease.started_at > clock.now() - NEW_MS) break
        reached = lease.id
        // One that goes on is ended by the present version.
        if (row !== undefined && row.state !== 'ended') continue
        if (lease.ended_at === null) await vault.endLeases(ofSession(lease.session), on)
        const events = known.filter(({ session }) => session === lease.session)
        const missing = missingOf(lease, row, events)
        for (const event of missing) record(event)
        if (missing.length > 0)
          log.warn(
            { session: lease.session, events: missing.length },
            'session records of an earlier version were repaired',
          )
        if (row?.recording_hash === null && !events.some(event => sealHashIn(event) !== undefined)) {
          await recordings.mark(row.id)
        }
      }
      if (reached !== undefined) await setRepairedUpTo(NAME, reached, on)
      return reached !== undefined && leases.length === PAGE
    })
  }

  async function rowsOf(leases: readonly LeaseTable[], on: Database): Promise<Map<string, SessionRow>> {
    const rows = await sessions.getAll(
      leases.map(({ session }) => session),
      on,
    )
    return new Map(rows.map(row => [row.id, row]))
  }

  return {
    async repair() {
      while (await repairPage());
    },
  }
}

/** What should stand in the audit log of a lease and its session that are over, and does not. */
function missingOf(lease: LeaseTable, row: SessionRow | undefined, events: readonly SessionEvent[]): AuditEvent[] {
  const { id, session, user } = lease
  const recorded = (kind: AuditKind) =>
    events.some(event => event.kind === kind && (JSON.parse(event.data) as { lease?: string }).lease === id)
  const missing: AuditEvent[] = []
  if (!recorded('lease.started')) {
    const data = { lease: id, account: formatAccountAddress(lease), version: lease.credential_version, ...REPAIRED }
    missing.push({ kind: 'lease.started', actor: user, session, data })
  }
  if (!recorded('lease.ended')) missing.push(stateEvents.leaseEnded('gateway', session, id, REPAIRED))
  // A hop's lease says nothing of how the session went.
  if (row === undefined || lease.account !== row.account || lease.target !== row.target) return missing
  const reason = endReasonOf(row.end_reason ?? '') ?? 'interrupted'
  const sealed =
    row.recording_hash === null
      ? undefined
      : { file: row.recording, hash: row.recording_hash, bytes: row.recording_bytes }
  const ended = events.some(({ kind }) => kind === 'session.ended')
  const known = events.some(event => sealHashIn(event) !== undefined)
  if (!ended) {
    missing.push(stateEvents.sessionEnded('gateway', session, { reason, sealed: known ? undefined : sealed }, REPAIRED))
  } else if (sealed !== undefined && !known) missing.push(stateEvents.sealNoted(session, sealed, reason, REPAIRED))
  return missing
}
