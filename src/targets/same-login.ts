/**
 * Which accounts are one: the same login at the same server, under two names of one target's entry or in the entries of two targets. Who has
 * one of them has the others.
 */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import { jsonText } from '../database/json-text.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { canonicalHost } from '../shared/network/canonical-host.ts'
import { readVia } from './route.ts'
import { type Account, type Target, targetSchema } from './target.ts'

export interface SameLogin extends AccountAddress {
  /** As its entry has it; undefined where there is none. */
  readonly entry: Account | undefined
}

/** Of an account, itself too, in the order of their addresses: who locks several does so in this order. */
export async function sameLoginAs(address: AccountAddress, on: Database): Promise<SameLogin[]> {
  const host = sql<string>`lower(${jsonText(on, 'document', 'host')})`
  const rows = await on
    .selectFrom('targets')
    .select('document')
    .where(({ or, eb, selectFrom }) => {
      const own = selectFrom('targets').where('name', '=', address.target)
      // An earlier version beside this one stores no `server_host`.
      return or([eb('server_host', '=', own.select('server_host')), eb(host, '=', own.select(host.as('host')))])
    })
    .execute()
  const found = groupOf(
    address,
    rows.map(({ document }) => targetSchema.parse(JSON.parse(document))),
  )
  return found.length > 0 ? found : [{ ...address, entry: undefined }]
}

/** The same, of what entries say. Accounts that are one with a third are one: of two logins by turns, say. */
export function groupOf(address: AccountAddress, targets: readonly Target[]): SameLogin[] {
  const own = targets.find(({ name }) => name === address.target)
  if (own === undefined) return []
  const left = new Set(targets.filter(one => serverOf(one) === serverOf(own)).flatMap(accountsOf))
  const logins = new Set<string>()
  const found: SameLogin[] = []
  for (let grown = true; grown; ) {
    grown = false
    for (const one of left) {
      const isOwn = one.account === address.account && one.target === address.target
      if (!isOwn && !one.logins.some(login => logins.has(login))) continue
      left.delete(one)
      for (const login of one.logins) logins.add(login)
      found.push({ account: one.account, target: one.target, entry: one.entry })
      grown = true
    }
  }
  return found
    .filter(() => found.some(({ account, target }) => account === address.account && target === address.target))
    .sort((a, b) => (formatAccountAddress(a) < formatAccountAddress(b) ? -1 : 1))
}

/** Whose address and way are the same is the same server; that two names or addresses are, nobody here can know. */
export function serverOf({ protocol, host, port, via }: Target): string {
  const way = via === undefined ? '' : ` via ${readVia(via).target}`
  return `${protocol} ${canonicalHost(host)}:${port}${way}`
}

function accountsOf({ name: target, accounts }: Target) {
  return accounts.map(entry => ({
    ...{ account: entry.name, target, entry },
    logins: entry.logins ?? [entry.login ?? entry.name],
  }))
}
