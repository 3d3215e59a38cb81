/** API tokens: making one (shown this once), listing them, and revoking one. */

import { z } from 'zod'
import { SCOPES, type TokenFacts } from '../../identity/tokens.ts'
import { GatewayError } from '../../shared/errors.ts'
import { auditedChange } from '../audited.ts'
import { includesScope } from '../authentication.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, isoTime, nameSchema, timeSchema } from './route.ts'

const tokenSchema = z.object({
  name: z.string(),
  user: z.string(),
  scope: z.enum(SCOPES),
  createdAt: timeSchema,
  expiresAt: timeSchema.nullable(),
  /** False: its row was not made by this gateway, and lets nobody in. */
  genuine: z.boolean(),
})
export type Token = z.output<typeof tokenSchema>

const newTokenSchema = z.strictObject({
  name: nameSchema,
  /** The user that the token speaks for. */
  user: nameSchema,
  scope: z.enum(SCOPES),
  /** Not given: it does not expire. */
  expiresAt: timeSchema.optional(),
})

export function tokens(app: ApiRoutes, { tokens, users, audit, clock }: ApiParts): void {
  const tags = ['tokens']

  app.get(
    '/v1/tokens',
    {
      config: { scope: 'admin' },
      schema: { summary: 'All tokens', tags, response: { 200: z.object({ tokens: z.array(tokenSchema) }) } },
    },
    async () => ({ tokens: (await tokens.list()).map(tokenOf) }),
  )

  app.post(
    '/v1/tokens',
    {
      config: { scope: 'admin' },
      schema: {
        summary: 'Makes a token; its text is in this answer and never again',
        tags,
        body: newTokenSchema,
        response: { 201: z.object({ token: z.string() }) },
      },
    },
    async ({ body: { name, user, scope, expiresAt }, caller }, reply) => {
      // Else who may make tokens could make the right to confirm credentials, too.
      if (!includesScope(caller.scope, scope)) {
        throw new GatewayError(
          'FORBIDDEN',
          `A token with the scope ${scope} is made by the owner, on the gateway's machine.`,
        )
      }
      const known = await users.get(user)
      if (known === undefined || known.disabled) throw notFound(`There is no user ${user}, or it is disabled.`)
      const end = expiresAt === undefined ? undefined : Date.parse(expiresAt)
      if (end !== undefined && end <= clock.now())
        throw new GatewayError('BAD_REQUEST', 'expiresAt: this time has passed already.')
      const data = { name, user, scope, expiresAt: expiresAt ?? null }
      const token = await auditedChange(audit, { kind: 'token.created', actor: caller.actor, data }, change =>
        tokens.create({ name, user, scope, expiresAt: end }, change),
      )
      // The one place where a token's text leaves: its holder must get it.
      return reply.code(201).header('cache-control', 'no-store').send({ token: token.reveal() })
    },
  )

  app.delete(
    '/v1/tokens/:name',
    {
      config: { scope: 'admin' },
      schema: {
        summary: 'Revokes a token at once',
        tags,
        params: z.object({ name: nameSchema }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name }, caller }, reply) => {
      if (!(await tokens.list()).some(token => token.name === name)) throw notFound(`There is no token ${name}.`)
      await auditedChange(audit, { kind: 'token.revoked', actor: caller.actor, data: { name } }, change =>
        tokens.revoke(name, change),
      )
      return reply.code(204).send()
    },
  )
}

function tokenOf({ createdAt, expiresAt, ...rest }: TokenFacts): Token {
  return { ...rest, createdAt: isoTime(createdAt), expiresAt: expiresAt === undefined ? null : isoTime(expiresAt) }
}
