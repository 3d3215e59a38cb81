/** Marks open access requests that rested on something of a name that is removed: what gets the same name later is something else. */

import { sql } from 'kysely'
import type { Database } from './database.ts'
import { holdThoseRequests, type ThoseRequests } from './request-lock.ts'
import { slices } from './slices.ts'

export async function withdrawRequestsFor(what: 'role' | 'target', names: readonly string[], database: Database) {
  for (const some of slices(names)) {
    const those: ThoseRequests = eb =>
      eb.and([
        eb('state', 'in', ['pending', 'approved', 'active']),
        what === 'role' ? eb('role', 'in', some) : eb.or(isForOneOf(some)),
      ])
    await holdThoseRequests(those, database)
    await database.updateTable('access_requests').set({ withdrawn: 1 }).where(those).execute()
  }
}

/** For one of these targets alone: a wish begins with its targets. One for a selector is for whatever that means. */
function isForOneOf(names: readonly string[]) {
  const beginnings = names.map(name => JSON.stringify({ targets: { names: [name] } }).slice(0, -1))
  // By their lengths, so that many are looked up and not gone through.
  return [...Map.groupBy(beginnings, ({ length }) => length)].map(
    ([length, some]) => sql<boolean>`substr(wish, 1, ${sql.lit(length)}) in (${sql.join(some)})`,
  )
}
