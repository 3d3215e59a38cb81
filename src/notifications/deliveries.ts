/** What was told to whom, what could not be, and having that tried again. */

import { sql } from 'kysely'
import type { Change } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Schedule } from '../schedule/schedule.ts'
import type { Clock } from '../shared/clock.ts'
import type { NotificationKind } from './kinds.ts'
import { jobKindOf } from './rows.ts'

/** `failed` is tried again by itself; `given-up` only when somebody says so; `dropped`: nobody is to be told any more. */
export const DELIVERY_STATES = ['waiting', 'failed', 'given-up', 'delivered', 'dropped'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

export interface ListedDelivery {
  readonly id: string
  /** In whose message it comes: its own, or that of another to the same. */
  readonly carrier: string
  readonly kind: NotificationKind
  readonly subject: string
  readonly channel: string
  readonly user: string | undefined
  readonly state: DeliveryState
  /** When what it tells of happened; when it was delivered, or is tried next. */
  readonly at: number
  readonly deliveredAt: number | undefined
  readonly nextAt: number | undefined
  readonly tries: number
  /** Of the last try, or why it was dropped. */
  readonly words: string | undefined
}

export interface DeliveryFilter {
  readonly id?: string | undefined
  readonly channel?: string | undefined
  readonly user?: string | undefined
  readonly state?: DeliveryState | undefined
  /** Those that come after this one in the list. */
  readonly before?: string | undefined
  readonly limit: number
}

export interface Deliveries {
  /** The newest first. */
  list(filter: DeliveryFilter): Promise<ListedDelivery[]>
  /** Has one that failed or was given up tried again now, with as many tries as at first. False where there is no such. */
  retry(delivery: Pick<ListedDelivery, 'carrier' | 'channel'>, change: Change): Promise<boolean>
}

export function createDeliveries(parts: {
  readonly database: Database
  readonly schedule: Pick<Schedule, 'list' | 'plan' | 'retry'>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
}): Deliveries {
  const { database, schedule, clock } = parts
  return {
    async list({ id, channel, user, state, before, limit }) {
      let select = database
        .selectFrom('notification_deliveries as delivery')
        .innerJoin('notifications as told', 'told.id', 'delivery.notification')
        .leftJoin('jobs as job', join =>
          join
            .on('job.key', '=', sql<string>`coalesce(delivery.carried_by, delivery.id)`)
            .on('job.kind', '=', sql<string>`'notify:' || delivery.channel`),
        )
        .select(['delivery.id', 'delivery.channel', 'delivery.user', 'delivery.delivered_at', 'delivery.dropped'])
        .select(['delivery.at', 'delivery.carried_by', 'told.kind', 'told.subject'])
        .select(['job.attempts', 'job.last_error', 'job.given_up_at', 'job.due_at'])
        // Their ids sort by time.
        .orderBy('delivery.id', 'desc')
        .limit(limit)
      if (id !== undefined) select = select.where('delivery.id', '=', id)
      if (channel !== undefined) select = select.where('delivery.channel', '=', channel)
      if (user !== undefined) select = select.where('delivery.user', '=', user)
      if (before !== undefined) select = select.where('delivery.id', '<', before)
      if (state !== undefined) select = select.where(IN_STATE[state])
      return (await select.execute()).map(row => {
        const { id, channel, user, subject, at, delivered_at, dropped, attempts, last_error, given_up_at, due_at } = row
        const state = stateOf(row)
        const isOver = state === 'delivered' || state === 'dropped'
        return {
          carrier: row.carried_by ?? id,
          ...{ id, channel, user: user ?? undefined, kind: row.kind as NotificationKind, subject, state, at },
          deliveredAt: delivered_at ?? undefined,
          nextAt: isOver || given_up_at !== null ? undefined : (due_at ?? undefined),
          tries: Number(attempts ?? 0) + (delivered_at === null ? 0 : 1),
          words: dropped ?? (isOver ? undefined : (last_error ?? undefined)),
        }
      })
    },

    async retry({ carrier: key, channel }, change) {
      const kind = jobKindOf(channel)
      const [job] = await schedule.list({ kind, key })
      if (job === undefined) return false
      if (job.state === 'failed') return change(on => schedule.retry(job.id, on))
      if (job.state !== 'given-up') return false
      return change(async on => {
        await schedule.plan({ kind, key, dueAt: clock.now() }, on)
        return true
      })
    },
  }
}

interface StateRow {
  readonly delivered_at: number | null
  readonly dropped: string | null
  readonly attempts: number | null
  readonly given_up_at: number | null
}

function stateOf({ delivered_at, dropped, attempts, given_up_at }: StateRow): DeliveryState {
  if (delivered_at !== null) return 'delivered'
  if (dropped !== null) return 'dropped'
  if (given_up_at !== null) return 'given-up'
  return Number(attempts ?? 0) > 0 ? 'failed' : 'waiting'
}

const OPEN = sql<boolean>`delivery.delivered_at is null and delivery.dropped is null`

/** The same, in SQL. */
const IN_STATE = {
  delivered: sql<boolean>`delivery.delivered_at is not null`,
  dropped: sql<boolean>`delivery.delivered_at is null and delivery.dropped is not null`,
  'given-up': sql<boolean>`${OPEN} and job.given_up_at is not null`,
  failed: sql<boolean>`${OPEN} and job.given_up_at is null and job.attempts > 0`,
  waiting: sql<boolean>`${OPEN} and (job.id is null or (job.given_up_at is null and job.attempts = 0))`,
} as const satisfies Record<DeliveryState, unknown>
