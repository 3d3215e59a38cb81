/**
 * Credentials: versions are added, one of them is in force, those above it are candidates, and each opens only in its own place and for the
 * target that it was confirmed for.
 */

import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress, NAME_PATTERN } from '../shared/names.ts'
import { fingerprintOf, identityOf, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import { openBinding, type Sealing, sealBinding } from './binding.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from './credential.ts'
import type { CredentialMaterial } from './lease.ts'
import { createSealedVersions, type Form, type OpenedVersion, stricterOf } from './sealed-versions.ts'
import { type Standing, standingOf } from './standing.ts'
import { createVersionFacts } from './version-facts.ts'
import { addressOf, createVersionRows, type Page, type StoredVersion, type StoredVersions } from './version-rows.ts'

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

/** How a credential stands to its target as that is now. */
export interface CredentialStanding {
  /** The one in force; where it is not lent, the one that is the reason. */
  readonly version: number
  /** What it was confirmed for; undefined: for nothing that can be read. */
  readonly confirmed: TargetIdentity | undefined
  /** Undefined where the target is gone. */
  readonly now: TargetIdentity | undefined
  /** Why it is not lent until somebody confirms it; undefined: it is. */
  readonly unconfirmed: string | undefined
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

/** The targets' entries: what credentials are bound to. */
export interface TargetEntries {
  get(name: string): Promise<Target | undefined>
  getAll(names: readonly string[]): Promise<Target[]>
}

interface Parts extends Sealing {
  readonly database: Database
  readonly clock: Clock
  readonly targets: TargetEntries
}

/** What is stored of a version that comes in, or of one that is copied. The bytes are the caller's to erase. */
interface Content {
  readonly kind: string
  readonly bytes: Buffer
  readonly publicKey: Buffer | undefined
  readonly copyOf?: number
}

export function createCredentials({ database, clock, targets, ...sealing }: Parts) {
  const rows = createVersionRows({ database })
  const versions = createSealedVersions(sealing)
  const facts = createVersionFacts(sealing)

  const entryIdentity = async ({ account, target }: AccountAddress): Promise<TargetIdentity | undefined> => {
    const entry = await targets.get(target)
    return entry === undefined ? undefined : identityOf(entry, account)
  }

  async function needIdentity(address: AccountAddress): Promise<TargetIdentity> {
    const identity = await entryIdentity(address)
    if (identity === undefined) throw new GatewayError('NOT_FOUND', `There is no target ${address.target}.`)
    return identity
  }

  /** Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
  const bindingOf = ([{ account, target, binding }]: StoredVersions) =>
    binding === null ? undefined : openBinding(sealing, { account, target }, binding)

  /** The version in force and what is above it; undefined where the account has no version. */
  async function read(address: AccountAddress): Promise<StoredVersions | undefined> {
    let found = await rows.fromInForce(address)
    if (found.length === 0) found = await rows.since(address, 0)
    if (!isSome(found)) return undefined
    const inForce = ifWhole(() => bindingOf(found as unknown as StoredVersions))?.version
    if (inForce === undefined || found.some(({ version }) => version === inForce)) return found
    // An earlier gateway moved it, and did not say so where rows are looked for.
    const all = await rows.since(address, inForce)
    return isSome(all) ? all : found
  }

  const stand = (found: StoredVersions, now: TargetIdentity | undefined): Standing =>
    standingOf(versions, found, bindingOf(found), now)

  function publicStanding(found: StoredVersions, now: TargetIdentity | undefined): CredentialStanding | undefined {
    try {
      const confirmed = bindingOf(found)?.identity
      const standing = stand(found, now)
      switch (standing.state) {
        case 'none':
          return undefined
        case 'in-force':
          return { version: standing.row.version, confirmed, now, unconfirmed: undefined }
        case 'unconfirmed':
          return { version: standing.version, confirmed, now, unconfirmed: standing.why }
      }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const unconfirmed = `${error.code}: ${error.message}`
      return { version: found[0].version, confirmed: undefined, now, unconfirmed }
    }
  }

  /** Which of them wait to be confirmed, with these entries of their targets. */
  function waitingOf(accounts: readonly StoredVersions[], entries: readonly Target[]): StoredVersions[] {
    const byName = new Map(entries.map(entry => [entry.name, entry]))
    return accounts.filter(found => {
      const entry = byName.get(found[0].target)
      const now = entry && identityOf(entry, found[0].account)
      return publicStanding(found, now)?.unconfirmed !== undefined
    })
  }

  /** What `standing` throws where nothing may be done with the account before somebody confirmed it. */
  function needInForce(address: AccountAddress, standing: Standing) {
    if (standing.state === 'in-force') return standing
    const name = formatAccountAddress(address)
    if (standing.state === 'none') throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
    throw new GatewayError('CONFLICT', `The credential ${name} must be confirmed first: ${standing.why}.`)
  }

  function damaged(row: StoredVersion): GatewayError {
    const name = formatAccountAddress(row)
    const next = `List the others with: sallyport credential history ${name}`
    return new GatewayError(
      'VAULT_DAMAGED',
      `Version ${row.version} of ${name} is damaged or was put there by hand. ${next}`,
    )
  }

  /**
   * Puts a version in force for an identity, sealed anew in that form. False when somebody else was faster, which is seen by the binding.
   */
  async function putInForce(
    row: StoredVersion,
    { bytes, identity }: { bytes: Buffer; identity: TargetIdentity },
    change: Change,
    also: { current_at?: number } = {},
  ): Promise<boolean> {
    const { account, target } = row
    const binding = { version: row.version, identity }
    const sealed = sealBinding(sealing, addressOf(row), binding)
    const rewritten = versions.seal(row, 'in-force', identity, bytes)
    return await change(async inside => {
      const { numInsertedOrUpdatedRows: written } = await inside
        .insertInto('credential_bindings')
        .values({ account, target, sealed, in_force: row.version })
        .onConflict(conflict =>
          conflict
            .columns(['account', 'target'])
            .doUpdateSet({ sealed, in_force: row.version })
            .where('credential_bindings.sealed', '=', row.binding ?? ''),
        )
        .executeTakeFirst()
      if (written !== 1n) return false
      await inside
        .updateTable('credentials')
        .set(rewritten)
        .where('account', '=', account)
        .where('target', '=', target)
        .where('version', '=', row.version)
        .execute()
      if (also.current_at !== undefined) await facts.change(inside, row, also)
      return true
    })
  }

  /** The version in force, or what an earlier gateway stored, for another identity. False when somebody else was faster. */
  async function rebind(row: StoredVersion, identity: TargetIdentity, change = changeOf(database)): Promise<boolean> {
    const opened = row.bound === null ? { bytes: versions.openUnbound(row) } : openAny(row, [identity])
    try {
      return await putInForce(row, { bytes: opened.bytes, identity }, change)
    } finally {
      opened.bytes.fill(0)
    }
  }

  /** Whatever it was confirmed for. Throws `VAULT_DAMAGED`. */
  function openAny(row: StoredVersion, others: readonly TargetIdentity[]): OpenedVersion {
    const confirmed = row.binding === null ? undefined : ifWhole(() => bindingOf([row]))?.identity
    const opened = versions.tryOpen(row, [confirmed, ...others])
    if (opened === undefined) throw damaged(row)
    return opened
  }

  /**
   * A version that may be sent to a target with this identity. Throws `CONFLICT` where it was confirmed for another one, `VAULT_DAMAGED`.
   */
  function openWithin(row: StoredVersion, now: TargetIdentity): OpenedVersion {
    const name = `Version ${row.version} of ${formatAccountAddress(row)}`
    if (row.bound === null) {
      const why = 'was stored by a version of the gateway that bound credentials to no target'
      throw new GatewayError(
        'CONFLICT',
        `${name} ${why}: it is not sent to one. Store it anew: sallyport credential set`,
      )
    }
    const opened = openAny(row, [now])
    if (staysWithin(now, opened.identity)) return opened
    opened.bytes.fill(0)
    throw new GatewayError(
      'CONFLICT',
      `${name} was stored for the target as it was then, and is not sent to what it is now.`,
    )
  }

  async function needVersion(address: AccountAddress, version: number): Promise<StoredVersion> {
    const row = await rows.one(address, version)
    if (row !== undefined) return row
    throw new GatewayError('NOT_FOUND', `The vault holds no version ${version} of ${formatAccountAddress(address)}.`)
  }

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

    async standing(address: AccountAddress): Promise<CredentialStanding | undefined> {
      const found = await read(address)
      return found && publicStanding(found, await entryIdentity(address))
    },

    /** Which credentials would have to be confirmed if these were the targets. */
    async waitingFor(entries: readonly Target[]): Promise<AccountAddress[]> {
      const accounts = await rows.fromInForceOf(entries.map(({ name }) => name))
      return waitingOf(accounts, entries).map(([row]) => addressOf(row))
    },

    /**
     * Makes a credential good for the target as it is now, whose identity the caller has seen by its fingerprint: what an earlier gateway
     * stored last, else the newest version that was ever in force. Throws `NOT_FOUND` where there is no credential or target, `CONFLICT`
     * where the target is another by now, and `VAULT_DAMAGED`.
     */
    async confirm(address: AccountAddress, fingerprint: string, change?: Change): Promise<void> {
      const [found, now] = [await read(address), await entryIdentity(address)]
      const name = formatAccountAddress(address)
      if (found === undefined) throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
      if (now === undefined) throw new GatewayError('NOT_FOUND', `There is no target ${address.target}.`)
      const changed = () => new GatewayError('CONFLICT', `${name} was changed in between; look at it again.`)
      if (fingerprintOf(now) !== fingerprint) throw changed()
      const row = newestEverInForce(found, now)
      if (row === undefined) throw new GatewayError('NOT_FOUND', `No version of ${name} was ever in force.`)
      if (!(await rebind(row, now, change))) throw changed()
    },

    /**
     * After a change of these targets: which of their credentials wait to be confirmed. Where a target only got stricter, what it was
     * before is not good any more: a key that was taken away does not come back unconfirmed.
     */
    async followTargets(names: readonly string[]): Promise<AccountAddress[]> {
      const accounts = await rows.fromInForceOf(names)
      const entries = await targets.getAll(accounts.length === 0 ? [] : names)
      const byName = new Map(entries.map(entry => [entry.name, entry]))
      const waiting = new Set(waitingOf(accounts, entries))
      for (const found of accounts) {
        const entry = byName.get(found[0].target)
        if (entry !== undefined && !waiting.has(found)) await narrow(found, identityOf(entry, found[0].account))
      }
      return [...waiting].map(([row]) => addressOf(row))
    },

    /** Binds what an earlier version stored, to the target as it is now; gives which. Those that do not open are left alone. */
    async bindEarlier(): Promise<string[]> {
      const done: string[] = []
      for (const row of await rows.neverConfirmed()) {
        const now = await entryIdentity(row)
        const bound = now !== undefined && (await rebind(row, now).catch(notWhereDamaged))
        if (bound) done.push(formatAccountAddress(row))
      }
      return done
    },
  }

  async function narrow(found: StoredVersions, now: TargetIdentity): Promise<void> {
    const standing = stand(found, now)
    if (standing.state !== 'in-force' || fingerprintOf(now) === fingerprintOf(standing.binding.identity)) return
    await rebind(standing.row, now)
  }

  /** What is not a candidate above it must be put right first. Throws `VAULT_DAMAGED`. */
  function newestEverInForce(found: StoredVersions, now: TargetIdentity): StoredVersion | undefined {
    for (const row of found) {
      if (row.bound === null) return row
      const opened = openAny(row, [now])
      opened.bytes.fill(0)
      if (opened.form === 'in-force') return row
    }
    return undefined
  }
}

function checkAddress({ account, target }: AccountAddress): void {
  if (NAME_PATTERN.test(account) && NAME_PATTERN.test(target)) return
  throw new GatewayError('BAD_REQUEST', 'An account is named account@target, for example root@web-01.')
}

function isSome(rows: readonly StoredVersion[]): rows is StoredVersions {
  return rows.length > 0
}

function ifWhole<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

function notWhereDamaged(error: unknown): false {
  if (error instanceof GatewayError && error.code.startsWith('VAULT_')) return false
  throw error
}

function listed({ account, target, version, kind, created_at: createdAt, created_by: createdBy }: StoredVersion) {
  return { account, target, version, kind: kind as CredentialMaterial['kind'], createdAt, createdBy }
}
