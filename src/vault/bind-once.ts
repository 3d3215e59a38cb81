/**
 * Binds the credentials of a store that earlier versions wrote, once: a mark, sealed by the vault key, says that it was done. Whoever takes the
 * mark away gains nothing where the audit log knows of it.
 */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Sealing } from './binding.ts'

interface Parts extends Sealing {
  readonly database: Database
  readonly clock: Clock
}

const NAME = 'credentials-bound'
const PURPOSE = 'credentials are bound'

/** Goes on where it was interrupted: `bind` leaves alone what is bound. Throws `VAULT_DAMAGED` where the mark is not what was sealed. */
export async function bindOnce(
  { database, clock, seal, open }: Parts,
  bind: () => Promise<AccountAddress[]>,
  before: boolean,
): Promise<string[] | undefined> {
  const mark = await database.selectFrom('sealed_keys').select('sealed').where('name', '=', NAME).executeTakeFirst()
  if (mark !== undefined) return JSON.parse(open(PURPOSE, mark.sealed).toString('utf8'))
  const accounts = before ? [] : (await bind()).map(formatAccountAddress)
  const sealed = seal(PURPOSE, Buffer.from(JSON.stringify(accounts)))
  await database
    .insertInto('sealed_keys')
    .values({ name: NAME, public: '', sealed, created_at: clock.now() })
    .onConflict(conflict => conflict.column('name').doNothing())
    .execute()
  return before ? undefined : accounts
}
