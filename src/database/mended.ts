/** How far something has come that is mended once in each store. */

import type { Database } from './database.ts'

/** Empty before the first time. */
export async function mendedUpTo(name: string, on: Database): Promise<string> {
  const row = await on.selectFrom('mended').select('cursor').where('name', '=', name).executeTakeFirst()
  return row?.cursor ?? ''
}

export async function setMendedUpTo(name: string, cursor: string, on: Database): Promise<void> {
  await on
    .insertInto('mended')
    .values({ name, cursor })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ cursor }))
    .execute()
}
