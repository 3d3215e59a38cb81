/** What the schema of a review rule cannot say, and which roles it names. */

import type { ReviewRule } from '../access-requests/review/review-rule.ts'
import { rolesNamedBy } from '../policy/on-request.ts'
import type { Complaint } from '../protocols/facts.ts'

const LONGEST_MS = 366 * 86_400_000

export function checkReviewRule({ when, outcome, also }: ReviewRule): Complaint[] {
  const { accounts, targets, user, atMost, firstOnTarget } = when
  return [
    ...whatSaysNothing({ accounts, targets, user }),
    ...(outcome === 'approve' && Object.keys(when).length === 0
      ? [{ path: ['when'], message: 'It would approve whatever is asked for: say when.' }]
      : []),
    ...(also !== undefined && outcome !== 'ask'
      ? [{ path: ['also'], message: 'also stands with outcome: ask; nobody is asked otherwise.' }]
      : []),
    ...checkTime(atMost, ['when', 'atMost']),
    ...checkTime(firstOnTarget?.within, ['when', 'firstOnTarget', 'within']),
  ]
}

function whatSaysNothing(parts: Readonly<Record<string, object | undefined>>): Complaint[] {
  return Object.entries(parts).flatMap(([name, part]) => {
    const says = part === undefined || Object.values(part).some(one => Object.keys(one ?? {}).length > 0)
    return says ? [] : [{ path: ['when', name], message: `${name} says nothing: name something, or leave it out.` }]
  })
}

function checkTime(ms: number | undefined, path: string[]): Complaint[] {
  if (ms === undefined || (ms > 0 && ms <= LONGEST_MS)) return []
  return [{ path, message: `${path.at(-1)} must be more than 0s, and at most 366d.` }]
}

/** All of them must exist: a rule for a role that is written wrong would never match. */
export function rolesOfRule({ when, also }: ReviewRule): string[] {
  const named = also === undefined ? [] : rolesNamedBy({ stages: [{ groups: also }] })
  return [...new Set([...(when.roles ?? []), ...(when.user?.roles ?? []), ...named])]
}
