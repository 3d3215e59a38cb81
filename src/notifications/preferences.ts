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
