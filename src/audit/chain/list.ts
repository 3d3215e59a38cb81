/** Reads audit events from the store. */

import { sql } from 'kysely'
import type { Database } from '../../database/database.ts'
import type { AuditKind } from '../event.ts'
import type { AuditRow } from './chain.ts'
import { listWaiting } from './outbox.ts'

export interface AuditQuery {
  /** Events after this number, oldest first from there. */
  readonly after?: number
  /** Events before this number. */
  readonly before?: number
  readonly kind?: AuditKind
  /** Any of these. */
  readonly kinds?: readonly AuditKind[]
  readonly actor?: string
  readonly session?: string
  /** Milliseconds since the epoch: at or after, and before. */
  readonly since?: number
  readonly until?: number
  /** At most 1000; 100 when not given. */
  readonly limit?: number
}

const MAX_LIMIT = 1000

export async function listEvents(database: Database, query: AuditQuery = {}): Promise<AuditRow[]> {
  const { after, before, kind, kinds, actor, session, since, until, limit = 100 } = query
  let select = database.selectFrom('audit_events').selectAll()
  if (after !== undefined) select = select.where('seq', '>', after)
  if (before !== undefined) select = select.where('seq', '<', before)
  if (kind !== undefined) select = select.where('kind', '=', kind)
  if (kinds !== undefined) select = select.where('kind', 'in', kinds)
  if (actor !== undefined) select = select.where('actor', '=', actor)
  if (session !== undefined) select = select.where('session', '=', session)
  if (since !== undefined) select = select.where('at', '>=', since)
  if (until !== undefined) select = select.where('at', '<', until)
  const forward = after !== undefined
  const rows = await select
    .orderBy('seq', forward ? 'asc' : 'desc')
    .limit(Math.min(Math.max(1, Math.trunc(limit)), MAX_LIMIT))
    .execute()
  return forward ? rows : rows.reverse()
}

/** When the last event of the chain was made; undefined while there is none. */
export async function lastEventAt(database: Database): Promise<number | undefined> {
  const last = database.selectFrom('audit_events').select('at').orderBy('seq', 'desc').limit(1)
  return (await last.executeTakeFirst())?.at
}

export interface SessionEvent {
  readonly kind: string
  readonly session: string | null
  readonly data: string
}

/** Of these sessions and kinds what is in the chain, and what waits for it. */
export async function eventsOfSessions(
  on: Database,
  sessions: readonly string[],
  kinds: readonly AuditKind[],
): Promise<SessionEvent[]> {
  if (sessions.length === 0) return []
  const inChain = on
    .selectFrom('audit_events')
    .select(['kind', 'session', 'data'])
    .where('session', 'in', sessions)
    .where('kind', 'in', kinds)
    .orderBy('seq')
  return [...(await inChain.execute()), ...(await listWaiting(on, sessions, kinds))]
}

/** Until the transaction ends the chain does not grow. */
export async function lockChain(on: Database): Promise<void> {
  await on.updateTable('audit_head').set({ seq: sql<number>`seq` }).where('id', '=', 1).execute()
}
