/** Which accounts a person may use: the decision for each of them, asked for many targets at once. */

import type { Factor } from '../shared/factors.ts'
import type { Target } from '../targets/target.ts'
import { type CountedRole, countedRoles } from './approved.ts'
import { type AccessFacts, appliesTo, evaluateTerms, failures } from './evaluate-role.ts'

export interface Reachable {
  readonly target: string
  readonly account: string
  readonly protocol: Target['protocol']
  readonly level: Target['accounts'][number]['level']
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
}

export type WhoFacts = Pick<AccessFacts, 'roles' | 'approved' | 'defaults' | 'sourceAddress' | 'now'>

/**
 * The accounts on these targets that `decide` would give when asked for by name, without a database. What a role says of hours, sources and
 * factors is evaluated once, so that ten thousand targets are a matter of milliseconds. `proven` undefined: factors are not asked about.
 */
export function reachableAmong(
  facts: WhoFacts,
  proven: ReadonlySet<Factor> | undefined,
): (targets: readonly Target[]) => Reachable[] {
  const roles = facts.roles.filter(role => failures(evaluateTerms(role, facts, proven)).length === 0)
  const approved = facts.approved?.filter(({ startsAt, endsAt }) => startsAt <= facts.now && facts.now < endsAt)
  return targets =>
    roles.length === 0 ? [] : targets.flatMap(target => onTarget(target, facts, countedRoles(roles, approved, target)))
}

function onTarget(target: Target, facts: WhoFacts, roles: readonly CountedRole[]): Reachable[] {
  const { name, protocol, description, labels } = target
  const request = { protocol, target: name }
  return target.accounts
    .filter(account => roles.some(role => appliesTo(role, { ...facts, request, target }, account)))
    .map(account => ({
      target: name,
      account: account.name,
      protocol,
      level: account.level,
      ...(description === undefined ? {} : { description }),
      labels,
    }))
}
