/** What roles give their holders at the API: the same terms (hours, sources, factors) as for sessions. */

import type { Factor } from '../shared/factors.ts'
import { type Scope, withIncluded } from '../shared/scopes.ts'
import { type AccessFacts, evaluateTerms, failures } from './evaluate-role.ts'

type WhoFacts = Pick<AccessFacts, 'roles' | 'defaults' | 'sourceAddress' | 'now'>

/** Of the roles that hold here and now, with these factors proven. */
export function scopesGiven(facts: WhoFacts, proven: ReadonlySet<Factor>): ReadonlySet<Scope> {
  const holding = facts.roles.filter(role => failures(evaluateTerms(role, facts, proven)).length === 0)
  return scopesAtMost(holding)
}

/** Whatever the hours, the source and the factors. */
export function scopesAtMost(roles: readonly { readonly api?: readonly Scope[] | undefined }[]): ReadonlySet<Scope> {
  return withIncluded(roles.flatMap(({ api = [] }) => api))
}
