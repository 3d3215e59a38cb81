/** What would become of a request that nobody has made: which review rule would match, and whom it would ask. Nothing is stored, and nobody is told. */

import type { User } from '../identity/user.ts'
import type { Users } from '../identity/users.ts'
import type { Offered } from '../policy/offers.ts'
import { stagesOf } from '../policy/on-request.ts'
import type { Clock } from '../shared/clock.ts'
import { describeStage } from './approvals.ts'
import { approversOf } from './approvers.ts'
import { usualLength } from './choose-offer.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'
import { type Review, withFurtherStep } from './review/evaluate.ts'
import type { ReviewRule } from './review/review-rule.ts'
import type { ReviewRules } from './review/review-rules.ts'
import type { Reviewer } from './review/reviewer.ts'

export interface Wish {
  readonly user: User
  readonly offered: Offered
  /** Milliseconds since the epoch; not given: now. */
  readonly at?: number | undefined
  /** Not given: from anywhere. */
  readonly source?: string | undefined
  /** Not given: as long as one asks for who does not say. */
  readonly lengthMs?: number | undefined
}

export interface Foreseen {
  readonly review: Review
  /** Who would be asked at first, and by name those who may decide: the first of them, and how many. */
  readonly approvers: { readonly words: string; readonly names: readonly string[]; readonly count: number } | undefined
}

interface Parts {
  readonly users: Pick<Users, 'holding'>
  readonly reviewRules: Pick<ReviewRules, 'list'>
  readonly reviewer: Pick<Reviewer, 'evaluate'>
  readonly clock: Clock
}

const MOST_NAMED = 10

export type Foresee = ReturnType<typeof createForesee>

export function createForesee({ users, reviewRules, reviewer, clock }: Parts) {
  /** By these rules; not given: those in force. */
  async function review(wish: Wish, rules?: readonly ReviewRule[]): Promise<Review> {
    const { user, offered } = wish
    const request = requestFor(wish, wish.at ?? clock.now())
    const input = { request, user, opened: [offered], offer: offered.offer, isAsked: false }
    return reviewer.evaluate(rules ?? (await reviewRules.list()), input)
  }

  return {
    review,

    async foresee(wish: Wish): Promise<Foreseen> {
      const found = await review(wish)
      if (found.outcome !== 'ask') return { review: found, approvers: undefined }
      const offer = withFurtherStep(wish.offered.offer, found)
      const names: string[] = []
      let count = 0
      for await (const { name } of approversOf(users, stagesOf(offer)[0]!, wish.user)) {
        count++
        if (names.length < MOST_NAMED) names.push(name)
      }
      return { review: found, approvers: { words: describeStage({ offer, stage: 0 }), names, count } }
    },
  }
}

function requestFor({ user, offered, source, lengthMs }: Wish, at: number): RequestedAccess {
  const { role, offer, name, account, target, channels } = offered
  const asked: AskedAccess = {
    targets: { names: [target.name] },
    accounts: { names: [account.name] },
    channels,
    lengthMs: Math.min(lengthMs ?? usualLength(offer), offer.maxTime),
  }
  return {
    ...{ id: '', kind: 'access', user: user.name, role: role.name, offer: name, extensionOf: undefined },
    // No source, and no ticket: what hangs on them is not known.
    wish: { ...asked, source: source ?? '', clock: offer.clock },
    ...{ askedAt: at, revision: 1 },
    state: { is: 'pending', stage: 0, stageSince: at, expiresAt: at + offer.validFor, given: asked },
  }
}
