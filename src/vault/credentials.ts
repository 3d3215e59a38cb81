/** The credentials table: versions are added, and each opens only in its own place and for the target that it was confirmed for. */

import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress, NAME_PATTERN } from '../shared/names.ts'
import { fingerprintOf, identityOf, type TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import { type Binding, boundPurpose, openBinding, type Sealing, sealBinding, whyUnconfirmed } from './binding.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from './credential.ts'
import type { CredentialMaterial } from './lease.ts'

/** What may be shown of a credential. */
export interface CredentialVersion {
  readonly account: string
  readonly target: string
  readonly version: number
  readonly kind: CredentialMaterial['kind']
  readonly createdAt: number
  readonly createdBy: string
}

/** How a credential stands to its target as that is now. */
export interface CredentialStanding {
  readonly version: number
  /** What it was confirmed for; undefined: for nothing that can be read. */
  readonly confirmed: TargetIdentity | undefined
  /** Undefined where the target is gone. */
  readonly now: TargetIdentity | undefined
  /** Why it is not lent until somebody confirms it; undefined: it is. */
  readonly unconfirmed: string | undefined
}

export type Opened =
  | { readonly version: number; readonly material: CredentialMaterial }
  | { readonly unconfirmed: string }
  | undefined

export interface ListedCredential extends CredentialVersion {
  /** Why it is not lent until somebody confirms it; undefined: it is. */
  readonly unconfirmed: string | undefined
}

/** The targets' entries: what credentials are bound to. */
export interface TargetEntries {
  get(name: string): Promise<Target | undefined>
  getAll(names: readonly string[]): Promise<Target[]>
}

/** A row, and what is confirmed of it. */
interface Newest extends AccountAddress {
  readonly version: number
  readonly unbound: string
  readonly bound: string | null
  readonly binding: string | null
}

interface Parts extends Sealing {
  readonly database: Database
  readonly clock: Clock
  readonly targets: TargetEntries
}

const MAX_RACES = 20
const SHOWN = ['account', 'target', 'version', 'kind', 'created_at', 'created_by'] as const

export function createCredentials({ database, clock, targets, ...sealing }: Parts) {
  const versionsOf = ({ account, target }: AccountAddress) =>
    database.selectFrom('credentials').where('account', '=', account).where('target', '=', target)

  /** The newest version of every account that has one, and what is confirmed, as they stand together; by target and account. */
  const newestRows = () =>
    database
      .selectFrom('credentials')
      .leftJoin('credential_bindings as binding', join =>
        join.onRef('binding.account', '=', 'credentials.account').onRef('binding.target', '=', 'credentials.target'),
      )
      .where(({ eb, selectFrom }) =>
        eb(
          'credentials.version',
          '=',
          selectFrom('credentials as newer')
            .select(({ fn }) => fn.max('newer.version').as('version'))
            .whereRef('newer.account', '=', 'credentials.account')
            .whereRef('newer.target', '=', 'credentials.target'),
        ),
      )
      .select(['credentials.account', 'credentials.target', 'version', 'kind', 'created_at', 'created_by'])
      .select(['credentials.sealed as unbound', 'bound', 'binding.sealed as binding'])
      .orderBy('credentials.target')
      .orderBy('credentials.account')

  const newestOf = ({ account, target }: AccountAddress) =>
    newestRows().where('credentials.account', '=', account).where('credentials.target', '=', target).executeTakeFirst()

  /** Of these targets. */
  const newestIn = (names: readonly string[]) =>
    names.length === 0 ? Promise.resolve([]) : newestRows().where('credentials.target', 'in', names).execute()

  async function identityNow({ account, target }: AccountAddress): Promise<TargetIdentity | undefined> {
    const entry = await targets.get(target)
    return entry === undefined ? undefined : identityOf(entry, account)
  }

  const readBinding = (address: AccountAddress, sealed: string | null) =>
    sealed === null ? undefined : openBinding(sealing, address, sealed)

  /** Seals the material of a version anew, for another identity. False when somebody else was faster. */
  async function rebind(
    newest: Newest,
    before: Binding | undefined,
    identity: TargetIdentity,
    change = changeOf(database),
  ): Promise<boolean> {
    const address = addressOf(newest)
    const { account, target } = address
    const binding = { version: newest.version, identity }
    const bytes =
      before !== undefined && newest.bound !== null
        ? sealing.open(boundPurpose(address, { ...before, version: newest.version }), newest.bound)
        : sealing.open(earlierPurpose(address, newest.version), newest.unbound)
    const bound = sealing.seal(boundPurpose(address, binding), bytes)
    bytes.fill(0)
    const sealed = sealBinding(sealing, address, binding)
    return await change(async inside => {
      const { numInsertedOrUpdatedRows: written } = await inside
        .insertInto('credential_bindings')
        .values({ account, target, sealed })
        .onConflict(conflict =>
          conflict
            .columns(['account', 'target'])
            .doUpdateSet({ sealed })
            .where('credential_bindings.sealed', '=', newest.binding ?? ''),
        )
        .executeTakeFirst()
      if (written !== 1n) return false
      await inside
        .updateTable('credentials')
        .set({ bound })
        .where('account', '=', account)
        .where('target', '=', target)
        .where('version', '=', newest.version)
        .execute()
      return true
    })
  }

  function standingOf(newest: Newest, entry: Target | undefined): CredentialStanding {
    const { version } = newest
    const now = entry && identityOf(entry, newest.account)
    try {
      const binding = readBinding(newest, newest.binding)
      return { version, confirmed: binding?.identity, now, unconfirmed: whyUnconfirmed(version, binding, now) }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      return { version, confirmed: undefined, now, unconfirmed: `${error.code}: ${error.message}` }
    }
  }

  /** Which of them wait to be confirmed, with these entries of their targets. */
  function waitingOf(rows: readonly Newest[], entries: readonly Target[]): Newest[] {
    const byName = new Map(entries.map(entry => [entry.name, entry]))
    return rows.filter(row => standingOf(row, byName.get(row.target)).unconfirmed !== undefined)
  }

  async function narrow(newest: Newest, now: TargetIdentity): Promise<void> {
    const binding = readBinding(newest, newest.binding)
    if (binding === undefined || fingerprintOf(now) === fingerprintOf(binding.identity)) return
    await rebind(newest, binding, now)
  }

  async function needIdentity(address: AccountAddress): Promise<TargetIdentity> {
    const identity = await identityNow(address)
    if (identity === undefined) throw new GatewayError('NOT_FOUND', `There is no target ${address.target}.`)
    return identity
  }

  function openFor(address: AccountAddress, binding: Binding, bound: string | null): Buffer {
    try {
      return sealing.open(boundPurpose(address, binding), bound ?? '')
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'VAULT_DAMAGED')) throw error
      const what = `Version ${binding.version} of ${formatAccountAddress(address)}`
      throw new GatewayError(
        'CONFLICT',
        `${what} was stored for the target as it was then, and does not open for what it is now.`,
      )
    }
  }

  /** As the newest version, good for that identity. The caller erases the bytes. */
  async function storeVersion(
    address: AccountAddress,
    { kind, bytes, identity }: { kind: string; bytes: Buffer; identity: TargetIdentity },
    by: string,
    change: Change,
  ): Promise<number> {
    const { account, target } = address
    for (let race = 0; race < MAX_RACES; race++) {
      const last = await versionsOf(address)
        .select(({ fn }) => fn.max('version').as('version'))
        .executeTakeFirst()
      const version = Number(last?.version ?? 0) + 1
      const binding = { version, identity }
      const bound = sealing.seal(boundPurpose(address, binding), bytes)
      const row = { account, target, version, kind, sealed: '', bound }
      const sealed = sealBinding(sealing, address, binding)
      const stored = await change(async inside => {
        const { numInsertedOrUpdatedRows } = await inside
          .insertInto('credentials')
          .values({ ...row, created_at: clock.now(), created_by: by })
          .onConflict(conflict => conflict.columns(['account', 'target', 'version']).doNothing())
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows !== 1n) return false
        await inside
          .insertInto('credential_bindings')
          .values({ account, target, sealed })
          .onConflict(conflict => conflict.columns(['account', 'target']).doUpdateSet({ sealed }))
          .execute()
        return true
      })
      if (stored) return version
      // Someone else stored this version in the meantime: theirs stands, ours is the next.
    }
    throw new GatewayError('CONFLICT', `Too many others store ${formatAccountAddress(address)} at once; try again.`)
  }

  return {
    /** Stores a new version, good for the target as it is now. Throws `NOT_FOUND` where there is none. */
    async add(
      address: AccountAddress,
      material: CredentialMaterial,
      by: string,
      change = changeOf(database),
    ): Promise<number> {
      if (!NAME_PATTERN.test(address.account) || !NAME_PATTERN.test(address.target)) {
        throw new GatewayError('BAD_REQUEST', 'An account is named account@target, for example root@web-01.')
      }
      const accepted = await acceptMaterial(material)
      const bytes = encodeMaterial(accepted)
      try {
        return await storeVersion(
          address,
          { kind: accepted.kind, bytes, identity: await needIdentity(address) },
          by,
          change,
        )
      } finally {
        bytes.fill(0)
      }
    },

    /**
     * Stores what an earlier version holds as the newest. Throws `NOT_FOUND`, and `CONFLICT` where that version is not for the target as
     * it is now: it was never confirmed for that.
     */
    async restore(address: AccountAddress, version: number, by: string, change = changeOf(database)): Promise<number> {
      const name = formatAccountAddress(address)
      const identity = await needIdentity(address)
      const newest = await newestOf(address)
      const earlier = await versionsOf(address)
        .select(['kind', 'bound'])
        .where('version', '=', version)
        .executeTakeFirst()
      if (newest === undefined || earlier === undefined)
        throw new GatewayError('NOT_FOUND', `The vault holds no version ${version} of ${name}.`)
      if (version === newest.version)
        throw new GatewayError('CONFLICT', `Version ${version} of ${name} is in force already.`)
      const { unconfirmed, confirmed } = standingOf(newest, await targets.get(address.target))
      if (unconfirmed !== undefined || confirmed === undefined)
        throw new GatewayError('CONFLICT', `The credential ${name} must be confirmed first: ${unconfirmed}.`)
      const bytes = openFor(address, { version, identity: confirmed }, earlier.bound)
      try {
        return await storeVersion(address, { kind: earlier.kind, bytes, identity }, by, change)
      } finally {
        bytes.fill(0)
      }
    },

    /** The newest version of every account that has one, by target and account, and why it is not lent, where it is not. */
    async list(): Promise<ListedCredential[]> {
      const rows = await newestRows().execute()
      const entries = await targets.getAll([...new Set(rows.map(({ target }) => target))])
      const byName = new Map(entries.map(entry => [entry.name, entry]))
      return rows.map(row => ({ ...shown(row), unconfirmed: standingOf(row, byName.get(row.target)).unconfirmed }))
    },

    /** All versions of one account, newest first. */
    async history(address: AccountAddress): Promise<CredentialVersion[]> {
      const rows = await versionsOf(address).select(SHOWN).orderBy('version', 'desc').execute()
      return rows.map(shown)
    },

    /**
     * Opens the newest version for `now`, the target that it is to be sent to; undefined when there is none. Throws
     * `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`.
     */
    async openNewest(address: AccountAddress, now: TargetIdentity): Promise<Opened> {
      const newest = await newestOf(address)
      if (newest === undefined) return undefined
      const binding = readBinding(address, newest.binding)
      const unconfirmed = whyUnconfirmed(newest.version, binding, now)
      if (unconfirmed !== undefined || binding === undefined) return { unconfirmed: unconfirmed ?? '' }
      const bytes = sealing.open(boundPurpose(address, binding), newest.bound ?? '')
      try {
        return { version: newest.version, material: decodeMaterial(bytes) }
      } finally {
        bytes.fill(0)
      }
    },

    async standing(address: AccountAddress): Promise<CredentialStanding | undefined> {
      const newest = await newestOf(address)
      return newest && standingOf(newest, await targets.get(address.target))
    },

    /** Which credentials would have to be confirmed if these were the targets. */
    async waitingFor(entries: readonly Target[]): Promise<AccountAddress[]> {
      return waitingOf(await newestIn(entries.map(({ name }) => name)), entries).map(addressOf)
    },

    /**
     * Makes the newest version good for the target as it is now, whose identity the caller has seen by its fingerprint. Throws
     * `NOT_FOUND` where there is no credential or target, `CONFLICT` where the target is another by now, and `VAULT_DAMAGED`.
     */
    async confirm(address: AccountAddress, fingerprint: string, change?: Change): Promise<void> {
      const [newest, now] = [await newestOf(address), await identityNow(address)]
      const name = formatAccountAddress(address)
      if (newest === undefined) throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
      if (now === undefined) throw new GatewayError('NOT_FOUND', `There is no target ${address.target}.`)
      const changed = () => new GatewayError('CONFLICT', `${name} was changed in between; look at it again.`)
      if (fingerprintOf(now) !== fingerprint) throw changed()
      if (!(await rebind(newest, readBinding(address, newest.binding), now, change))) throw changed()
    },

    /**
     * After a change of these targets: which of their credentials wait to be confirmed. Where a target only got stricter, what it was
     * before is not good any more: a key that was taken away does not come back unconfirmed.
     */
    async followTargets(names: readonly string[]): Promise<AccountAddress[]> {
      const rows = await newestIn(names)
      const entries = await targets.getAll(names)
      const waiting = new Set(waitingOf(rows, entries))
      for (const row of rows) {
        const entry = entries.find(({ name }) => name === row.target)
        if (entry !== undefined && !waiting.has(row)) await narrow(row, identityOf(entry, row.account))
      }
      return [...waiting].map(addressOf)
    },

    /** Binds what an earlier version stored, to the target as it is now; gives which. Those that do not open are left alone. */
    async bindEarlier(): Promise<string[]> {
      const done: string[] = []
      for (const row of await newestRows().where('binding.sealed', 'is', null).execute()) {
        const now = await identityNow(row)
        const bound = now !== undefined && (await rebind(row, undefined, now).catch(notWhereDamaged))
        if (bound) done.push(formatAccountAddress(row))
      }
      return done
    },
  }
}

function notWhereDamaged(error: unknown): false {
  if (error instanceof GatewayError && error.code.startsWith('VAULT_')) return false
  throw error
}

function addressOf({ account, target }: AccountAddress): AccountAddress {
  return { account, target }
}

/** What versions before this one sealed a credential for. */
function earlierPurpose(address: AccountAddress, version: number): string {
  return `credential ${formatAccountAddress(address)} v${version}`
}

function shown(row: {
  account: string
  target: string
  version: number
  kind: string
  created_at: number
  created_by: string
}): CredentialVersion {
  const { account, target, version, created_at: createdAt, created_by: createdBy } = row
  return { account, target, version, kind: row.kind as CredentialMaterial['kind'], createdAt, createdBy }
}
