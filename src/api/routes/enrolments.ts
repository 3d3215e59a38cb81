/** Enrolling users' factors: each factor that is enrolled here has its route, and any of them is removed by one. */

import { z } from 'zod'
import { scopesAtMost } from '../../policy/api-scopes.ts'
import { GatewayError } from '../../shared/errors.ts'
import { ENROLLED_FACTORS, type EnrolledFactor } from '../../shared/factors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { Secret } from '../../shared/secret.ts'
import { auditedChange } from '../audited.ts'
import { type Caller, OWNER } from '../authentication.ts'
import { notFound } from '../errors.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

const tags = ['users']
const params = z.object({ name: nameSchema })
const password = z
  .string()
  .min(1)
  .max(1024)
  .transform(text => new Secret(text))

const ENROLMENTS: { readonly [F in EnrolledFactor]: (app: ApiRoutes, parts: ApiParts) => void } = {
  password: addPassword,
  totp: addTotp,
}

export function enrolments(app: ApiRoutes, parts: ApiParts): void {
  for (const add of Object.values(ENROLMENTS)) add(app, parts)
  addRemoval(app, parts)
}

function addPassword(app: ApiRoutes, parts: ApiParts): void {
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
      await mustOutrank(parts, caller, name)
      await auditedChange(parts.audit, changed(caller.actor, name, 'password', 'set'), change =>
        parts.factors.setPassword(name, body.password, change),
      )
      return reply.code(204).send()
    },
  )
}

function addTotp(app: ApiRoutes, parts: ApiParts): void {
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
      await mustOutrank(parts, caller, name)
      const { secret, url } = await auditedChange(
        parts.audit,
        changed(caller.actor, name, 'totp', 'enrolled'),
        change => parts.factors.enrolTotp(name, change),
      )
      // The one place where it leaves: the person's authenticator must get it.
      return reply.code(201).header('cache-control', 'no-store').send({ secret: secret.reveal(), url: url.reveal() })
    },
  )
}

function addRemoval(app: ApiRoutes, parts: ApiParts): void {
  const { factors, audit } = parts
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
      await mustOutrank(parts, caller, name)
      const enrolled = await factors.list(name)
      if (!enrolled.some(factor => factor.kind === kind)) throw notFound(`${name} has no ${kind} enrolled.`)
      await auditedChange(audit, changed(caller.actor, name, kind, 'removed'), change =>
        factors.removeFactor(name, kind, change),
      )
      return reply.code(204).send()
    },
  )
}

/** Who sets somebody's factors can log in as them; who takes them away keeps them from deciding. */
async function mustOutrank({ users, roles, proposals }: ApiParts, caller: Caller, name: string): Promise<void> {
  const user = await users.get(name)
  if (user === undefined) throw notFound(`There is no user ${name}.`)
  const given = scopesAtMost(await roles.heldBy({ roles: user.roles, disabled: false }))
  // Else whoever proposes a change could approve it, or have it proposed, in the name of somebody else.
  const isOfTwo = proposals.isApprover(user) || given.has('administrate')
  if (proposals.fourEyes !== undefined && isOfTwo && caller !== OWNER)
    throw new GatewayError(
      'FORBIDDEN',
      "The factors of whoever proposes or approves changes are set and removed by the owner, on the gateway's machine.",
    )
  mustHave(
    caller,
    given,
    missing =>
      `The factors of a user with the scope ${missing} are set and removed by the owner, or by who has that scope.`,
  )
}

function changed(actor: string, user: string, factor: EnrolledFactor, change: string) {
  return { kind: 'factor.changed' as const, actor, data: { user, factor, change } }
}
