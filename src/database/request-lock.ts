/** Who uses an approved request, and who changes it, take turns: a writer that waits is not overtaken by those who come after it. */

import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely'
import type { Database } from './database.ts'
import { locksRows } from './policy-lock.ts'
import type { Schema } from './schema.ts'

/** Requests share so many locks: a server has room for some thousands, and a change of a role may end as many requests. */
const LOCKS = 128

/**
 * Until the transaction is over, before the rows of these requests are locked or changed. `use`: many at once; `change`: nobody else. The locks of rows
 * alone would not do: `for share` joins those who share a row already, past a writer that waits for them, which with dense logins waits
 * without end. Locks of this kind are given in the order in which they were asked for. Whoever wants several requests asks for all of them
 * here, at once.
 */
export async function holdRequests(how: 'use' | 'change', ids: readonly string[], on: Database): Promise<void> {
  if (ids.length === 0 || !locksRows(on)) return
  const lock = sql.raw(how === 'use' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock')
  // In one order for all; `offset 0`: they are sorted before the first is taken.
  await sql`
    select ${lock}(hashtext('access requests'), which)
    from (
      select distinct hashtext(id) & ${sql.lit(LOCKS - 1)} as which from unnest(${[...ids]}::text[]) as id order by 1 offset 0
    ) as sorted
  `.execute(on)
}

export type ThoseRequests = (
  eb: ExpressionBuilder<Schema, 'access_requests'>,
) => ExpressionWrapper<Schema, 'access_requests', SqlBool>

/** The same before these are changed, whichever they are. */
export async function holdThoseRequests(those: ThoseRequests, on: Database): Promise<void> {
  if (!locksRows(on)) return
  const found = await on.selectFrom('access_requests').select('id').where(those).execute()
  const ids = found.map(({ id }) => id)
  await holdRequests('change', ids, on)
}
