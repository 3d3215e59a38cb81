/** Reviews a request at the moment of asking: reads what the rules ask about. Where that fails, people are asked. */

import { isDeepStrictEqual } from 'node:util'
import type { Database } from '../../database/database.ts'
import type { User } from '../../identity/user.ts'
import type { Offered } from '../../policy/offers.ts'
import type { SessionStore } from '../../session/records/session-store.ts'
import type { Clock } from '../../shared/clock.ts'
import { pastOf } from '../history.ts'
import type { AskedAccess, RequestedAccess } from '../request.ts'
import { evaluateRules, namesOf, type Review, type ReviewFacts } from './evaluate.ts'
import type { ReviewRule } from './review-rule.ts'
import { createReviewRules } from './review-rules.ts'

/** Of more targets than these, people decide. */
const MOST_TARGETS = 50
const FARTHEST_MS = 366 * 86_400_000

export interface ReviewInput {
  readonly request: RequestedAccess
  /** As they are now; undefined: removed. */
  readonly user: User | undefined
  /** What it opens. */
  readonly opened: readonly Offered[]
  /** The longest time of the offer. */
  readonly most: number
  /** Of a request for more time: when what it extends began, and when it ends; undefined where the first use says it. */
  readonly extended?: { readonly startsAt: number; readonly until: number } | undefined
}

export interface Reviewed {
  readonly review: Review
  /** What an approval gives: the accounts that were reviewed, and none that is added later. */
  readonly only: Pick<AskedAccess, 'targets' | 'accounts'>
  /** In the transaction in which the review is acted on: whether the rules are still those that were asked. */
  stillHolds(on: Database): Promise<boolean>
}

export type Reviewer = ReturnType<typeof createReviewer>

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly sessions: Pick<SessionStore, 'list'>
  readonly failed: (error: unknown) => void
}

export function createReviewer({ database, clock, sessions, failed }: Parts) {
  const stored = createReviewRules({ database, clock })

  /** Throws where something cannot be read. */
  async function evaluate(rules: readonly ReviewRule[], input: ReviewInput): Promise<Review> {
    if (rules.length === 0) return { outcome: 'ask', rule: undefined, why: 'there are no review rules' }
    const { user } = input
    if (user === undefined || user.disabled) return { outcome: 'ask', rule: undefined, why: 'the user is not active' }
    const targets = [...new Set(input.opened.map(({ target }) => target.name))]
    if (targets.length > MOST_TARGETS) {
      const why = `it opens more than ${MOST_TARGETS} targets: people decide`
      return { outcome: 'ask', rule: undefined, why }
    }
    return evaluateRules(rules, await factsOf(input, user, targets))
  }

  async function factsOf(input: ReviewInput, user: User, targets: readonly string[]): Promise<ReviewFacts> {
    const { request, opened, most, extended } = input
    const { wish, askedAt } = request
    const past = await pastOf(sessions, request)
    const lastOn = new Map<string, number>()
    for (const target of targets) {
      const query = { user: user.name, target, since: askedAt - FARTHEST_MS, until: askedAt, limit: 1 }
      const [last] = await sessions.list(query)
      if (last !== undefined) lastOn.set(target, last.started_at)
    }
    const begins =
      wish.clock === 'first-use' && extended === undefined ? undefined : (extended?.until ?? wish.startsAt ?? askedAt)
    return {
      ...{ kind: request.kind, role: request.role, user, opened, most, askedAt, source: wish.source, lastOn },
      beginsAt: begins,
      lengthMs: extended === undefined ? wish.lengthMs : extended.until - extended.startsAt + wish.lengthMs,
      newNetwork: !past.knowsNetwork,
      unusualHour: !past.knowsHour,
    }
  }

  return {
    evaluate,

    /** Never throws: what cannot be told is asked of people. */
    async review(input: ReviewInput): Promise<Reviewed> {
      const [accounts, targetNames] = namesOf(input.opened)
      const only = { targets: { names: targetNames }, accounts: { names: accounts } }
      try {
        const texts = await stored.texts()
        const rules = [...texts.values()].map(text => stored.read(text))
        const review = await evaluate(rules, input)
        return {
          ...{ review, only },
          async stillHolds(on) {
            return isDeepStrictEqual(await createReviewRules({ database: on, clock }).texts(), texts)
          },
        }
      } catch (error) {
        failed(error)
        const why = 'the review rules could not be evaluated'
        return { review: { outcome: 'ask', rule: undefined, why }, only, stillHolds: async () => true }
      }
    },
  }
}
