/**
 * The outbox: audit events that are stored in the transaction of the change they record, and wait there for their place in the
 * chain. `audit-log.ts` moves each into the chain once. The one place with SQL on `audit_outbox`.
 */

import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import { newId } from '../../shared/ids.ts'
import type { AuditEvent, AuditKind } from '../event.ts'
import type { UnlinkedRow } from './chain.ts'
import { toRow } from './row.ts'

/** Puts an event into the outbox, in the transaction that is going on. */
export type RecordEvent = (event: AuditEvent) => void

export interface Outbox {
  /** Runs the work in one transaction with the events that it records: both are stored, or neither. */
  change<T>(work: (on: Database, record: RecordEvent) => Promise<T>): Promise<T>
}

/** `gateway`: the one that appends the events; of a worker, its gateway. */
export function createOutbox(parts: { database: Database; gateway: string; clock: Clock }): Outbox {
  const { database, gateway, clock } = parts
  let last = 0
  return {
    change: work =>
      database.transaction().execute(async on => {
        const events: UnlinkedRow[] = []
        const result = await work(on, event => void events.push(toRow(event, gateway, clock)))
        // Ids sort by time, of one process strictly (also when its clock is set back), and within one transaction in the order of recording.
        last = Math.max(last + 1, clock.now())
        const batch = newId('evt', last)
        const rows = events.map((event, index) => ({ id: `${batch}-${String(index).padStart(4, '0')}`, ...event }))
        if (rows.length > 0) await on.insertInto('audit_outbox').values(rows).execute()
        return result
      }),
  }
}

/** Whose events are meant: of this gateway, and of all that are not among the living. */
export interface EventOwners {
  readonly gateway: string
  readonly living?: ReadonlySet<string> | undefined
}

/** Whether any wait. Cheap: it takes no lock. */
export async function anyWaiting(database: Database, whose: EventOwners): Promise<boolean> {
  return (await waiting(database, whose).limit(1).executeTakeFirst()) !== undefined
}

/** Takes the first ones out, in their order, in the transaction that appends them. */
export async function takeOut(on: Database, whose: EventOwners, limit: number): Promise<UnlinkedRow[]> {
  const rows = await on
    .deleteFrom('audit_outbox')
    .where('id', 'in', waiting(on, whose).orderBy('id').limit(limit))
    .returningAll()
    .execute()
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ id: _, ...event }) => event)
}

/** The sessions' events of these kinds that have no place in the chain yet. */
export async function listWaiting(on: Database, sessions: readonly string[], kinds: readonly AuditKind[]) {
  if (sessions.length === 0) return []
  const select = on.selectFrom('audit_outbox').select(['kind', 'session', 'data', 'at'])
  return select.where('session', 'in', sessions).where('kind', 'in', kinds).execute()
}

function waiting(on: Database, { gateway, living }: EventOwners) {
  const select = on.selectFrom('audit_outbox').select('id')
  if (living === undefined) return select.where('gateway', '=', gateway)
  return select.where(({ eb, or }) => or([eb('gateway', '=', gateway), eb('gateway', 'not in', [...living, gateway])]))
}
