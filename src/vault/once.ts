/**
 * Work that a store sees once in its life, as taking over what an earlier version stored: a mark, sealed by the vault key, says that it was
 * done. Whoever takes the mark away gains nothing where it is known otherwise (by the audit log) to have been there.
 */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Sealing } from './binding.ts'

interface Parts extends Sealing {
  readonly database: Database
  readonly clock: Clock
}

/**
 * `name` is the mark's: `credentials-bound`. `work` goes on where it was interrupted, and names what it did. Returns what was done, now or
 * then; undefined where the mark is gone although it was done `before`. Throws `VAULT_DAMAGED` where the mark is not what was sealed.
 */
export async function once(
  { database, clock, seal, open }: Parts,
  name: string,
  before: boolean,
  work: () => Promise<string[]>,
): Promise<string[] | undefined> {
  const purpose = name.replace('-', ' are ')
  const mark = await database.selectFrom('sealed_keys').select('sealed').where('name', '=', name).executeTakeFirst()
  if (mark !== undefined) return JSON.parse(open(purpose, mark.sealed).toString('utf8'))
  const done = before ? [] : await work()
  await database
    .insertInto('sealed_keys')
    .values({ name, public: '', sealed: seal(purpose, Buffer.from(JSON.stringify(done))), created_at: clock.now() })
    .onConflict(conflict => conflict.column('name').doNothing())
    .execute()
  return before ? undefined : done
}
