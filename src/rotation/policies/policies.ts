/** The rotation policies in the store, and which of them is an account's. */

import type { Database } from '../../database/database.ts'
import { createDocuments, type Documents } from '../../database/documents.ts'
import { matchesAccount, matchesTarget } from '../../policy/match.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Account, Target } from '../../targets/target.ts'
import { type RotationPolicy, rotationPolicySchema } from './rotation-policy.ts'

export interface RotationPolicies extends Documents<RotationPolicy> {
  /** The one that the account is under; undefined: none. */
  of(target: Target, account: Account): Promise<RotationPolicy | undefined>
}

export function createRotationPolicies(parts: { database: Database; clock: Clock }): RotationPolicies {
  const documents = createDocuments('rotation_policies', stored => rotationPolicySchema.parse(stored), parts)
  return {
    ...documents,
    async of(target, account) {
      return policyOf(await documents.list(), target, account)
    },
  }
}

/** Of policies in the order of their names, the first that selects the account: there is never more than one to a rotation. */
export function policyOf(
  policies: readonly RotationPolicy[],
  target: Target,
  account: Account,
): RotationPolicy | undefined {
  return policies.find(policy => selects(policy, target, account))
}

function selects({ targets, accounts }: RotationPolicy, target: Target, account: Account): boolean {
  return matchesTarget(targets, target) && (accounts === undefined || matchesAccount(accounts, account))
}
