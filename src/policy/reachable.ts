/** Which accounts a person may use: the decision for each of them, asked for many targets at once. */

import type { Factor } from '../shared/factors.ts'
import type { Account, Target } from '../targets/target.ts'
import { type CountedRole, countedRoles } from './approved.ts'
import { type AccessFacts, appliesTo, evaluateTerms, failures } from './evaluate-role.ts'
import { offeredInstead } from './offers.ts'
import { stagesOf, stageText } from './on-request.ts'

export interface Reachable {
  readonly target: string
  readonly account: string
  readonly protocol: Target['protocol']
  readonly level: Target['accounts'][number]['level']
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
  /** It may be asked for, and is not had without. */
  readonly onRequest?: { readonly approvedBy: string; readonly ticket?: string }
}

export type WhoFacts = Pick<AccessFacts, 'roles' | 'approved' | 'defaults' | 'sourceAddress' | 'now'>

/**
 * The accounts on these targets that `decide` would give when asked for by name, without a database. What a role says of hours, sources and
 * factors is evaluated once, so that ten thousand targets are a matter of milliseconds. `proven` undefined: factors are not asked about. `withOffered`: also those
 * that the same roles give on request.
 */
export function reachableAmong(
  facts: WhoFacts,
  proven: ReadonlySet<Factor> | undefined,
  withOffered = false,
): (targets: readonly Target[]) => Reachable[] {
  const roles = facts.roles.filter(role => failures(evaluateTerms(role, facts, proven)).length === 0)
  const approved = facts.approved?.filter(({ startsAt, endsAt }) => startsAt <= facts.now && facts.now < endsAt)
  return targets =>
    roles.length === 0
      ? []
      : targets.flatMap(target => {
          const given = onTarget(target, facts, countedRoles(roles, approved, target))
          return withOffered ? [...given, ...offeredOn(target, { ...facts, roles }, given)] : given
        })
}

/** Beside what is given: each account once, by the offer that is meant where it is asked for. */
function offeredOn(target: Target, facts: WhoFacts, given: readonly Reachable[]): Reachable[] {
  const { name, protocol } = target
  const offered = new Map<string, Reachable>()
  for (const { account, offer } of offeredInstead({ ...facts, request: { protocol, target: name }, target })) {
    if (offered.has(account.name) || given.some(one => one.account === account.name)) continue
    const { ticket } = offer
    const onRequest = {
      approvedBy: stageText(stagesOf(offer)[0]!),
      ...(ticket === undefined ? {} : { ticket }),
    }
    offered.set(account.name, { ...reachableOf(target, account), onRequest })
  }
  return [...offered.values()]
}

function onTarget(target: Target, facts: WhoFacts, roles: readonly CountedRole[]): Reachable[] {
  const request = { protocol: target.protocol, target: target.name }
  return target.accounts
    .filter(account => roles.some(role => appliesTo(role, { ...facts, request, target }, account)))
    .map(account => reachableOf(target, account))
}

function reachableOf({ name, protocol, description, labels }: Target, { name: account, level }: Account): Reachable {
  return { target: name, account, protocol, level, ...(description === undefined ? {} : { description }), labels }
}
