/** Rotation policies that do not fit the targets that they select: a connector or an account that they name and that is not there. */

import { nearest } from '../config/nearest.ts'
import type { Problem } from '../config/yaml-source.ts'
import { policyOf } from '../rotation/policies/policies.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import { isMeantFor } from '../rotation/program/meant-for.ts'
import type { Account, Target } from '../targets/target.ts'
import type { PlacedResource } from './parse.ts'

/** What can change credentials: of which protocol's targets, or of which accounts (a program); not given: of any. */
export interface KnownConnector {
  readonly protocol?: string
  readonly connectorOf?: readonly string[] | undefined
}

/** By name. */
export type KnownConnectors = ReadonlyMap<string, KnownConnector>

export interface PolicyFacts {
  readonly resources: readonly PlacedResource[]
  /** As they will be: what the files describe, and what the store keeps. */
  readonly policies: readonly RotationPolicy[]
  readonly targets: Iterable<Target>
  readonly connectors: KnownConnectors
}

/** A connector or an account that a policy names and that is not there, at the place where it is written. */
export function findUnfitPolicies({ resources, policies, targets, connectors }: PolicyFacts): Problem[] {
  const described = new Map(
    resources.flatMap(resource => (resource.kind === 'rotation-policy' ? [[resource.value.name, resource]] : [])),
  )
  const sorted = [...policies].sort((a, b) => (a.name < b.name ? -1 : 1))
  const problems: Problem[] = []
  const done = new Set<string>()
  /** Each kind of problem once for a policy: the first target that has it shows what is meant. */
  const complain = (policy: RotationPolicy, field: 'connector' | 'reconcile', target: Target, message: string) => {
    if (done.has(`${policy.name} ${field}`)) return
    done.add(`${policy.name} ${field}`)
    const resource = described.get(policy.name)
    if (resource !== undefined) return void problems.push(resource.at([field], message))
    // What is applied now makes a policy unfit that nobody speaks of: that is said where the target is described.
    const place = resources.find(({ kind, value }) => kind === 'target' && value.name === target.name) ?? resources[0]
    if (place !== undefined) problems.push(place.at([], `The rotation-policy ${policy.name}: ${message}`))
  }

  for (const { value, at } of described.values()) {
    const { name, connector } = value as RotationPolicy
    if (connector === undefined || connectors.has(connector)) continue
    const known = [...connectors.keys()].sort()
    const guess = nearest(connector, known)
    const meant = guess === undefined ? '' : `; did you mean ${guess}?`
    problems.push(at(['connector'], `There is no connector ${connector}${meant} (${known.join(', ')}).`))
    done.add(`${name} connector`)
  }

  const reconciled = new Map<RotationPolicy, { target: Target; found: boolean }>()
  for (const target of targets) {
    for (const account of target.accounts) {
      const policy = policyOf(sorted, target, account)
      if (policy === undefined) continue
      const { connector, reconcile } = policy
      const { protocol: whose, connectorOf } = connectors.get(connector ?? '') ?? {}
      const told = [account.name, ...(reconcile === undefined ? [] : [reconcile])]
      const foreign = connectorOf && told.find(name => !isMeantFor(connectorOf, { account: name, target: target.name }))
      if (foreign !== undefined) {
        const message = `It has ${connector} told the credential of ${foreign}@${target.name}, for which the gateway's configuration does not mean that program (rotation.programs.${connector}.connectorOf).`
        complain(policy, 'connector', target, message)
      }
      if (whose !== undefined && whose !== target.protocol) {
        const message = `It selects ${addressOf(account, target)}, and ${connector} changes credentials of ${whose} targets alone: leave connector out, or select those.`
        complain(policy, 'connector', target, message)
      }
      if (reconcile === undefined) continue
      if (reconcile === account.name) {
        const message = `It selects ${addressOf(account, target)}, which cannot mend itself: give ${reconcile} a policy of its own, whose name comes first.`
        complain(policy, 'reconcile', target, message)
      }
      const has = target.accounts.some(({ name }) => name === reconcile)
      const before = reconciled.get(policy)
      reconciled.set(policy, { target: before?.target ?? target, found: has || before?.found === true })
    }
  }
  for (const [policy, { target, found }] of reconciled) {
    if (found) continue
    const names = target.accounts.map(({ name }) => name)
    const guess = nearest(policy.reconcile!, names)
    const meant = guess === undefined ? '' : ` Did you mean ${guess}?`
    const message = `None of its targets has an account ${policy.reconcile}; ${target.name} has ${names.join(', ')}.${meant}`
    complain(policy, 'reconcile', target, message)
  }
  return problems
}

function addressOf(account: Account, target: Target): string {
  return `${account.name}@${target.name}`
}
