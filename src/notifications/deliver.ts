/** Carries deliveries out: the handler of each channel's jobs. Tries, pauses and dead letters are the schedule's. */

import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { Clock } from '../shared/clock.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Channel, Message } from './channels/channel.ts'
import { NOTIFICATION_KINDS } from './kinds.ts'
import type { Link } from './notification.ts'
import { carryOthers, claimDelivery, type Delivery, endDeliveries, jobKindOf, readDelivery } from './rows.ts'

/** A day of tries, with the pauses of the schedule. */
const ATTEMPTS = 30
const FIRST_PAUSE_MS = 10_000
/** Of one channel, in one gateway, at the same time. */
const AT_ONCE = 4

export interface DeliverParts {
  readonly database: Database
  readonly clock: Clock
  readonly users: Pick<Documents<User>, 'get'>
  readonly channels: readonly Channel[]
  /** How people reach the API, where that is configured. */
  readonly url: string | undefined
  readonly metrics: Pick<Metrics, 'notifications'>
}

export function deliveryHandlers(parts: DeliverParts): Record<string, JobHandler> {
  return Object.fromEntries(
    parts.channels.map(channel => [
      jobKindOf(channel.name),
      {
        ...{ limit: AT_ONCE, attempts: ATTEMPTS, firstPauseMs: FIRST_PAUSE_MS },
        async run({ key }, signal) {
          await deliver(channel, key, parts, signal)
          return undefined
        },
      } satisfies JobHandler,
    ]),
  )
}

/** Idempotent: what a gateway sent that died before it noted so is sent again with the same id. */
async function deliver(channel: Channel, id: string, parts: DeliverParts, signal: AbortSignal): Promise<void> {
  const { database, clock, users, url, metrics } = parts
  const delivery = await readDelivery(database, id)
  if (delivery === undefined || delivery.deliveredAt !== undefined || delivery.dropped !== undefined) return
  if (!(await claimDelivery(database, id))) return
  const others = channel.combines ? await carryOthers(database, delivery) : []
  const count = (result: 'delivered' | 'failed' | 'dropped', times = 1) =>
    metrics.notifications.inc({ channel: channel.name, result }, times)
  const user = delivery.user === undefined ? undefined : await users.get(delivery.user)
  const to = recipientOf(channel, delivery, user)
  if (typeof to === 'string') {
    count('dropped', await endDeliveries(database, id, { dropped: to }))
    return
  }
  try {
    await channel.send(messageOf(channel, [delivery, ...others], to, url), signal)
  } catch (error) {
    count('failed')
    throw error
  }
  count('delivered', await endDeliveries(database, id, { delivered_at: clock.now() }))
}

/** As things are now: whom it was for may have left since. A text: why nobody is to be told. */
function recipientOf({ needsAddress }: Channel, delivery: Delivery, user: User | undefined): Message['to'] | string {
  if (delivery.user === undefined) return undefined
  if (user === undefined) return 'there is no such user any more'
  if (user.disabled) return 'the user is disabled'
  if (needsAddress && user.email === undefined) return 'the user has no e-mail address'
  return { user: user.name, address: user.email ?? '' }
}

/** Of what has an id and no name. */
const NAMES_ID = /_[0-9a-z]{26}$/
/** Of those that come with another. */
const MOST_LISTED = 100

function messageOf(
  channel: Channel,
  [delivery, ...others]: readonly [Delivery, ...Delivery[]],
  to: Message['to'],
  url: string | undefined,
): Message {
  const { id, kind, at, lines, link } = delivery
  const brief = channel.content === 'brief'
  const subjectOf = (one: Delivery) => (brief ? `Sallyport: ${NOTIFICATION_KINDS[one.kind]}` : one.subject)
  const listed = others.slice(0, MOST_LISTED).map(one => `- ${subjectOf(one)}`)
  const more = others.length - listed.length
  return {
    ...{ id, kind, at, to },
    subject: `${subjectOf(delivery)}${others.length === 0 ? '' : `, and ${others.length} more`}`,
    lines: [...(brief ? [] : lines), ...listed, ...(more > 0 ? [`… and ${more} more`] : [])],
    link: link !== undefined && (!brief || NAMES_ID.test(link.path)) ? linkOf(link, url) : undefined,
  }
}

function linkOf({ path, command }: Link, url: string | undefined): NonNullable<Message['link']> {
  return { command, url: url === undefined ? undefined : `${url.replace(/\/$/, '')}${path}` }
}
