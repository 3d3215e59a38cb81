/** What the caller is told of, by which channels, and choosing that. */

import { z } from 'zod'
import { GatewayError } from '../../shared/errors.ts'
import type { Caller } from '../authentication.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

const choicesSchema = z.object({
  /** The channels that reach people. */
  channels: z.array(z.string()),
  kinds: z.array(
    z.object({
      kind: z.string(),
      meaning: z.string(),
      /** The channels that tell of it. */
      by: z.array(z.string()),
    }),
  ),
})
export type NotificationChoices = z.output<typeof choicesSchema>

const choiceSchema = z.strictObject({
  /** A kind, a group (`request.*`), or `*`. */
  kind: z.string().max(64),
  channel: z.string().max(64).default('*'),
  wanted: z.boolean(),
})

export function ownNotifications(app: ApiRoutes, { ownChoices, users }: ApiParts): void {
  const tags = ['own']

  app.get(
    '/v1/own/notifications',
    { schema: { summary: 'What one is told of, and by which channels', tags, response: { 200: choicesSchema } } },
    async ({ caller }) => answerFor(await userOf(caller)),
  )

  app.put(
    '/v1/own/notifications',
    {
      schema: {
        summary: 'Chooses whether one is told of a kind, or a group of kinds, by a channel or all of them',
        tags,
        body: choiceSchema,
        response: { 200: choicesSchema },
      },
    },
    async ({ body, caller }) => {
      const user = await userOf(caller)
      await ownChoices.choose(user, body)
      return answerFor(user)
    },
  )

  async function answerFor(user: string): Promise<NotificationChoices> {
    const { channels, kinds } = await ownChoices.of(user)
    return { channels: [...channels], kinds: kinds.map(({ by, ...kind }) => ({ ...kind, by: [...by] })) }
  }

  async function userOf({ actor }: Caller): Promise<string> {
    const user = await users.get(actor)
    if (user !== undefined && !user.disabled) return user.name
    throw new GatewayError('BAD_REQUEST', 'The owner of the gateway is no user: nothing here is their own.')
  }
}
