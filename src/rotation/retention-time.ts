/**
 * How late it surely is, for what is deleted by its age. A clock that is a year ahead deletes nothing of last year: what counts here comes two
 * days closer to it in each round, of which there is one a day. The one place with SQL on `retention_time`.
 */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'

const MOST_A_ROUND_MS = 2 * 86_400_000

export type RetentionTime = ReturnType<typeof createRetentionTime>

/** `clock`: the store's, where several gateways share it. */
export function createRetentionTime({ database, clock }: { database: Database; clock: Clock }) {
  async function latest(): Promise<number> {
    const row = await database.selectFrom('retention_time').select('at').where('id', '=', 1).executeTakeFirst()
    return Math.min(clock.now(), row === undefined ? clock.now() : row.at + MOST_A_ROUND_MS)
  }

  return {
    latest,
    /** Of a store that has none yet. */
    async begin(): Promise<void> {
      await database
        .insertInto('retention_time')
        .values({ id: 1, at: clock.now() })
        .onConflict(conflict => conflict.doNothing())
        .execute()
    },
    /** A round has ended that went by this time. */
    async ended(at: number): Promise<void> {
      await database.updateTable('retention_time').set({ at }).where('id', '=', 1).execute()
    },
  }
}
