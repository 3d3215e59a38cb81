/** API tokens: making one (shown this once), listing them, and revoking one. */

import { z } from 'zod'
import type { TokenFacts } from '../../identity/tokens.ts'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { EARLIER_SCOPES, formatScopes, parseScopes, SCOPES } from '../../shared/scopes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import { personalTokenOf, personalTokensSchema } from './personal-token.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const tokenSchema = z.object({
  name: z.string(),
  user: z.string(),
  /** As it was asked for: one of the earlier versions' words, or scopes with commas between them. */
  scope: z.string(),
  /** What that means. */
  scopes: z.array(z.enum(SCOPES)),
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
  /** A list of scopes, or one word of earlier versions: `auditor`, `revealer`, `admin`, `credentials`. */
  scope: z.union(
    [z.enum(Object.keys(EARLIER_SCOPES) as (keyof typeof EARLIER_SCOPES)[]), z.array(z.enum(SCOPES)).min(1)],
    `a list of ${SCOPES.join(', ')}; or one of ${Object.keys(EARLIER_SCOPES).join(', ')}`,
  ),
  /** Not given: it does not expire. */
  expiresAt: timeSchema.optional(),
})

export function tokens(app: ApiRoutes, { tokens, personalAccess, users, audit, clock }: ApiParts): void {
  const tags = ['tokens']

  app.get(
    '/v1/tokens',
    {
      schema: { summary: 'All tokens', tags, response: { 200: z.object({ tokens: z.array(tokenSchema) }) } },
    },
    async () => ({ tokens: (await tokens.list()).map(tokenOf) }),
  )

  app.post(
    '/v1/tokens',
    {
      schema: {
        summary: 'Makes a token; its text is in this answer and never again',
        tags,
        body: newTokenSchema,
        response: { 201: z.object({ token: z.string() }) },
      },
    },
    async ({ body: { name, user, scope, expiresAt }, caller }, reply) => {
      // It would outlast the roles that give this caller the right to make it.
      if (caller.personal !== undefined)
        throw new GatewayError('FORBIDDEN', 'A personal token makes no tokens: the owner does, or a token of the API.')
      const wanted = typeof scope === 'string' ? scope : formatScopes(scope)
      // Else who may make tokens could make the right to confirm credentials, too.
      mustHave(
        caller,
        parseScopes(wanted)!,
        missing => `A token with the scope ${missing} is made by the owner, on the gateway's machine.`,
      )
      const known = await users.get(user)
      if (known === undefined || known.disabled) throw notFound(`There is no user ${user}, or it is disabled.`)
      const end = expiresAt === undefined ? undefined : Date.parse(expiresAt)
      if (end !== undefined && end <= clock.now())
        throw new GatewayError('BAD_REQUEST', 'expiresAt: this time has passed already.')
      const data = { name, user, scope: wanted, expiresAt: expiresAt ?? null }
      const token = await auditedChange(audit, { kind: 'token.created', actor: caller.actor, data }, change =>
        tokens.create({ name, user, scope: wanted, expiresAt: end }, change),
      )
      // The one place where a token's text leaves: its holder must get it.
      return reply.code(201).header('cache-control', 'no-store').send({ token: token.reveal() })
    },
  )

  app.delete(
    '/v1/tokens/:name',
    {
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

  app.get(
    '/v1/users/:name/tokens',
    {
      schema: {
        summary: 'The personal tokens of a user',
        tags,
        params: z.object({ name: nameSchema }),
        response: { 200: personalTokensSchema },
      },
    },
    async ({ params: { name } }) => {
      if ((await users.get(name)) === undefined) throw notFound(`There is no user ${name}.`)
      return { tokens: (await personalAccess.list(name)).map(token => personalTokenOf(token, personalAccess)) }
    },
  )

  app.delete(
    '/v1/users/:name/tokens/:token',
    {
      schema: {
        summary: "Revokes a user's personal token at once",
        tags,
        params: z.object({ name: nameSchema, token: nameSchema }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name, token }, caller: { actor } }, reply) => {
      if (!(await personalAccess.revoke(name, token, { actor }))) throw notFound(`${name} has no token ${token}.`)
      return reply.code(204).send()
    },
  )
}

function tokenOf({ createdAt, expiresAt, scopes, ...rest }: TokenFacts): Token {
  return {
    ...rest,
    scopes: [...scopes],
    createdAt: isoTime(createdAt),
    expiresAt: expiresAt === undefined ? null : isoTime(expiresAt),
  }
}
