/** The versions of a credential: their history, putting one in force again, keeping one, making one. None of their secrets comes out. */

import { z } from 'zod'
import { makePassword, makePrivateKeyOf } from '../../rotation/candidate.ts'
import { passwordRuleSchema } from '../../rotation/policies/password-rule.ts'
import type { ProbeOutcome } from '../../rotation/restore/outcome.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { fingerprint } from '../../shared/ssh-encoding/fingerprint.ts'
import { WireReader } from '../../shared/ssh-encoding/wire.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { CAUSES } from '../../vault/credentials.ts'
import { type CredentialMaterial, eraseMaterial } from '../../vault/lease.ts'
import { FACTS_ARE } from '../../vault/version-facts.ts'
import { type CredentialVersion, VERIFICATION_RESULTS } from '../../vault/version-history.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, addressSchema, timeSchema } from './route.ts'

const time = timeSchema.nullable()

/** Of a key pair; null: a password, or what an earlier gateway stored. */
const publicKeySchema = z.object({ fingerprint: z.string(), line: z.string() }).nullable()

const versionSchema = z.object({
  account: z.string(),
  target: z.string(),
  version: z.number(),
  kind: z.string(),
  createdAt: timeSchema,
  createdBy: z.string(),
  /** Why it was stored; null: by an earlier gateway, which did not say. */
  cause: z.enum(CAUSES).nullable(),
  /** What set off the rotation that made it. */
  trigger: z.string().nullable(),
  /** The version that it holds again. */
  restoredFrom: z.number().nullable(),
  inForceAt: time,
  verifiedAt: time,
  verifiedResult: z.enum(VERIFICATION_RESULTS).nullable(),
  /** To a session or a check-out. */
  lentAt: time,
  pinned: z.boolean(),
  /** In force: what is lent. */
  current: z.boolean(),
  /** Newer than the one in force, and not lent. */
  candidate: z.boolean(),
  publicKey: publicKeySchema,
  /** `sealed`: the vault vouches for what is said here. `unsealed`: an earlier gateway stored it. `altered`: somebody changed the row in the store. */
  facts: z.enum(FACTS_ARE),
})
export type Credential = z.output<typeof versionSchema>

const KEY_TYPES = { ed25519: 'ssh-ed25519', ecdsa: 'ecdsa-sha2-nistp256', rsa: 'ssh-rsa' } as const
const generatedSchema = z.object({ version: z.number(), current: z.boolean(), publicKey: publicKeySchema })
export type Generated = z.output<typeof generatedSchema>

const restoredSchema = z.object({ version: z.number(), restored: z.number(), verified: z.boolean() })
export type Restored = z.output<typeof restoredSchema>

const triedSchema = z.object({
  version: z.number(),
  result: z.enum(['works', 'refused', 'unreachable', 'withheld', 'damaged']),
  words: z.string(),
})
const probedSchema = z.object({
  result: z.enum(['restored', 'found', 'in-force', 'none', 'stopped', 'unreachable']),
  /** The version that logs in. */
  lives: z.number().nullable(),
  /** The one in force now. */
  version: z.number().nullable(),
  tried: z.array(triedSchema),
  untried: z.array(z.number()),
})
export type Probed = z.output<typeof probedSchema>

export function credentialVersions(app: ApiRoutes, parts: ApiParts): void {
  const { audit, database, restores, retention, rotationPolicies, rotationTriggers, targets, vault } = parts
  const tags = ['credentials']
  const path = '/v1/credentials/:target/:account'

  app.get(
    path,
    {
      schema: {
        summary: 'All versions of one credential, newest first: when, why, by whom; verified and lent when',
        tags,
        params: addressSchema,
        response: { 200: z.object({ credentials: z.array(versionSchema) }) },
      },
    },
    async ({ params }) => ({ credentials: (await vault.history(params)).map(documentOf) }),
  )

  app.post(
    `${path}/restore`,
    {
      schema: {
        summary:
          'Puts an earlier version of a credential in force again, once a login at the target has shown that it works',
        tags,
        params: addressSchema,
        /** `unverified`: also where the target does not answer. */
        body: z.strictObject({ version: z.number().int().min(1), unverified: z.boolean().default(false) }),
        response: { 201: restoredSchema },
      },
    },
    async ({ params, body: { version, unverified }, caller }, reply) => {
      const restored = await restores.restore(params, version, { by: caller.actor, unverified }, untilGone(reply))
      await retention.apply(params)
      return reply.code(201).send(restored)
    },
  )

  app.post(
    `${path}/probe`,
    {
      schema: {
        summary:
          'Tries the versions of a credential at the target, newest first, and puts the one that logs in in force',
        tags,
        params: addressSchema,
        /** `dryRun`: only says which one it is. */
        body: z.strictObject({ dryRun: z.boolean().default(false) }).prefault({}),
        response: { 200: probedSchema },
      },
    },
    async ({ params, body: { dryRun }, caller }, reply) =>
      probed(await restores.probe(params, { by: caller.actor, dryRun }, untilGone(reply))),
  )

  app.put(
    `${path}/versions/:version/pinned`,
    {
      schema: {
        summary: 'Says whether a version stays, however old it gets',
        tags,
        params: addressSchema.extend({ version: z.coerce.number().int().min(1) }),
        body: z.strictObject({ pinned: z.boolean() }),
        response: { 200: z.object({ version: z.number(), pinned: z.boolean() }) },
      },
    },
    async ({ params: { version, ...address }, body: { pinned }, caller }) => {
      const kind = pinned ? 'credential.pinned' : 'credential.unpinned'
      await auditedChange(audit, { kind, actor: caller.actor, data: { ...address, version } }, change =>
        vault.pinVersion(address, version, pinned, change),
      )
      return { version, pinned }
    },
  )

  app.post(
    `${path}/generate`,
    {
      schema: {
        summary:
          'Makes a key pair or a password as a new version: a candidate, until it is restored; in force at once where nothing is. A key shows its public half',
        tags,
        params: addressSchema,
        body: z.strictObject({ type: z.enum(['ed25519', 'ecdsa', 'rsa', 'password']).default('ed25519') }).prefault({}),
        response: { 201: generatedSchema },
      },
    },
    async ({ params, body: { type }, caller }, reply) => {
      const material = await generate(params, type)
      try {
        // For the target as it is now; whoever may confirm says so where it is another.
        const standing = await vault.standing(params)
        const data = { ...params, kind: material.kind, type }
        const version = await auditedChange(
          audit,
          { kind: 'credential.generated', actor: caller.actor, data },
          change =>
            standing === undefined
              ? vault.setCredential(params, material, caller.actor, change, 'generated')
              : vault.prepareVersion(params, material, { by: caller.actor, cause: 'generated' }, change),
        )
        await rotationTriggers.credentialStored(database)
        const made = (await vault.history(params)).find(each => each.version === version)
        const publicKey = made === undefined ? null : documentOf(made).publicKey
        return reply.code(201).send({ version, current: standing === undefined, publicKey })
      } finally {
        eraseMaterial(material)
      }
    },
  )

  /** Throws `NOT_FOUND`, and `BAD_REQUEST` for a key where the protocol takes passwords alone. */
  async function generate(
    address: AccountAddress,
    type: 'password' | keyof typeof KEY_TYPES,
  ): Promise<CredentialMaterial> {
    const target = await targets.get(address.target)
    if (target === undefined) throw notFound(`There is no target ${address.target}.`)
    const account = target.accounts.find(({ name }) => name === address.account)
    if (account === undefined) throw notFound(`There is no account ${formatAccountAddress(address)}.`)
    if (account.logins !== undefined) {
      const why = 'has two names at its target, by turns: one is made by a rotation, which knows whose turn it is'
      throw new GatewayError('BAD_REQUEST', `The account ${formatAccountAddress(address)} ${why}.`)
    }
    if (type === 'password') {
      const policy = await rotationPolicies.of(target, account)
      return { kind: 'password', password: makePassword(policy?.password ?? passwordRuleSchema.parse({})) }
    }
    if (target.protocol !== 'ssh')
      throw new GatewayError('BAD_REQUEST', `An account of the protocol ${target.protocol} has a password, no key.`)
    return { kind: 'private-key', privateKey: await makePrivateKeyOf(KEY_TYPES[type]) }
  }
}

/** Aborts when nobody waits for the answer any more. */
function untilGone({ raw }: { raw: NodeJS.EventEmitter }): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => gone.abort())
  return gone.signal
}

function probed({ result, lives, version, tried, untried }: ProbeOutcome): Probed {
  return { result, lives: lives ?? null, version: version ?? null, tried: [...tried], untried: [...untried] }
}

function documentOf(version: CredentialVersion): Credential {
  const { account, target, kind, createdBy, cause = null, trigger = null, restoredFrom = null } = version
  const { verified, lentAt, inForceAt, pinned, current, candidate, publicKey } = version
  return {
    ...{ account, target, version: version.version, kind, createdAt: isoTime(version.createdAt), createdBy },
    ...{ cause, trigger, restoredFrom, pinned, current, candidate },
    ...{ inForceAt: timeOrNull(inForceAt), lentAt: timeOrNull(lentAt), verifiedAt: timeOrNull(verified?.at) },
    verifiedResult: verified?.result ?? null,
    publicKey: publicKey === undefined ? null : publicKeyOf(publicKey, version),
    facts: version.facts,
  }
}

/** As authorized_keys has it. */
function publicKeyOf(blob: Buffer, address: AccountAddress) {
  const type = new WireReader(blob).utf8()
  const line = `${type} ${blob.toString('base64')} ${formatAccountAddress(address)}`
  return { fingerprint: fingerprint(blob), line }
}

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : isoTime(ms)
}
