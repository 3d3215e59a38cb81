/** Reads the audit log behind where it was read before, on whichever gateway, and has told what it says that somebody should know. */

import { listEvents } from '../../audit/chain/list.ts'
import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import { ALERTING_KINDS, alertsOf } from './of-event.ts'
import type { TellAlerts } from './tell-alerts.ts'

const READ_UP_TO = 'audit-log'
const AT_ONCE = 500
/** The mark is not moved for each event that nobody is told of. */
const LAG = 1000
/** What is older is not news, where nobody was there to tell it. */
const OLDEST_MS = 86_400_000

export function createAuditFollower(parts: {
  readonly database: Database
  readonly tell: TellAlerts
  readonly clock: Clock
}) {
  const { database, tell, clock } = parts
  /** Of this process: nothing is read while the log has not grown. */
  let seen = -1

  async function readOn(): Promise<'all' | 'more'> {
    return database.transaction().execute(async on => {
      const end = (await endOf(on)) ?? 0
      const from = await markOf(on)
      if (from === undefined) {
        await begin(on, end)
        return 'all'
      }
      const events = await listEvents(on, { after: from, kinds: ALERTING_KINDS, limit: AT_ONCE })
      // More may have come between the two reads.
      const last = events.at(-1)?.seq ?? from
      const upTo = events.length < AT_ONCE ? Math.max(end, last) : last
      if (events.length === 0 && upTo - from < LAG) return 'all'
      // One gateway of several: the others find that it has moved.
      if (!(await move(on, from, upTo))) return 'all'
      const recent = events.filter(({ at }) => Number(at) > clock.now() - OLDEST_MS)
      await tell(recent.flatMap(alertsOf), on)
      return events.length < AT_ONCE ? 'all' : 'more'
    })
  }

  return {
    /** Throws what the store throws: it is then read again. */
    async look(): Promise<void> {
      const end = (await endOf(database)) ?? 0
      if (end === seen) return
      while ((await readOn()) === 'more');
      seen = end
    },
  }
}

async function endOf(on: Database): Promise<number | undefined> {
  return (await on.selectFrom('audit_head').select('seq').where('id', '=', 1).executeTakeFirst())?.seq
}

async function markOf(on: Database): Promise<number | undefined> {
  const row = await on.selectFrom('notification_marks').select('value').where('key', '=', READ_UP_TO).executeTakeFirst()
  return row?.value
}

async function begin(on: Database, value: number): Promise<void> {
  await on
    .insertInto('notification_marks')
    .values({ key: READ_UP_TO, value })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

async function move(on: Database, from: number, value: number): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('notification_marks')
    .set({ value })
    .where('key', '=', READ_UP_TO)
    .where('value', '=', from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
