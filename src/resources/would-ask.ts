/** Recorded sessions that resource files would have left to a request: what the review rules would have made of it. Nothing is changed. */

import type { Foresee } from '../access-requests/foresee.ts'
import type { Review } from '../access-requests/review/evaluate.ts'
import type { ReviewRule } from '../access-requests/review/review-rule.ts'
import type { RecordedSession } from '../policy/simulate.ts'
import type { Proposal } from './apply.ts'
import { type SimulateParts, simulate } from './simulate.ts'

/** So many of the newest that would be refused are looked at. */
const MOST = 2000

export interface WouldAsk {
  readonly session: RecordedSession
  readonly role: string
  readonly review: Review
}

export interface WouldHaveAsked {
  /** Sessions of that time. */
  readonly sessions: number
  readonly asked: readonly WouldAsk[]
  /** There are more that would be refused, and were not looked at. */
  readonly more: boolean
}

/** Each is reviewed as if it had been asked for when it began, from the address that is recorded, for as long as it lasted (or what is usual, where that is longer). */
export async function wouldHaveAsked(
  proposal: Proposal,
  rules: readonly ReviewRule[],
  { foresee, ...parts }: SimulateParts & { readonly foresee: Pick<Foresee, 'review'> },
  { since, until }: { readonly since: number; readonly until: number },
): Promise<WouldHaveAsked> {
  const { sessions, counts, listed } = await simulate(proposal, parts, { since, until, limit: MOST })
  const asked: WouldAsk[] = []
  for (const { session, outcome } of listed) {
    if (outcome.is !== 'refused' || outcome.user === undefined) continue
    const [offered] = outcome.onRequest()
    if (offered === undefined) continue
    const { startedAt, endedAt = until, source } = session
    const lengthMs = Math.max(HOUR_MS, endedAt - startedAt)
    const wish = { user: outcome.user, offered, at: startedAt, source, lengthMs }
    asked.push({ session, role: offered.role.name, review: await foresee.review(wish, rules) })
  }
  return { sessions, asked, more: counts.refused > MOST }
}

const HOUR_MS = 3_600_000
