/** Accounts that can be checked out and are the same login as others: whoever applies that should know, since they are one. */

import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { groupOf, serverOf } from '../targets/same-login.ts'
import type { Target } from '../targets/target.ts'

/** Each group once, of those that the changed targets are in; `targets`: all, as they are then. */
export function sameLogins(changed: readonly Target[], targets: readonly Target[]): AccountAddress[][] {
  if (changed.length === 0) return []
  const servers = Map.groupBy(targets, serverOf)
  const groups = new Map<string, AccountAddress[]>()
  for (const target of changed) {
    const there = servers.get(serverOf(target)) ?? []
    for (const { name } of target.accounts) {
      const group = groupOf({ account: name, target: target.name }, there)
      if (group.length < 2 || group.every(({ entry }) => entry?.checkOut === undefined)) continue
      groups.set(group.map(formatAccountAddress).join(' '), group)
    }
  }
  return [...groups.values()].map(group => group.map(({ account, target }) => ({ account, target })))
}
