/** Changes of users, roles and targets, and what is decided by them and stored: one of the two is over before the other is stored. */

import { SqliteAdapter, sql } from 'kysely'
import type { Database } from './database.ts'

/** SQLite carries out one transaction after the other. */
export function locksRows(on: Database): boolean {
  return !(on.getExecutor().adapter instanceof SqliteAdapter)
}

/**
 * Until the transaction is over. `read`: nobody changes them, and what is read from now on is so; many may at once. `change`: whatever was decided by
 * them as they were is stored by now. Before any row of a request is changed in the transaction: who holds that and waits for this would
 * wait for ever.
 */
export async function holdPolicy(how: 'read' | 'change', on: Database): Promise<void> {
  if (!locksRows(on)) return
  const lock = sql.raw(how === 'read' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock')
  await sql`select ${lock}(hashtext('users, roles and targets'))`.execute(on)
}
