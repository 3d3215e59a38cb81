/** What people want to be told of. The one place with SQL on `notification_preferences`. */

import type { Database } from '../database/database.ts'
import type { NotificationPreferenceTable } from '../database/schema.ts'
import { slices } from '../database/slices.ts'
import type { Preference } from './recipients.ts'

export async function preferencesOf(on: Database, users: readonly string[]): Promise<Preference[]> {
  const rows: NotificationPreferenceTable[] = []
  for (const some of slices(users)) {
    const found = on.selectFrom('notification_preferences').selectAll().where('user', 'in', some)
    rows.push(...(await found.orderBy('kind').orderBy('channel').execute()))
  }
  return rows.map(({ wanted, ...row }) => ({ ...row, wanted: wanted === 1 }))
}

/** What is said of a group, or of all channels, stands in the place of what was said of its parts. */
export async function prefer(on: Database, { wanted, ...key }: Preference): Promise<void> {
  const { user, kind, channel } = key
  let parts = on.deleteFrom('notification_preferences').where('user', '=', user)
  if (channel !== '*') parts = parts.where('channel', '=', channel)
  if (kind.endsWith('.*')) parts = parts.where('kind', 'like', `${kind.slice(0, -1)}%`)
  else if (kind !== '*') parts = parts.where('kind', '=', kind)
  await parts.execute()
  await on
    .insertInto('notification_preferences')
    .values({ ...key, wanted: wanted ? 1 : 0 })
    .execute()
}
