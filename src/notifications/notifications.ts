/** The port by which others have somebody told: written to the store with its jobs, and delivered by them (`deliver.ts`). */

import type { Database } from '../database/database.ts'
import type { Schedule } from '../schedule/schedule.ts'
import type { Clock } from '../shared/clock.ts'
import { bounded, type Notification } from './notification.ts'
import { preferencesOf } from './preferences.ts'
import { addressees, type ChannelFacts } from './recipients.ts'
import { insertNotification, jobKindOf } from './rows.ts'

/**
 * Resolves when it is in the store: it is then delivered, whatever becomes of this gateway. With `on`, if that transaction is committed.
 * Says nothing of who is reached: nobody is, where no channel is configured or nobody wants it.
 */
export type Notify = (notification: Notification, on?: Database) => Promise<void>

export function createNotify(parts: {
  readonly database: Database
  readonly schedule: Pick<Schedule, 'plan'>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly channels: readonly ChannelFacts[]
}): Notify {
  const { database, schedule, clock, channels } = parts

  async function write(notification: Notification, on: Database): Promise<void> {
    const users = notification.to.flatMap(one => (typeof one === 'object' && 'user' in one ? [one.user] : []))
    const to = addressees(notification, channels, await preferencesOf(on, [...new Set(users)]))
    if (to.length === 0) return
    const now = clock.now()
    for (const { id, channel } of await insertNotification(on, bounded(notification), to, now)) {
      await schedule.plan({ kind: jobKindOf(channel), key: id, dueAt: now }, on)
    }
  }

  const waiting: Waiting[] = []
  let writing = false

  async function store(batch: readonly Waiting[]): Promise<void> {
    try {
      await database.transaction().execute(async on => {
        for (const { notification } of batch) await write(notification, on)
      })
      for (const { done } of batch) done.resolve()
    } catch (error) {
      // One that cannot be stored is no reason to lose the others.
      if (batch.length > 1) for (const one of batch) await store([one])
      else batch[0]!.done.reject(error)
    }
  }

  /** What came while one transaction was under way goes into the next: however many come at once, they take one connection. */
  async function writeAll(): Promise<void> {
    writing = true
    while (waiting.length > 0) await store(waiting.splice(0, BATCH))
    writing = false
  }

  return (notification, on) => {
    if (channels.length === 0) return Promise.resolve()
    if (on !== undefined) return write(notification, on)
    const done = Promise.withResolvers<void>()
    waiting.push({ notification, done })
    if (!writing) void writeAll()
    return done.promise
  }
}

const BATCH = 100

interface Waiting {
  readonly notification: Notification
  readonly done: PromiseWithResolvers<void>
}
