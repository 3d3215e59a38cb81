/** Which accounts a selection means: of those that the vault has a credential of. */

import type { Database } from '../../database/database.ts'
import { matchesPattern } from '../../policy/match.ts'
import type { AccountAddress } from '../../shared/names.ts'
import type { Target } from '../../targets/target.ts'
import type { Targets } from '../../targets/targets.ts'
import type { Selection } from './batch.ts'

const PAGE = 200

/** By target and account. */
export async function selectAccounts(
  { database, targets }: { database: Database; targets: Pick<Targets, 'getAll'> },
  selection: Selection,
): Promise<AccountAddress[]> {
  const found: AccountAddress[] = []
  const all = await database
    .selectFrom('credential_bindings')
    .select(['account', 'target'])
    .orderBy('target')
    .orderBy('account')
    .execute()
  for (let from = 0; from < all.length; from += PAGE) {
    const page = all.slice(from, from + PAGE)
    const entries = await targets.getAll([...new Set(page.map(({ target }) => target))])
    const byName = new Map(entries.filter(entry => selectsTarget(selection, entry)).map(entry => [entry.name, entry]))
    for (const { account, target } of page) {
      const has = byName.get(target)?.accounts.some(({ name }) => name === account) === true
      if (has && (selection.accounts?.includes(account) ?? true)) found.push({ account, target })
    }
  }
  return found
}

function selectsTarget({ labels = {}, targets }: Selection, target: Target): boolean {
  if (targets !== undefined && !targets.some(pattern => matchesPattern(pattern, target.name))) return false
  return Object.entries(labels).every(
    ([name, pattern]) => Object.hasOwn(target.labels, name) && matchesPattern(pattern, target.labels[name]!),
  )
}
