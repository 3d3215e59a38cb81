/** Which credentials wait until somebody confirms them for their targets as those are now, and what confirms them. */

import type { Change } from '../database/change.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { fingerprintOf, identityOf, type TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import type { AccountVersions, CredentialStanding, TargetEntries } from './account-versions.ts'
import { addressOf, type StoredVersion, type StoredVersions, type VersionRows } from './version-rows.ts'

interface Parts {
  readonly accounts: AccountVersions
  readonly rows: VersionRows
  readonly targets: TargetEntries
}

export function createConfirmation({
  accounts: { entryIdentity, read, stand, publicStanding, rebind, openAny },
  rows,
  targets,
}: Parts) {
  /** Which of them wait to be confirmed, with these entries of their targets. */
  function waitingOf(accounts: readonly StoredVersions[], entries: readonly Target[]): StoredVersions[] {
    const byName = new Map(entries.map(entry => [entry.name, entry]))
    return accounts.filter(found => {
      const entry = byName.get(found[0].target)
      const now = entry && identityOf(entry, found[0].account)
      return publicStanding(found, now)?.unconfirmed !== undefined
    })
  }

  return {
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

function notWhereDamaged(error: unknown): false {
  if (error instanceof GatewayError && error.code.startsWith('VAULT_')) return false
  throw error
}
