/** Which account a request means: the one it names, or the one that policy gives by default. */

import type { Account } from '../targets/target.ts'
import { countedRoles } from './approved.ts'
import { type AccessFacts, evaluateScope } from './evaluate-role.ts'

/**
 * The named account, where the target has it. Without a name: of the accounts that the roles speak of, the target's default,
 * else the only one. What is given outright comes before what was asked for, so that nobody's usual login means something else by it. `several` where that leaves a choice, and undefined where there is none.
 */
export function chooseAccount(facts: AccessFacts): Account | 'several' | undefined {
  const accounts = facts.target?.accounts ?? []
  const { account: named } = facts.request
  if (named !== undefined) return accounts.find(account => account.name === named)
  const roles = countedRoles(facts.roles, facts.approved, facts.target)
  const spokenOf = (some: typeof roles) =>
    accounts.filter(account => some.some(role => evaluateScope(role, facts, account).every(({ holds }) => holds)))
  const outright = spokenOf(facts.roles)
  const allowed = outright.length > 0 ? outright : spokenOf(roles)
  const preferred = allowed.find(account => account.default)
  return preferred ?? (allowed.length > 1 ? 'several' : allowed[0])
}
