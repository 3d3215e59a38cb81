/** The accounts that users marked as their favourites. A mark gives nothing: what is listed, policy decides. */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'

/** Of one user; those that were marked first go first. */
const MOST = 200

export interface Favourites {
  /** As `root@web-01`. */
  of(user: string): Promise<ReadonlySet<string>>
  /** Marks the account, or takes the mark away; true when it is marked now. */
  toggle(user: string, address: AccountAddress): Promise<boolean>
}

export function createFavourites({ database, clock }: { database: Database; clock: Clock }): Favourites {
  return {
    async of(user) {
      const rows = await database
        .selectFrom('favourites')
        .select(['account', 'target'])
        .where('user', '=', user)
        .orderBy('marked_at', 'desc')
        .limit(MOST)
        .execute()
      return new Set(rows.map(formatAccountAddress))
    },

    toggle: (user, { account, target }) =>
      database.transaction().execute(async on => {
        const { numDeletedRows } = await on
          .deleteFrom('favourites')
          .where('user', '=', user)
          .where('account', '=', account)
          .where('target', '=', target)
          .executeTakeFirst()
        if (numDeletedRows > 0n) return false
        const values = { user, account, target, marked_at: clock.now() }
        // Two menus at once: the same mark.
        await on
          .insertInto('favourites')
          .values(values)
          .onConflict(conflict => conflict.doNothing())
          .execute()
        return true
      }),
  }
}
