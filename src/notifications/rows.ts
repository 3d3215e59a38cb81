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
    ...{ delivered_at: null, dropped: null, carried_by: null },
  }))
  for (const some of slices(deliveries)) await on.insertInto('notification_deliveries').values(some).execute()
  return deliveries.map(({ id, channel }) => ({ id, channel }))
}

/** Whether something of this kind about what `path` names has been told since then. */
export async function wasTold(
  on: Database,
  { kind, path, since }: { readonly kind: NotificationKind; readonly path: string; readonly since: number },
): Promise<boolean> {
  const told = await on
    .selectFrom('notifications')
    .select('id')
    .where('kind', '=', kind)
    .where('at', '>=', since)
    .where('link', 'like', `%${JSON.stringify(path)}%`)
    .limit(1)
    .execute()
  return told.length > 0
}

/** The people who were told something of these kinds about what `path` names, since then. */
export async function whoWasTold(
  on: Database,
  {
    kinds,
    path,
    since,
  }: { readonly kinds: readonly NotificationKind[]; readonly path: string; readonly since: number },
): Promise<string[]> {
  const told = await on
    .selectFrom('notifications')
    .innerJoin('notification_deliveries', 'notification_deliveries.notification', 'notifications.id')
    .select('notification_deliveries.user')
    .distinct()
    .where('notifications.kind', 'in', kinds)
    .where('notifications.at', '>=', since)
    .where('notifications.link', 'like', `%${JSON.stringify(path)}%`)
    .execute()
  return told.flatMap(({ user }) => user ?? [])
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

/** Has it come in a message of its own. False where it comes in another's. */
export async function claimDelivery(on: Database, id: string): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('notification_deliveries')
    .set({ carried_by: id })
    .where('id', '=', id)
    .where(({ eb, or }) => or([eb('carried_by', 'is', null), eb('carried_by', '=', id)]))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** So few come each for itself. */
const FEW = 4
/** In one message. */
const MOST_CARRIED = 500

/** Has others that wait for the same person, or place, come in its message, where they are many; gives all that do. */
export async function carryOthers(
  on: Database,
  { id, channel, user }: Pick<Delivery, 'id' | 'channel' | 'user'>,
): Promise<Delivery[]> {
  const waiting = await on
    .selectFrom('notification_deliveries')
    .select('id')
    .where('channel', '=', channel)
    .where('user', user === undefined ? 'is' : '=', user ?? null)
    .where('carried_by', 'is', null)
    .where('delivered_at', 'is', null)
    .where('dropped', 'is', null)
    .orderBy('id')
    .limit(MOST_CARRIED)
    .execute()
  if (waiting.length > FEW) {
    const ids = waiting.map(one => one.id)
    const free = on.updateTable('notification_deliveries').where('id', 'in', ids).where('carried_by', 'is', null)
    await free.set({ carried_by: id }).execute()
  }
  const all = withNotification(on).where('delivery.carried_by', '=', id).where('delivery.id', '!=', id)
  return (await all.orderBy('delivery.id').execute()).map(deliveryOf)
}

/** Of all that came in the message of this one: how many that were not noted before. */
export async function endDeliveries(
  on: Database,
  carrier: string,
  change: { readonly delivered_at: number } | { readonly dropped: string },
): Promise<number> {
  const { numUpdatedRows } = await on
    .updateTable('notification_deliveries')
    .set(change)
    .where('carried_by', '=', carrier)
    .where('delivered_at', 'is', null)
    .where('dropped', 'is', null)
    .executeTakeFirst()
  return Number(numUpdatedRows)
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
