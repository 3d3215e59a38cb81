/** The number of a candidate that is being stored, in the transaction that stores it. */

import type { Database } from '../database/database.ts'
import type { AccountAddress } from '../shared/names.ts'

export async function newestVersion(on: Database, { account, target }: AccountAddress): Promise<number> {
  const { version } = await on
    .selectFrom('credentials')
    .where('account', '=', account)
    .where('target', '=', target)
    .select(({ fn }) => fn.max('version').as('version'))
    .executeTakeFirstOrThrow()
  return Number(version)
}
