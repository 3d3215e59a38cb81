/** Reads and writes the rows of credentials' versions. What they say is checked elsewhere. */

import type { Insertable } from 'kysely'
import type { Change } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { CredentialTable } from '../database/schema.ts'
import { slices } from '../database/slices.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'

/** One version, and what is confirmed of its account, as they stand together. */
export interface StoredVersion extends AccountAddress {
  readonly version: number
  readonly kind: string
  readonly created_at: number
  readonly created_by: string
  /** What earlier gateways sealed for no target; empty in rows of this one. */
  readonly unbound: string
  readonly bound: string | null
  readonly identity: string | null
  readonly binding: string | null
}

/** The versions of one account from the one in force up, newest first; perhaps more. Never empty. */
export type StoredVersions = readonly [StoredVersion, ...StoredVersion[]]

export type NewVersion = Omit<Insertable<CredentialTable>, 'version' | 'account' | 'target'>

const MAX_RACES = 20

export type VersionRows = ReturnType<typeof createVersionRows>

export function createVersionRows({ database }: { database: Database }) {
  const rows = () =>
    database
      .selectFrom('credentials')
      .leftJoin('credential_bindings as binding', join =>
        join.onRef('binding.account', '=', 'credentials.account').onRef('binding.target', '=', 'credentials.target'),
      )
      .select(['credentials.account', 'credentials.target', 'version', 'kind', 'created_at', 'created_by'])
      .select(['credentials.sealed as unbound', 'bound', 'identity', 'binding.sealed as binding'])

  /** Those that may be in force, and newer ones. */
  const fromInForce = () =>
    rows().where(({ eb, fn, val }) => eb('version', '>=', fn.coalesce('binding.in_force', val(0))))

  const of = <Q extends ReturnType<typeof rows>>(query: Q, { account, target }: AccountAddress) =>
    query.where('credentials.account', '=', account).where('credentials.target', '=', target)

  return {
    /** By `in_force`, which earlier gateways do not keep, and nobody vouches for. */
    async fromInForce(address: AccountAddress): Promise<StoredVersion[]> {
      return of(fromInForce(), address).orderBy('version', 'desc').execute()
    },

    async since(address: AccountAddress, version: number): Promise<StoredVersion[]> {
      return of(rows(), address).where('version', '>=', version).orderBy('version', 'desc').execute()
    },

    async one(address: AccountAddress, version: number): Promise<StoredVersion | undefined> {
      return of(rows(), address).where('version', '=', version).executeTakeFirst()
    },

    /** Of a page of accounts; by target and account. */
    async page({ target, after, limit }: Page): Promise<StoredVersions[]> {
      let select = database.selectFrom('credentials').select(['target', 'account']).groupBy(['target', 'account'])
      if (target !== undefined) select = select.where('target', '=', target)
      if (after !== undefined) {
        select = select
          // The first alone is what an index can begin at.
          .where('target', '>=', after.target)
          .where(({ eb, and, or }) =>
            or([
              eb('target', '>', after.target),
              and([eb('target', '=', after.target), eb('account', '>', after.account)]),
            ]),
          )
      }
      const accounts = await select.orderBy('target').orderBy('account').limit(limit).execute()
      const [first, last] = [accounts[0], accounts.at(-1)]
      if (first === undefined || last === undefined) return []
      const found = await fromInForce()
        .where('credentials.target', '>=', first.target)
        .where('credentials.target', '<=', last.target)
        .orderBy('credentials.target')
        .orderBy('credentials.account')
        .orderBy('version', 'desc')
        .execute()
      const wanted = new Set(accounts.map(formatAccountAddress))
      return byAccount(found.filter(row => wanted.has(formatAccountAddress(row))))
    },

    /** Of these targets; by target and account. */
    async fromInForceOf(targets: readonly string[]): Promise<StoredVersions[]> {
      const accounts: StoredVersions[] = []
      for (const some of slices(targets.toSorted())) {
        const found = await fromInForce()
          .where('credentials.target', 'in', some)
          .orderBy('credentials.target')
          .orderBy('credentials.account')
          .orderBy('version', 'desc')
          .execute()
        accounts.push(...byAccount(found))
      }
      return accounts
    },

    /** The newest of each account for which nothing is confirmed, among those that earlier gateways stored. */
    async neverConfirmed(): Promise<StoredVersion[]> {
      const found = await rows()
        .where('binding.sealed', 'is', null)
        .where('bound', 'is', null)
        .orderBy('credentials.target')
        .orderBy('credentials.account')
        .orderBy('version', 'desc')
        .execute()
      return byAccount(found).map(([newest]) => newest)
    },

    /**
     * Adds a version under the next number, and does what belongs to it in the same transaction. `make` gives what is stored under a number.
     */
    async add(
      address: AccountAddress,
      make: (version: number) => NewVersion,
      change: Change,
      also: (on: Database, version: number) => Promise<void> = async () => undefined,
    ): Promise<number> {
      for (let race = 0; race < MAX_RACES; race++) {
        const last = await database
          .selectFrom('credentials')
          .where('account', '=', address.account)
          .where('target', '=', address.target)
          .select(({ fn }) => fn.max('version').as('version'))
          .executeTakeFirst()
        const version = Number(last?.version ?? 0) + 1
        const row = { ...addressOf(address), version, ...make(version) }
        const stored = await change(async inside => {
          const { numInsertedOrUpdatedRows } = await inside
            .insertInto('credentials')
            .values(row)
            .onConflict(conflict => conflict.columns(['account', 'target', 'version']).doNothing())
            .executeTakeFirst()
          if (numInsertedOrUpdatedRows !== 1n) return false
          await also(inside, version)
          return true
        })
        if (stored) return version
        // Someone else stored this version in the meantime: theirs stands, ours is the next.
      }
      throw new GatewayError('CONFLICT', `Too many others store ${formatAccountAddress(address)} at once; try again.`)
    },
  }
}

/** Accounts in the order of their targets and names. */
export interface Page {
  readonly target?: string | undefined
  readonly after?: AccountAddress | undefined
  readonly limit: number
}

export function addressOf({ account, target }: AccountAddress): AccountAddress {
  return { account, target }
}

/** Of rows that are in the order of their accounts. */
function byAccount(rows: readonly StoredVersion[]): StoredVersions[] {
  const accounts: [StoredVersion, ...StoredVersion[]][] = []
  for (const row of rows) {
    const last = accounts.at(-1)
    if (last?.[0].account === row.account && last[0].target === row.target) last.push(row)
    else accounts.push([row])
  }
  return accounts
}
