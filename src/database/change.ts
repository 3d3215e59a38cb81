/** How a write is carried out: by itself, or in a transaction with what else belongs to it. */

import type { Database } from './database.ts'

/** Runs a write in a transaction, once. One that gives false has changed nothing. */
export type Change = <T>(write: (on: Database) => Promise<T>) => Promise<T>

/** With nothing else. */
export function changeOf(database: Database): Change {
  return write => database.transaction().execute(write)
}
