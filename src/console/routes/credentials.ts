/** Credentials: which there are, in which versions, and storing a new one. Never one of them comes out. */

import { z } from 'zod'
import { Secret } from '../../shared/secret.ts'
import type { CredentialVersion } from '../../vault/credentials.ts'
import { audited } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, isoTime, nameSchema, timeSchema } from './route.ts'

const versionSchema = z.object({
  account: z.string(),
  target: z.string(),
  version: z.number(),
  kind: z.string(),
  createdAt: timeSchema,
  createdBy: z.string(),
})
export type Credential = z.output<typeof versionSchema>

const listSchema = z.object({ credentials: z.array(versionSchema) })
const addressSchema = z.object({ account: nameSchema, target: nameSchema })
const secret = z
  .string()
  .min(1)
  .transform(text => new Secret(text))
const materialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('password'), password: secret }),
  z.strictObject({ kind: z.literal('private-key'), privateKey: secret, passphrase: secret.optional() }),
])

export function credentials(app: ApiRoutes, { vault, targets, audit }: ApiParts): void {
  const tags = ['credentials']
  const path = '/v1/credentials/:target/:account'

  app.get(
    '/v1/credentials',
    {
      config: { scope: 'read' },
      schema: { summary: 'The newest version of every credential', tags, response: { 200: listSchema } },
    },
    async () => ({ credentials: (await vault.listCredentials()).map(versionOf) }),
  )

  app.get(
    path,
    {
      config: { scope: 'read' },
      schema: {
        summary: 'All versions of one credential, newest first',
        tags,
        params: addressSchema,
        response: { 200: listSchema },
      },
    },
    async ({ params }) => ({ credentials: (await vault.history(params)).map(versionOf) }),
  )

  app.put(
    path,
    {
      config: { scope: 'admin' },
      schema: {
        summary: 'Stores a new version of a credential',
        tags,
        params: addressSchema,
        body: materialSchema,
        response: { 201: z.object({ version: z.number() }) },
      },
    },
    async ({ params, body, caller }, reply) => {
      const target = await targets.get(params.target)
      if (target === undefined) throw notFound(`There is no target ${params.target}.`)
      if (!target.accounts.some(account => account.name === params.account))
        throw notFound(`The target ${params.target} has no account ${params.account}; add it with \`sallyport apply\`.`)
      const version = await audited(
        audit,
        { kind: 'credential.stored', actor: caller.actor, data: { ...params, kind: body.kind } },
        () => vault.setCredential(params, body, caller.actor),
      )
      return reply.code(201).send({ version })
    },
  )
}

function versionOf({ createdAt, ...rest }: CredentialVersion): Credential {
  return { ...rest, createdAt: isoTime(createdAt) }
}
