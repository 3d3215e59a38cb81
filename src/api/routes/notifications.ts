/** Notifications: by which channels, what was told to whom, what could not be, and a test. */

import { z } from 'zod'
import { DELIVERY_STATES, type ListedDelivery } from '../../notifications/deliveries.ts'
import { testChannel } from '../../notifications/test-channel.ts'
import { GatewayError } from '../../shared/errors.ts'
import { DELIVERY_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { audited, auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const idSchema = z.string().regex(DELIVERY_ID_PATTERN, "a delivery's id is dlv_ and 26 characters")

const deliverySchema = z.object({
  id: z.string(),
  /** In whose message it comes: its own, or that of another to the same. */
  carrier: z.string(),
  kind: z.string(),
  subject: z.string(),
  channel: z.string(),
  /** The person whom it is for; null: to whom the channel itself reaches. */
  user: z.string().nullable(),
  state: z.enum(DELIVERY_STATES),
  at: timeSchema,
  deliveredAt: timeSchema.nullable(),
  /** When it is tried next. */
  nextAt: timeSchema.nullable(),
  tries: z.number(),
  /** Of the last try that failed, or why nobody is told any more. */
  words: z.string().nullable(),
})
export type NotificationDelivery = z.output<typeof deliverySchema>

const channelSchema = z.object({
  name: z.string(),
  kind: z.enum(['email', 'webhook', 'slack', 'teams']),
  /** Whether it reaches people one by one. */
  people: z.boolean(),
  /** Which kinds for administrators go there; none where it reaches nobody by itself. */
  events: z.array(z.string()),
  content: z.enum(['full', 'brief']),
})
export type NotificationChannel = z.output<typeof channelSchema>

const testedSchema = z.object({
  delivered: z.boolean(),
  /** Why not. */
  words: z.string().nullable(),
})
export type NotificationTest = z.output<typeof testedSchema>

const filterSchema = z.object({
  channel: nameSchema.optional(),
  user: nameSchema.optional(),
  state: z.enum(DELIVERY_STATES).optional(),
  /** Those that come after this one in the list. */
  before: idSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export function notifications(app: ApiRoutes, { channels, deliveries, audit, users, clock }: ApiParts): void {
  const tags = ['notifications']

  app.get(
    '/v1/notifications',
    {
      schema: {
        summary: 'What was told to whom by which channel, and what could not be, newest first',
        tags,
        querystring: filterSchema,
        response: { 200: z.object({ deliveries: z.array(deliverySchema) }) },
      },
    },
    async ({ query }) => ({ deliveries: (await deliveries.list(query)).map(documentOf) }),
  )

  app.get(
    '/v1/notifications/channels',
    {
      schema: {
        summary: 'By which channels this gateway tells people and administrators',
        tags,
        response: { 200: z.object({ channels: z.array(channelSchema) }) },
      },
    },
    async () => ({
      channels: channels.map(({ name, kind, people, own, events, content }) => ({
        ...{ name, kind, people, events: own ? [...events] : [], content },
      })),
    }),
  )

  app.post(
    '/v1/notifications/test',
    {
      schema: {
        summary: 'Sends a test by a channel at once: to whom it reaches by itself, or to one user',
        tags,
        body: z.strictObject({ channel: nameSchema, user: nameSchema.optional() }),
        response: { 200: testedSchema },
      },
    },
    async ({ body: { channel: name, user }, caller }) => {
      const channel = channels.find(one => one.name === name)
      if (channel === undefined) throw notFound(`There is no channel ${name} in the configuration of this gateway.`)
      const to = user === undefined ? undefined : await personOf(user, channel.people, channel.needsAddress)
      if (to === undefined && !channel.own)
        throw new GatewayError('BAD_REQUEST', `The channel ${name} reaches nobody by itself: name a user.`)
      const event = { kind: 'notification.tested' as const, actor: caller.actor, data: { channel: name, user } }
      const words = await audited(audit, event, () => testChannel(channel, to, caller.actor, clock))
      return { delivered: words === undefined, words: words ?? null }
    },
  )

  app.post(
    '/v1/notifications/:id/retry',
    {
      schema: {
        summary: 'Has a delivery that failed, or was given up, tried again now',
        tags,
        params: z.object({ id: idSchema }),
        response: { 200: deliverySchema },
      },
    },
    async ({ params: { id }, caller }) => {
      const [delivery] = await deliveries.list({ id, limit: 1 })
      if (delivery === undefined) throw notFound(`There is no delivery ${id}.`)
      const { channel, user, kind, words } = delivery
      const data = { delivery: id, channel, user, about: kind, lastError: words }
      await auditedChange(audit, { kind: 'notification.retried', actor: caller.actor, data }, async change => {
        if (!(await deliveries.retry(delivery, change)))
          throw new GatewayError('CONFLICT', `The delivery ${id} did not fail, or is tried now.`)
      })
      return documentOf((await deliveries.list({ id, limit: 1 }))[0] ?? delivery)
    },
  )

  async function personOf(name: string, people: boolean, needsAddress: boolean) {
    const user = await users.get(name)
    if (user === undefined) throw notFound(`There is no user ${name}.`)
    if (!people) throw new GatewayError('BAD_REQUEST', 'This channel does not reach people one by one.')
    if (needsAddress && user.email === undefined)
      throw new GatewayError('BAD_REQUEST', `${name} has no e-mail address.`)
    return { user: name, address: user.email ?? '' }
  }
}

function documentOf({ user, at, deliveredAt, nextAt, words, ...rest }: ListedDelivery): NotificationDelivery {
  const time = (ms: number | undefined) => (ms === undefined ? null : isoTime(ms))
  return {
    ...rest,
    ...{ user: user ?? null, at: isoTime(at), deliveredAt: time(deliveredAt), nextAt: time(nextAt) },
    words: words ?? null,
  }
}
