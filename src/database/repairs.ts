/** How far a repair has come that is done once in each store. */

import type { Database } from './database.ts'

/** Empty before the first time. */
export async function repairedUpTo(name: string, on: Database): Promise<string> {
  const row = await on.selectFrom('mended').select('cursor').where('name', '=', name).executeTakeFirst()
  return row?.cursor ?? ''
}

export async function setRepairedUpTo(name: string, cursor: string, on: Database): Promise<void> {
  await on
    .insertInto('mended')
    .values({ name, cursor })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ cursor }))
    .execute()
}
