/** Users: who there is, which factors they have enrolled, and enrolling them. */

import { z } from 'zod'
import { userSchema } from '../../identity/user.ts'
import { scopesAtMost } from '../../policy/api-scopes.ts'
import { GatewayError } from '../../shared/errors.ts'
import { ENROLLED_FACTORS } from '../../shared/factors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { Secret } from '../../shared/secret.ts'
import { audited, auditedChange } from '../audited.ts'
import type { Caller } from '../authentication.ts'
import { notFound } from '../errors.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, isoTime, timeSchema } from './route.ts'

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
const password = z
  .string()
  .min(1)
  .max(1024)
  .transform(text => new Secret(text))

export function users(app: ApiRoutes, { users, roles, factors, lockout, audit, clock }: ApiParts): void {
  const tags = ['users']

  app.get(
    '/v1/users',
    {
      schema: {
        summary: 'All users',
        tags,
        response: { 200: z.object({ users: z.array(userAnswerSchema) }) },
      },
    },
    async () => ({ users: await Promise.all((await users.list()).map(withFactors)) }),
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
      ...(await withFactors(await existing(name))),
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

  app.put(
    '/v1/users/:name/password',
    {
      schema: {
        summary: "Sets a user's password",
        tags,
        params,
        body: z.strictObject({ password }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name }, body, caller }, reply) => {
      await mustOutrank(caller, await existing(name))
      await auditedChange(audit, changed(caller.actor, name, 'password', 'set'), change =>
        factors.setPassword(name, body.password, change),
      )
      return reply.code(204).send()
    },
  )

  app.post(
    '/v1/users/:name/totp',
    {
      schema: {
        summary: 'Enrols a new one-time-code secret, in place of an older one; it is in this answer and never again',
        tags,
        params,
        response: { 201: z.object({ secret: z.string(), url: z.string() }) },
      },
    },
    async ({ params: { name }, caller }, reply) => {
      await mustOutrank(caller, await existing(name))
      const { secret, url } = await auditedChange(audit, changed(caller.actor, name, 'totp', 'enrolled'), change =>
        factors.enrolTotp(name, change),
      )
      // The one place where it leaves: the person's authenticator must get it.
      return reply.code(201).header('cache-control', 'no-store').send({ secret: secret.reveal(), url: url.reveal() })
    },
  )

  app.delete(
    '/v1/users/:name/factors/:kind',
    {
      schema: {
        summary: 'Removes an enrolled factor',
        tags,
        params: params.extend({ kind: z.enum(ENROLLED_FACTORS) }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name, kind }, caller }, reply) => {
      const enrolled = await factors.list(name)
      if (!enrolled.some(factor => factor.kind === kind)) throw notFound(`${name} has no ${kind} enrolled.`)
      await auditedChange(audit, changed(caller.actor, name, kind, 'removed'), change =>
        factors.removeFactor(name, kind, change),
      )
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

  /** Who sets somebody's factors can log in as them. */
  async function mustOutrank(caller: Caller, { roles: held }: z.output<typeof userSchema>): Promise<void> {
    const given = scopesAtMost(await roles.heldBy({ roles: held, disabled: false }))
    mustHave(
      caller,
      given,
      missing => `The factors of a user with the scope ${missing} are set by the owner, or by who has that scope.`,
    )
  }

  async function withFactors(user: z.output<typeof userSchema>): Promise<UserAnswer> {
    const enrolled = await factors.list(user.name)
    return { ...user, factors: enrolled.map(({ kind, updatedAt }) => ({ kind, updatedAt: isoTime(updatedAt) })) }
  }
}

function changed(actor: string, user: string, factor: string, change: string) {
  return { kind: 'factor.changed' as const, actor, data: { user, factor, change } }
}
