/**
 * Credentials: versions are added, one of them is in force, those above it are candidates, and each opens only in its own place and for the
 * target that it was confirmed for.
 */

import { type Change, changeOf } from '../database/change.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress, NAME_PATTERN } from '../shared/names.ts'
import { identityOf, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import { createAccountVersions, ifWhole, type VersionParts } from './account-versions.ts'
import { sealBinding } from './binding.ts'
import { createConfirmation } from './confirm-credentials.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from './credential.ts'
import type { CredentialMaterial } from './lease.ts'
import { createSealedVersions, type Form, stricterOf } from './sealed-versions.ts'
import type { Standing } from './standing.ts'
import { createVersionFacts } from './version-facts.ts'
import { addressOf, createVersionRows, type Page, type StoredVersion } from './version-rows.ts'

/** Why a version was stored. */
export const CAUSES = ['typed', 'imported', 'generated', 'rotated', 'restored', 'reconciled'] as const
export type Cause = (typeof CAUSES)[number]

/** Who stores a version, and why. */
export interface Origin {
  readonly by: string
  readonly cause: Cause
  /** Of a rotation: `interval`, `check-in`. */
  readonly trigger?: string
}

export type InForce =
  /** `open` throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
  { readonly version: number; readonly open: () => CredentialMaterial } | { readonly unconfirmed: string } | undefined

export interface ListedCredential extends AccountAddress {
  readonly version: number
  readonly kind: CredentialMaterial['kind']
  readonly createdAt: number
  readonly createdBy: string
  /** Why it is not lent until somebody confirms it; undefined: it is. */
  readonly unconfirmed: string | undefined
}

/** What is stored of a version that comes in, or of one that is copied. The bytes are the caller's to erase. */
interface Content {
  readonly kind: string
  readonly bytes: Buffer
  readonly publicKey: Buffer | undefined
  readonly copyOf?: number
}

export function createCredentials({ database, clock, targets, ...sealing }: VersionParts & { readonly clock: Clock }) {
  const rows = createVersionRows({ database })
  const versions = createSealedVersions(sealing)
  const facts = createVersionFacts(sealing)
  const accounts = createAccountVersions({ database, targets, ...sealing })
  const { needIdentity, bindingOf, read, stand, publicStanding, needInForce, putInForce, openWithin, needVersion } =
    accounts

  function add(
    address: AccountAddress,
    { kind, bytes, publicKey, copyOf }: Content,
    { by, cause, trigger }: Origin,
    { form, identity }: { form: Form; identity: TargetIdentity },
    change: Change,
  ): Promise<number> {
    return rows.add(
      address,
      version => {
        const now = clock.now()
        const of = {
          ...{ kind, created_at: now, created_by: by, cause, trigger: trigger ?? null, copy_of: copyOf ?? null },
          ...{ current_at: form === 'in-force' ? now : null, verified_at: null, verified_result: null, pinned: 0 },
        }
        return {
          ...{ ...of, ...versions.seal({ ...address, version }, form, identity, bytes), sealed: '' },
          public: publicKey === undefined ? null : versions.sealPublic({ ...address, version }, publicKey),
          facts: facts.seal({ ...address, version }, of),
        }
      },
      change,
      async (inside, version) => {
        if (form === 'candidate') return
        const sealed = sealBinding(sealing, address, { version, identity })
        await inside
          .insertInto('credential_bindings')
          .values({ ...addressOf(address), sealed, in_force: version })
          .onConflict(conflict => conflict.columns(['account', 'target']).doUpdateSet({ sealed, in_force: version }))
          .execute()
      },
    )
  }

  async function accept<T>(material: CredentialMaterial, use: (content: Content) => Promise<T>): Promise<T> {
    const accepted = await acceptMaterial(material)
    const bytes = encodeMaterial(accepted)
    const publicKey = accepted.kind === 'private-key' ? accepted.publicKey : undefined
    try {
      return await use({ kind: accepted.kind, bytes, publicKey })
    } finally {
      bytes.fill(0)
    }
  }

  return {
    ...createConfirmation({ accounts, rows, targets }),

    /** Stores a new version and puts it in force, for the target as it is now. Throws `NOT_FOUND` where there is none. */
    async add(address: AccountAddress, material: CredentialMaterial, origin: Origin, change = changeOf(database)) {
      checkAddress(address)
      return await accept(material, async content =>
        add(address, content, origin, { form: 'in-force', identity: await needIdentity(address) }, change),
      )
    },

    /** Stores a candidate: sealed, and not lent before it is in force. Throws `NOT_FOUND`, and `CONFLICT` where the account must be confirmed. */
    async prepare(address: AccountAddress, material: CredentialMaterial, origin: Origin, change = changeOf(database)) {
      checkAddress(address)
      const identity = await needIdentity(address)
      const found = await read(address)
      const standing = found === undefined ? { state: 'none' as const } : stand(found, identity)
      if (standing.state === 'unconfirmed') needInForce(address, standing)
      return await accept(material, content => add(address, content, origin, { form: 'candidate', identity }, change))
    },

    /**
     * Puts a candidate in force. `replacing`: the version that is in force until then, 0 for none. Throws `CONFLICT` where another is by
     * now, where it is no candidate, and where the target is not any more what it was prepared for.
     */
    async makeCurrent(
      address: AccountAddress,
      version: number,
      { replacing }: { readonly replacing: number },
      change = changeOf(database),
    ): Promise<void> {
      const name = formatAccountAddress(address)
      const now = await needIdentity(address)
      const found = await read(address)
      if (found === undefined) throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
      const standing = stand(found, now)
      const inForce = standing.state === 'none' ? undefined : needInForce(address, standing)
      const moved = () =>
        new GatewayError('CONFLICT', `Version ${replacing} of ${name} is not in force any more; nothing was changed.`)
      if ((inForce?.row.version ?? 0) !== replacing) throw moved()
      const candidate = found.find(row => row.version === version && version > replacing)
      if (candidate === undefined)
        throw new GatewayError('CONFLICT', `Version ${version} of ${name} is no candidate; restore it instead.`)
      const { bytes, identity: prepared } = openWithin(candidate, now)
      try {
        const identity = inForce === undefined ? prepared : stricterOf(inForce.binding.identity, prepared)
        if (identity === undefined)
          throw new GatewayError(
            'CONFLICT',
            `The target ${address.target} changed since version ${version} was prepared.`,
          )
        if (!(await putInForce(candidate, { bytes, identity }, change, { current_at: clock.now() }))) throw moved()
      } finally {
        bytes.fill(0)
      }
    },

    /**
     * Opens any version for a target with this entry. Throws `NOT_FOUND`, `CONFLICT` where it was confirmed for another one, or the account
     * must be confirmed, and `VAULT_DAMAGED`.
     */
    async openVersion(address: AccountAddress, version: number, entry: Target): Promise<CredentialMaterial> {
      const now = identityOf(entry, address.account)
      const row = await needVersion(address, version)
      const confirmed = bindingOf([row])
      if (confirmed !== undefined && !staysWithin(now, confirmed.identity)) {
        const why = `the target's identity changed since it was confirmed`
        throw new GatewayError(
          'CONFLICT',
          `The credential ${formatAccountAddress(address)} must be confirmed first: ${why}.`,
        )
      }
      const { bytes } = openWithin(row, now)
      try {
        return decodeMaterial(bytes)
      } finally {
        bytes.fill(0)
      }
    },

    /**
     * Puts in force what an earlier version holds, as a new version. Throws `NOT_FOUND`, and `CONFLICT` where that version is not for the
     * target as it is now: it was never confirmed for that.
     */
    async restore(address: AccountAddress, version: number, by: string, change = changeOf(database)): Promise<number> {
      const name = formatAccountAddress(address)
      const now = await needIdentity(address)
      const row = await needVersion(address, version)
      const found = (await read(address))!
      const standing = stand(found, now)
      if (standing.state === 'in-force' && standing.row.version === version)
        throw new GatewayError('CONFLICT', `Version ${version} of ${name} is in force already.`)
      const confirmed = bindingOf(found)?.identity
      if (confirmed === undefined || !staysWithin(now, confirmed)) needInForce(address, standing)
      const { bytes } = openWithin(row, now)
      try {
        const material = decodeMaterial(bytes)
        const publicKey = material.kind === 'private-key' ? material.publicKey : undefined
        const content = { kind: row.kind, bytes, publicKey, copyOf: version }
        return await add(address, content, { by, cause: 'restored' }, { form: 'in-force', identity: now }, change)
      } finally {
        bytes.fill(0)
      }
    },

    /** The version in force of accounts that have one, by target and account, and why it is not lent, where it is not. */
    async list(page: Page): Promise<ListedCredential[]> {
      const accounts = await rows.page(page)
      const entries = await targets.getAll([...new Set(accounts.map(([{ target }]) => target))])
      const byName = new Map(entries.map(entry => [entry.name, entry]))
      return accounts.flatMap(found => {
        const entry = byName.get(found[0].target)
        const standing = publicStanding(found, entry && identityOf(entry, found[0].account))
        if (standing === undefined) return []
        const { version, unconfirmed } = standing
        return [{ ...listed(found.find(row => row.version === version) ?? found[0]), unconfirmed }]
      })
    },

    /** The number of the version in force, 0 where none ever was; undefined where what says so does not open. */
    async inForce(address: AccountAddress): Promise<number | undefined> {
      const found = await read(address)
      if (found === undefined || found[0].binding === null) return 0
      return ifWhole(() => bindingOf(found))?.version
    },

    /**
     * The version in force for `now`, the target that it is to be sent to, still sealed; undefined when there is none. Throws `VAULT_DAMAGED` or
     * `VAULT_KEY_MISMATCH`.
     */
    async findInForce(address: AccountAddress, now: TargetIdentity): Promise<InForce> {
      const found = await read(address)
      const standing: Standing = found === undefined ? { state: 'none' } : stand(found, now)
      if (standing.state === 'none') return undefined
      if (standing.state === 'unconfirmed') return { unconfirmed: standing.why }
      const { row, binding } = standing
      const open = () => {
        const bytes = versions.open(row, 'in-force', binding.identity)
        try {
          return decodeMaterial(bytes)
        } finally {
          bytes.fill(0)
        }
      }
      return { version: row.version, open }
    },
  }
}

function checkAddress({ account, target }: AccountAddress): void {
  if (NAME_PATTERN.test(account) && NAME_PATTERN.test(target)) return
  throw new GatewayError('BAD_REQUEST', 'An account is named account@target, for example root@web-01.')
}

function listed({ account, target, version, kind, created_at: createdAt, created_by: createdBy }: StoredVersion) {
  return { account, target, version, kind: kind as CredentialMaterial['kind'], createdAt, createdBy }
}
