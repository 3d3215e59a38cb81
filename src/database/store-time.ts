/** The time of a PostgreSQL store: the one that all gateways on it can be compared with. */

import { sql } from 'kysely'
import { type Clock, elapsed } from '../shared/clock.ts'
import type { Database } from './database.ts'

export interface StoreTime extends Clock {
  /** How many milliseconds the store's clock was ahead of this process's when it was last measured; 0 before. */
  readonly aheadMs: number
  /** Measures again, and gives `aheadMs`: right to half of what the answer took. */
  measure(): Promise<number>
}

export function createStoreTime({ database, clock }: { database: Database; clock: Clock }): StoreTime {
  let aheadMs = 0
  return {
    get aheadMs() {
      return aheadMs
    },
    now: () => clock.now() + aheadMs,
    async measure() {
      const begin = elapsed(clock)
      const { rows } = await sql<{
        now: number
      }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`.execute(database)
      aheadMs = Math.round(rows[0]!.now - (clock.now() - (elapsed(clock) - begin) / 2))
      return aheadMs
    },
  }
}
