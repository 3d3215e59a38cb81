/** Has alerts told: of the same thing not again for a while, and of many of a kind at once in one message. */

import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import { NOTIFICATION_KINDS } from '../kinds.ts'
import type { Notify } from '../notifications.ts'
import type { Alert } from './of-event.ts'

/** Less than a day, so that what the daily round finds is told each day. */
const QUIET_MS = 12 * 3_600_000
/** Of one kind at once: more come in one message. */
const MOST_APART = 3

export type TellAlerts = (alerts: readonly Alert[], on: Database) => Promise<void>

export function createTellAlerts({ notify, clock }: { notify: Notify; clock: Clock }): TellAlerts {
  /** True for one who asks, once in a while. A mark of a time that is not yet is of a clock that was wrong. */
  async function isNews({ kind, key }: Alert, on: Database): Promise<boolean> {
    if (key === undefined) return true
    const now = clock.now()
    const marked = await on
      .insertInto('notification_marks')
      .values({ key: `${TOLD}${kind} ${key}`, value: now })
      .onConflict(conflict =>
        conflict
          .column('key')
          .doUpdateSet({ value: now })
          .where(({ eb, or }) =>
            or([eb('notification_marks.value', '<=', now - QUIET_MS), eb('notification_marks.value', '>', now)]),
          ),
      )
      .returning('key')
      .executeTakeFirst()
    return marked !== undefined
  }

  return async (alerts, on) => {
    const news: Alert[] = []
    for (const alert of alerts) if (await isNews(alert, on)) news.push(alert)
    const forAdministrators = news.filter(({ to }) => to[0] === 'administrators')
    for (const alert of news) if (!forAdministrators.includes(alert)) await notify(alert, on)
    for (const [kind, some] of Map.groupBy(forAdministrators, one => one.kind)) {
      if (some.length <= MOST_APART) for (const alert of some) await notify(alert, on)
      else {
        const subject = `${some.length} alerts: ${NOTIFICATION_KINDS[kind]}`
        await notify({ kind, subject, lines: some.map(one => one.subject), to: ['administrators'] }, on)
      }
    }
  }
}

const TOLD = 'told '

/** Those that keep nothing quiet any more. */
export async function forgetTold(on: Database, now: number): Promise<void> {
  await on
    .deleteFrom('notification_marks')
    .where('key', 'like', `${TOLD}%`)
    .where('value', '<=', now - QUIET_MS)
    .execute()
}
