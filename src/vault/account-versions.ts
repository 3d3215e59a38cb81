/** The versions of one account: which is in force, how it stands to its target, and how one is opened and put in force. */

import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { identityOf, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import { openBinding, type Sealing, sealBinding } from './binding.ts'
import { createSealedVersions, type OpenedVersion } from './sealed-versions.ts'
import { type Standing, standingOf } from './standing.ts'
import { createVersionFacts } from './version-facts.ts'
import { addressOf, createVersionRows, type StoredVersion, type StoredVersions } from './version-rows.ts'

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

/** The targets' entries: what credentials are bound to. */
export interface TargetEntries {
  get(name: string): Promise<Target | undefined>
  getAll(names: readonly string[]): Promise<Target[]>
}

export interface VersionParts extends Sealing {
  readonly database: Database
  readonly targets: TargetEntries
}

export type AccountVersions = ReturnType<typeof createAccountVersions>

export function createAccountVersions({ database, targets, ...sealing }: VersionParts) {
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

  return {
    entryIdentity,
    needIdentity,
    bindingOf,
    read,
    stand,
    publicStanding,
    needInForce,
    putInForce,
    rebind,
    openAny,
    openWithin,
    needVersion,
  }
}

function isSome(rows: readonly StoredVersion[]): rows is StoredVersions {
  return rows.length > 0
}

export function ifWhole<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}
