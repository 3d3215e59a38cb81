/** What review rules would say of requests that were asked in the past. Nothing is changed. */

import type { RequestedAccess } from '../request.ts'
import type { Requests } from '../requests.ts'
import type { Review } from './evaluate.ts'
import type { ReviewRule } from './review-rule.ts'

const PAGE = 200
/** So many of the newest are tried. */
const MOST = 2000

export interface Tried {
  readonly request: RequestedAccess
  /** Undefined: nobody can tell now. */
  readonly review: Review | undefined
}

export interface DryRun {
  readonly tried: readonly Tried[]
  /** There are older ones that were not tried. */
  readonly more: boolean
}

/**
 * Each request that was asked from `since` on and before `until` (milliseconds since the epoch), newest first: reviewed with the hours, source and
 * sessions of that time, and with the user, the targets and the role's offer as they are now.
 */
export async function tryRules(
  requests: Pick<Requests, 'rows' | 'reviewAgain'>,
  rules: readonly ReviewRule[],
  { since, until }: { since: number; until: number },
): Promise<DryRun> {
  const tried: Tried[] = []
  let before: Pick<RequestedAccess, 'id' | 'askedAt'> = { id: '', askedAt: until }
  for (;;) {
    const some = await requests.rows.list({ before, limit: PAGE })
    for (const request of some) {
      if (request.askedAt < since) return { tried, more: false }
      if (tried.length >= MOST) return { tried, more: true }
      tried.push({ request, review: await requests.reviewAgain(request, rules) })
    }
    const last = some.at(-1)
    if (last === undefined || some.length < PAGE) return { tried, more: false }
    before = last
  }
}
