/**
 * The time of a PostgreSQL store: the one that all gateways on it can be compared with. Between two measurements it goes on by what nobody can
 * set, so that a gateway whose own clock is set does nothing before its time.
 */

import { sql } from 'kysely'
import { type Clock, elapsed } from '../shared/clock.ts'
import type { Database } from './database.ts'

export interface StoreTime extends Clock {
  /** How many milliseconds the store's clock was ahead of this process's when it was last measured; 0 before. */
  readonly aheadMs: number
  /** Measures again, and gives `aheadMs`: right to half of what the answer took. */
  measure(): Promise<number>
}

/** `measuredBy`: not given, `clock` itself. A test that moves `clock` gives the machine's, so that it moves the store's time by as much. */
export function createStoreTime({
  database,
  clock,
  measuredBy = clock,
}: {
  database: Database
  clock: Clock
  measuredBy?: Clock | undefined
}): StoreTime {
  let aheadMs = 0
  let measured: { readonly at: number; readonly steady: number } | undefined
  return {
    get aheadMs() {
      return aheadMs
    },
    now: () => (measured === undefined ? clock.now() : Math.round(measured.at + elapsed(clock) - measured.steady)),
    async measure() {
      const begin = elapsed(measuredBy)
      const { rows } = await sql<{
        now: number
      }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`.execute(database)
      aheadMs = Math.round(rows[0]!.now - (measuredBy.now() - (elapsed(measuredBy) - begin) / 2))
      measured = { at: clock.now() + aheadMs, steady: elapsed(clock) }
      return aheadMs
    },
  }
}
