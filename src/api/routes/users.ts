/** Users: who there is, which factors they have enrolled, and what was tried for them. */

import { z } from 'zod'
import type { EnrolledSince } from '../../identity/factors/factors.ts'
import { userSchema } from '../../identity/user.ts'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { audited } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, namePageSchema, pageOf, timeSchema } from './route.ts'

const userAnswerSchema = userSchema.extend({
  factors: z.array(z.object({ kind: z.string(), updatedAt: timeSchema })),
})
export type UserAnswer = z.output<typeof userAnswerSchema>

const failuresSchema = z.object({
  factor: z.string(),
  /** The known network from where they came; `null`: all others. */
  network: z.string().nullable(),
  tries: z.number(),
  /** Until when no try is looked at; `null`: it is not locked. */
  lockedUntil: timeSchema.nullable(),
})
/** `failures`: `null` while the gateways cannot reach each other, and so nobody knows. */
const oneUserSchema = userAnswerSchema.extend({ failures: z.array(failuresSchema).nullable() })
export type OneUserAnswer = z.output<typeof oneUserSchema>

const params = z.object({ name: nameSchema })
export function users(app: ApiRoutes, { users, factors, lockout, audit, clock }: ApiParts): void {
  const tags = ['users']

  app.get(
    '/v1/users',
    {
      schema: {
        summary: 'Users: all of them, or a page',
        tags,
        querystring: namePageSchema,
        response: { 200: z.object({ users: z.array(userAnswerSchema) }) },
      },
    },
    async ({ query }) => {
      const page = await pageOf(users, query)
      const enrolled = await factors.listOf(page.map(({ name }) => name))
      return { users: page.map(user => withFactors(user, enrolled.get(user.name))) }
    },
  )

  app.get(
    '/v1/users/:name',
    {
      schema: {
        summary: 'One user, with the failed tries that are remembered',
        tags,
        params,
        response: { 200: oneUserSchema },
      },
    },
    async ({ params: { name } }) => ({
      ...withFactors(await existing(name), await factors.list(name)),
      failures: await failuresOf(name),
    }),
  )

  app.post(
    '/v1/users/:name/unlock',
    {
      schema: {
        summary: "Forgets a user's failed tries at passwords and codes, and ends the locks that came of them",
        tags,
        params,
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name }, caller }, reply) => {
      await existing(name)
      const event = { kind: 'user.unlocked' as const, actor: caller.actor, data: { user: name } }
      await audited(audit, event, () => lockout.unlock(name))
      return reply.code(204).send()
    },
  )

  async function failuresOf(name: string): Promise<OneUserAnswer['failures']> {
    try {
      const failures = await lockout.failuresOf(name)
      return failures.map(({ factor, network, tries, lockedForMs }) => ({
        factor,
        network: network ?? null,
        tries,
        lockedUntil: lockedForMs === 0 ? null : isoTime(clock.now() + lockedForMs),
      }))
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'CLUSTER_UNAVAILABLE') return null
      throw error
    }
  }

  async function existing(name: string) {
    const user = await users.get(name)
    if (user === undefined) throw notFound(`There is no user ${name}.`)
    return user
  }
}

function withFactors(user: z.output<typeof userSchema>, enrolled: readonly EnrolledSince[] = []): UserAnswer {
  return { ...user, factors: enrolled.map(({ kind, updatedAt }) => ({ kind, updatedAt: isoTime(updatedAt) })) }
}
