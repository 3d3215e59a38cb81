/** Notifications on a store of a test, with gateways that deliver them. */

import type { Test } from 'tap'
import { type ChannelSettings, notificationsSchema } from '../../src/config/notifications.ts'
import type { Database } from '../../src/database/database.ts'
import { type UserInput, userSchema } from '../../src/identity/user.ts'
import { createUsers } from '../../src/identity/users.ts'
import type { Channel } from '../../src/notifications/channels/channel.ts'
import { openChannels } from '../../src/notifications/channels/open-channels.ts'
import { deliveryHandlers } from '../../src/notifications/deliver.ts'
import { createNotify } from '../../src/notifications/notifications.ts'
import { createScheduleRunner } from '../../src/schedule/runner.ts'
import { createSchedule } from '../../src/schedule/schedule.ts'
import { createLog } from '../../src/shared/log.ts'
import { createMetrics } from '../../src/shared/metrics.ts'

export const WEBHOOK_SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`

/** Parsed as the configuration has them. */
export function channelSettings(channels: Record<string, unknown>): Record<string, ChannelSettings> {
  return notificationsSchema.parse({ channels }).channels
}

export async function openTestChannels(
  channels: Record<string, unknown>,
  clock = { now: () => Date.now() },
): Promise<Channel[]> {
  return openChannels({ channels: channelSettings(channels), url: undefined, keepMs: 86_400_000 }, clock)
}

export async function prepareNotifications(t: Test, database: Database, channels: readonly Channel[], url?: string) {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead }
  const metrics = createMetrics()
  const schedule = createSchedule({ database, clock })
  const users = createUsers({ database, clock })
  const notify = createNotify({ database, schedule, clock, channels })
  const alive = setInterval(() => undefined, 60_000)
  t.teardown(() => clearInterval(alive))
  return {
    ...{ clock, schedule, users, notify, metrics },
    advance(ms: number) {
      ahead += ms
    },
    addUser: (user: UserInput) => users.put(userSchema.parse(user)),
    /** A gateway that does the jobs. `alone`: the store is its own. */
    deliverBy(gateway: string, { alone = false, sends = channels } = {}) {
      const runner = createScheduleRunner({
        ...{ schedule, gateway, alone, clock, metrics, log: createLog('silent') },
        handlers: deliveryHandlers({ database, clock, users, channels: sends, url, metrics }),
        giveUp: (_job, _words, write) => database.transaction().execute(write),
      })
      t.teardown(() => runner.close())
      return runner
    },
    deliveries: () => database.selectFrom('notification_deliveries').selectAll().orderBy('id').execute(),
  }
}
