/**
 * Which accounts hold what somebody knows: what they were lent, shown, or typed themselves, wherever it is in force now. Also as another
 * version that was restored from it, for the login of a dual account that is not in use, and where account or target have another name by now.
 */

import type { Database } from '../../database/database.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { identitySchema, type TargetIdentity } from '../../targets/identity.ts'
import type { Account, Target } from '../../targets/target.ts'
import type { Targets } from '../../targets/targets.ts'
import { KEPT_OF_DUAL } from '../dual.ts'

/** `seen`: they had it before their eyes, or in their hands; otherwise sessions used it for them. */
export interface KnownAccount extends AccountAddress {
  readonly seen: boolean
}

interface KnownVersion extends KnownAccount {
  readonly version: number
}

interface Version {
  readonly version: number
  readonly copyOf: number | null
  readonly wasInForce: boolean
  readonly identity: string | null
}

interface Held {
  /** Undefined: of rows that earlier gateways wrote it is not known. */
  readonly inForce: number | undefined
  /** Newest first. */
  readonly versions: readonly Version[]
}

const AT_ONCE = 200

/** By target and account. */
export async function accountsKnownTo(
  users: readonly string[],
  on: Database,
  targets: Pick<Targets, 'getAll'>,
): Promise<KnownAccount[]> {
  const known = Map.groupBy([...(await lentTo(users, on)), ...(await typedBy(users, on))], formatAccountAddress)
  const found = new Map<string, KnownAccount>()
  const add = (address: AccountAddress, seen: boolean) => {
    const key = formatAccountAddress(address)
    found.set(key, { account: address.account, target: address.target, seen: seen || found.get(key)?.seen === true })
  }
  const all = [...known.values()]
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const page = all.slice(from, from + AT_ONCE)
    const names = [...new Set(page.map(([first]) => first!.target))]
    const entries = new Map((await targets.getAll(names)).map(entry => [entry.name, entry]))
    const held = await heldAt(names, on)
    for (const versions of page) {
      const { account: name, target } = versions[0]!
      const account = entries.get(target)?.accounts.find(each => each.name === name)
      const of = held.get(formatAccountAddress(versions[0]!))
      if (of === undefined) continue
      const alive = versions.filter(({ version }) => mayBeAlive(of, version, account))
      if (alive.length === 0) continue
      const seen = alive.some(each => each.seen)
      if (account !== undefined) add(versions[0]!, seen)
      else for (const heir of await renamed(of, on, targets)) add(heir, seen)
    }
  }
  return [...found.values()].sort((a, b) => (`${a.target} ${a.account}` < `${b.target} ${b.account}` ? -1 : 1))
}

/** Whether what this version holds may still be valid at the target. */
function mayBeAlive({ inForce, versions }: Held, known: number, account: Account | undefined): boolean {
  if (inForce === undefined) return true
  // Each login of a dual account keeps what it had last, also where one was typed or restored out of turn.
  const others =
    account?.logins === undefined ? [] : versions.filter(({ wasInForce }) => wasInForce).slice(0, KEPT_OF_DUAL)
  return [inForce, ...others.map(({ version }) => version)].some(version => holds(versions, version, known))
}

/** Whether a version holds what the known one does: it is that one, or was restored from it. */
function holds(versions: readonly Version[], version: number, known: number): boolean {
  if (version === known) return true
  const row = versions.find(each => each.version === version)
  // From what it was restored is not there any more to say where that came from.
  if (row === undefined) return known < version
  return row.copyOf !== null && row.copyOf < version && holds(versions, row.copyOf, known)
}

async function lentTo(users: readonly string[], on: Database): Promise<KnownVersion[]> {
  const rows = await on
    .selectFrom('leases')
    .where('user', 'in', [...users])
    .select(({ fn }) => ['account', 'target', 'credential_version', fn.count<number>('check_out').as('shown')])
    .groupBy(['account', 'target', 'credential_version'])
    .execute()
  return rows.map(({ credential_version: version, shown, ...address }) => ({
    ...{ ...address, version, seen: Number(shown) > 0 },
  }))
}

/** Whoever typed a credential knows it. */
async function typedBy(users: readonly string[], on: Database): Promise<KnownVersion[]> {
  const rows = await on
    .selectFrom('credentials')
    .select(['account', 'target', 'version'])
    .where('created_by', 'in', [...users])
    .where(({ eb, or }) => or([eb('cause', 'is', null), eb('cause', 'in', ['typed', 'imported'])]))
    .execute()
  return rows.map(row => ({ ...row, seen: true }))
}

async function heldAt(targets: readonly string[], on: Database): Promise<Map<string, Held>> {
  const rows = await on
    .selectFrom('credentials as row')
    .leftJoin('credential_bindings as binding', join =>
      join.onRef('binding.account', '=', 'row.account').onRef('binding.target', '=', 'row.target'),
    )
    .select(['row.account', 'row.target', 'row.version', 'row.copy_of', 'row.current_at', 'row.identity'])
    .select('binding.in_force')
    .where('row.target', 'in', [...targets])
    .orderBy('row.version', 'desc')
    .execute()
  return new Map(
    Map.groupBy(rows, formatAccountAddress)
      .entries()
      .map(([key, of]) => [
        key,
        {
          inForce: of[0]!.in_force ?? undefined,
          versions: of.map(({ version, copy_of, current_at, identity }) => ({
            ...{ version, identity, copyOf: copy_of, wasInForce: current_at !== null },
          })),
        },
      ]),
  )
}

/** The accounts of today that are the same login at the same place as one whose entry is gone. */
async function renamed({ inForce, versions }: Held, on: Database, targets: Pick<Targets, 'getAll'>) {
  const gone = identityIn(versions.find(({ version }) => version === inForce)?.identity ?? null)
  if (gone === undefined) return []
  const rows = await on
    .selectFrom('credential_bindings as binding')
    .innerJoin('credentials as row', join =>
      join
        .onRef('row.account', '=', 'binding.account')
        .onRef('row.target', '=', 'binding.target')
        .onRef('row.version', '=', 'binding.in_force'),
    )
    .select(['row.account', 'row.target', 'row.identity'])
    .where('row.identity', 'like', `%"host":${JSON.stringify(gone.host)}%`)
    .execute()
  const same = rows.filter(({ identity }) => isSameLogin(identityIn(identity), gone))
  const entries = new Map(
    (await targets.getAll([...new Set(same.map(({ target }) => target))])).map(entry => [entry.name, entry] as const),
  )
  return same.filter(({ account, target }) => hasAccount(entries.get(target), account))
}

function isSameLogin(a: TargetIdentity | undefined, b: TargetIdentity): boolean {
  return a !== undefined && (['protocol', 'host', 'port', 'login'] as const).every(part => a[part] === b[part])
}

function hasAccount(entry: Target | undefined, name: string): boolean {
  return entry?.accounts.some(account => account.name === name) === true
}

function identityIn(text: string | null): TargetIdentity | undefined {
  if (text === null) return undefined
  try {
    return identitySchema.parse(JSON.parse(text))
  } catch {
    // Nobody vouches for this column.
    return undefined
  }
}
