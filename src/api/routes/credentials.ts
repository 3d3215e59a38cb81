/** Credentials: which there are, in which versions, and storing a new one. Never one of them comes out. */

import { z } from 'zod'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { type AccountAddress, formatAccountAddress, parseAccountAddress } from '../../shared/names.ts'
import { Secret } from '../../shared/secret.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { fingerprintOf, identityOf, identitySchema } from '../../targets/identity.ts'
import type { Target } from '../../targets/target.ts'
import { parseTotpSeed } from '../../vault/totp-seed.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, addressSchema, timeSchema } from './route.ts'

/** Why it is not lent until somebody confirms it; null: it is. */
const unconfirmed = z.string().nullable()
const listedSchema = z.object({
  account: z.string(),
  target: z.string(),
  version: z.number(),
  kind: z.string(),
  createdAt: timeSchema,
  createdBy: z.string(),
  unconfirmed,
})
export type ListedCredential = z.output<typeof listedSchema>

const listQuery = z.object({
  target: nameSchema.optional(),
  /** Those that come after this account@target: the last of a page gives the next one. */
  after: z
    .string()
    .transform(text => parseAccountAddress(text))
    .refine(address => address !== undefined, 'an account is named account@target')
    .optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
})
const listSchema = z.object({ credentials: z.array(listedSchema) })
const standingSchema = z.object({
  account: z.string(),
  target: z.string(),
  version: z.number(),
  /** The target's identity that it was confirmed for. */
  confirmed: identitySchema.nullable(),
  /** As the target's entry is now; null: the target is gone. */
  now: identitySchema.nullable(),
  /** Of `now`: what `confirm` is given. */
  fingerprint: z.string().nullable(),
  unconfirmed,
})
export type Standing = z.output<typeof standingSchema>

const secret = z
  .string()
  .min(1)
  .transform(text => new Secret(text))
/** Of the one-time codes that the target asks for as well: an otpauth:// address, or base 32. */
const totp = secret.optional()
/** Of an account with two names at its target: for which of them it is. */
const login = z.string().max(255).optional()
const materialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('password'), password: secret, totp, login }),
  z.strictObject({ kind: z.literal('private-key'), privateKey: secret, passphrase: secret.optional(), totp, login }),
])

export function credentials(
  app: ApiRoutes,
  { vault, targets, audit, database, proveTarget, dialTarget, retention, rotationTriggers }: ApiParts,
): void {
  const tags = ['credentials']
  const path = '/v1/credentials/:target/:account'

  app.get(
    '/v1/credentials',
    {
      schema: {
        summary: 'The version in force of every credential, by target and account',
        tags,
        querystring: listQuery,
        response: { 200: listSchema },
      },
    },
    async ({ query }) => ({
      credentials: (await vault.listCredentials(query)).map(({ createdAt, unconfirmed = null, ...each }) => ({
        ...each,
        createdAt: isoTime(createdAt),
        unconfirmed,
      })),
    }),
  )

  app.get(
    `${path}/standing`,
    {
      schema: {
        summary: 'Which identity of its target a credential was confirmed for, and which it has now',
        tags,
        params: addressSchema,
        response: { 200: standingSchema },
      },
    },
    async ({ params }) => standingOf(params),
  )

  app.post(
    `${path}/confirm`,
    {
      schema: {
        summary: 'Confirms that a credential may be sent to its target as that is now',
        tags,
        params: addressSchema,
        body: z.strictObject({ fingerprint: z.string().max(128) }),
        response: { 200: standingSchema },
      },
    },
    async ({ params, body: { fingerprint }, caller }) => {
      const { version, confirmed: before, now: after, unconfirmed: why } = await standingOf(params)
      const data = { ...params, version, why, before, after, fingerprint }
      await auditedChange(audit, { kind: 'credential.confirmed', actor: caller.actor, data }, change =>
        vault.confirmCredential(params, fingerprint, change),
      )
      return standingOf(params)
    },
  )

  app.post(
    `${path}/prove`,
    {
      schema: {
        summary:
          'Has the target prove that it is the one that was confirmed (a moved address, a further host key), and confirms it',
        tags,
        params: addressSchema,
        response: { 200: standingSchema },
      },
    },
    async ({ params, caller }) => {
      const target = await targets.get(params.target)
      const { version, confirmed: before, now: after, fingerprint, unconfirmed: why } = await standingOf(params)
      if (target === undefined || fingerprint === null) throw notFound(`There is no target ${params.target}.`)
      if (before === null)
        throw new GatewayError('BAD_REQUEST', 'It was never confirmed for a target that could prove itself.')
      const data = { ...params, version, why, before, after, fingerprint, by: 'proof' }
      await auditedChange(audit, { kind: 'credential.confirmed', actor: caller.actor, data }, async change => {
        const lend = async (entry: Target) => {
          // It leaves the vault without a session: that is in the log before it does.
          await audit.append({ kind: 'credential.used-for-proof', actor: caller.actor, data: { ...params, version } })
          return vault.openForProof(params, entry)
        }
        const dialer = dialTarget(target, caller.actor)
        await proveTarget({ target, account: params.account, confirmed: before, dialer, lend }).finally(() =>
          dialer.close(),
        )
        await vault.confirmCredential(params, fingerprintOf(identityOf(target, params.account)), change)
      })
      return standingOf(params)
    },
  )

  async function standingOf(address: AccountAddress): Promise<Standing> {
    const standing = await vault.standing(address)
    if (standing === undefined) throw notFound(`The vault holds no credential for ${formatAccountAddress(address)}.`)
    const { version, confirmed = null, now = null, unconfirmed = null } = standing
    return { ...address, version, confirmed, now, fingerprint: now && fingerprintOf(now), unconfirmed }
  }

  app.put(
    path,
    {
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
      const { totp: text, ...material } = body
      checkLogin(target, params.account, material.login)
      if (text !== undefined && target.protocol !== 'ssh')
        throw new GatewayError('BAD_REQUEST', `A target of the protocol ${target.protocol} asks for no one-time code.`)
      const totp = text === undefined ? {} : { totp: parseTotpSeed(text.reveal()) }
      const data = {
        ...{ ...params, kind: body.kind, ...(text === undefined ? {} : { withCodes: true }) },
        ...(material.login === undefined ? {} : { login: material.login }),
      }
      const { actor } = caller
      const version = await auditedChange(audit, { kind: 'credential.stored', actor, data }, change =>
        vault.setCredential(params, { ...material, ...totp }, actor, write =>
          change(async on => {
            const written = await write(on)
            if (written !== false) await rotationTriggers.credentialInForce(params, actor, on)
            return written
          }),
        ),
      )
      await retention.apply(params)
      await rotationTriggers.credentialStored(database)
      return reply.code(201).send({ version })
    },
  )
}

/** Of an account with two names at its target it must be said which of them a credential is for. */
function checkLogin(target: Target, name: string, login: string | undefined): void {
  const { logins } = target.accounts.find(account => account.name === name)!
  if (logins === undefined && login !== undefined)
    throw new GatewayError('BAD_REQUEST', `The account ${name} has one name at ${target.name}: leave login out.`)
  if (logins !== undefined && !logins.some(each => each === login))
    throw new GatewayError(
      'BAD_REQUEST',
      `The account ${name} has two names at ${target.name}, by turns: say with login (--login) for which this is, ${logins.join(' or ')}.`,
    )
}
