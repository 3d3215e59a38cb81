/** Keeps what was told no longer than it is to be kept. */

import type { Database } from '../database/database.ts'
import type { Schedule } from '../schedule/schedule.ts'
import type { Clock } from '../shared/clock.ts'
import { forgetTold } from './alerts/tell-alerts.ts'
import { deleteBefore, jobKindOf, undeliveredBefore } from './rows.ts'

export async function tidy(parts: {
  readonly database: Database
  readonly schedule: Pick<Schedule, 'cancel'>
  readonly clock: Clock
  readonly keepMs: number
}): Promise<void> {
  const { database, schedule, clock, keepMs } = parts
  const now = clock.now()
  for (const { id, channel } of await undeliveredBefore(database, now - keepMs)) {
    await schedule.cancel(jobKindOf(channel), id)
  }
  await deleteBefore(database, now - keepMs)
  await forgetTold(database, now)
}
