/** What no schema can say of a rotation policy: times that make no sense, a rule that no password fits, an account that would mend itself. */

import type { Complaint } from '../protocols/facts.ts'
import { whyNoPassword } from '../rotation/policies/password-rule.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import { listedTwice } from '../shared/listed-twice.ts'

const MINUTE_MS = 60_000
const LONGEST_MS = 3660 * 86_400_000
const DURATIONS = ['every', 'jitter', 'verifyEvery'] as const

export function checkRotationPolicy(policy: RotationPolicy): Complaint[] {
  const { targets, accounts, every, jitter, at, after, password, reconcile, retention } = policy
  const complaints: Complaint[] = []
  const complain = (path: Complaint['path'], message: string) => void complaints.push({ path, message })
  for (const field of DURATIONS) {
    const ms = policy[field]
    if (ms === undefined) continue
    if (field !== 'jitter' && ms < MINUTE_MS) complain([field], `${field} is at least 1m.`)
    if (ms > LONGEST_MS) complain([field], `${field} is at most 3660d.`)
  }
  if ((targets.names ?? []).length === 0 && Object.keys(targets.labels ?? {}).length === 0)
    complain(['targets'], 'It selects no target: give names or labels; names: ["*"] are all.')
  if (accounts !== undefined && (accounts.names ?? []).length === 0 && (accounts.levels ?? []).length === 0)
    complain(['accounts'], 'It selects no account: give names or levels, or leave accounts out for all of them.')
  if (jitter !== undefined && every === undefined && at === undefined)
    complain(['jitter'], 'A jitter belongs to every or at: there is neither.')
  if (jitter !== undefined && every !== undefined && jitter > every)
    complain(['jitter'], 'A jitter is no longer than every.')
  complaints.push(...listedTwice(after, 'after', one => `${one} is there twice.`))
  for (const { path, message } of listedTwice(password.classes, 'classes', one => `The class ${one} is there twice.`))
    complain(['password', ...path], message)
  const why = whyNoPassword(password)
  if (why !== undefined) complain(['password'], `No password fits the rule: ${why}.`)
  if (reconcile !== undefined && accounts?.names?.includes(reconcile) === true)
    complain(['reconcile'], `${reconcile} cannot mend itself: give it a policy of its own, whose name comes first.`)
  if ((retention.for ?? 0) > LONGEST_MS) complain(['retention', 'for'], 'retention.for is at most 3660d.')
  return complaints
}
