/** The one place with SQL on notifications and their deliveries. The tries of a delivery are those of its job. */

import type { Database } from '../database/database.ts'
import { slices } from '../database/slices.ts'
import { newId } from '../shared/ids.ts'
import type { NotificationKind } from './kinds.ts'
import type { Link, Notification } from './notification.ts'
import type { Addressee } from './recipients.ts'

/** The job that a delivery is carried out by: one kind for each channel, so that none waits for another's receiver. */
export function jobKindOf(channel: string): string {
  return `notify:${channel}`
}

export interface Delivery {
  readonly id: string
  readonly channel: string
  /** Undefined: to whom the channel itself reaches. */
  readonly user: string | undefined
  readonly kind: NotificationKind
  readonly subject: string
  readonly lines: readonly string[]
  readonly link: Link | undefined
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly deliveredAt: number | undefined
  readonly dropped: string | undefined
}

type Bounded = Omit<Notification, 'to'> & { readonly lines: readonly string[] }

/** The deliveries' ids, by channel. */
export async function insertNotification(
  on: Database,
  { kind, subject, lines, link }: Bounded,
  to: readonly Addressee[],
  now: number,
): Promise<{ id: string; channel: string }[]> {
  const notification = newId('ntf', now)
  const row = { kind, subject, lines: JSON.stringify(lines), link: link === undefined ? null : JSON.stringify(link) }
  await on
    .insertInto('notifications')
    .values({ id: notification, ...row, at: now })
    .execute()
  const deliveries = to.map(({ channel, user }) => ({
    ...{ id: newId('dlv', now), notification, channel, user: user ?? null, at: now },
    ...{ delivered_at: null, dropped: null },
  }))
  for (const some of slices(deliveries)) await on.insertInto('notification_deliveries').values(some).execute()
  return deliveries.map(({ id, channel }) => ({ id, channel }))
}

const withNotification = (on: Database) =>
  on
    .selectFrom('notification_deliveries as delivery')
    .innerJoin('notifications as told', 'told.id', 'delivery.notification')
    .select(['delivery.id', 'delivery.channel', 'delivery.user', 'delivery.delivered_at', 'delivery.dropped'])
    .select(['told.kind', 'told.subject', 'told.lines', 'told.link', 'told.at'])

export async function readDelivery(on: Database, id: string): Promise<Delivery | undefined> {
  const row = await withNotification(on).where('delivery.id', '=', id).executeTakeFirst()
  return row && deliveryOf(row)
}

/** False where that was noted before. */
export async function endDelivery(
  on: Database,
  id: string,
  change: { readonly delivered_at: number } | { readonly dropped: string },
): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('notification_deliveries')
    .set(change)
    .where('id', '=', id)
    .where('delivered_at', 'is', null)
    .where('dropped', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

type Row = Awaited<ReturnType<ReturnType<typeof withNotification>['executeTakeFirstOrThrow']>>

function deliveryOf({ id, channel, user, kind, subject, lines, link, at, delivered_at, dropped }: Row): Delivery {
  return {
    ...{ id, channel, user: user ?? undefined, kind: kind as NotificationKind, subject, at },
    ...{ lines: JSON.parse(lines) as string[], link: link === null ? undefined : (JSON.parse(link) as Link) },
    ...{ deliveredAt: delivered_at ?? undefined, dropped: dropped ?? undefined },
  }
}

/** Some of those that were to be told before then, and were not. */
export async function undeliveredBefore(on: Database, before: number): Promise<{ id: string; channel: string }[]> {
  return on
    .selectFrom('notification_deliveries')
    .select(['id', 'channel'])
    .where('at', '<', before)
    .where('delivered_at', 'is', null)
    .where('dropped', 'is', null)
    .execute()
}

export async function deleteBefore(on: Database, before: number): Promise<void> {
  await on.deleteFrom('notification_deliveries').where('at', '<', before).execute()
  await on.deleteFrom('notifications').where('at', '<', before).execute()
}
