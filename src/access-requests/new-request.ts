/** A new request: reviewed by the rules at the moment of asking, counted, and stored with what a rule decides. */

import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import { holdPolicy } from '../database/policy-lock.ts'
import type { User } from '../identity/user.ts'
import type { Offer } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import type { By } from './actor.ts'
import { Stale, type Tell, type Write } from './change.ts'
import { openedBy } from './choose-offer.ts'
import type { FollowOn } from './follow-on.ts'
import { groundOf, groundStores, whyOver } from './ground.ts'
import type { OfferedNow } from './offered.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { type Review, withFurtherStep } from './review/evaluate.ts'
import type { ReviewRule } from './review/review-rule.ts'
import type { Reviewed, Reviewer, ReviewInput } from './review/reviewer.ts'
import { plannedEndOf } from './transition.ts'
import { onOf } from './which-targets.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'list' | 'insert' | 'countOf' | 'holdAskingOf' | 'decide'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly offered: Pick<OfferedNow, 'offerOf' | 'targetsOf'>
  readonly acts: Pick<Acts, 'act' | 'plan'>
  readonly followOn: FollowOn
  readonly reviewer: Reviewer
  readonly clock: Clock
}

/** What a new request rests on; `base`: which it extends. */
export interface Asked {
  readonly role: Role
  readonly offer: Offer
  readonly base: RequestedAccess | undefined
  readonly by: By
  /** Which of what waits for its decision does as well: then that is given, also where it was asked for on another gateway in this instant. */
  readonly same?: ((pending: RequestedAccess) => boolean) | undefined
}

export const MOST_OPEN = 50
const MOST_AN_HOUR = 100

export type NewRequests = ReturnType<typeof createNewRequests>

export function createNewRequests({ rows, users, offered, acts: { act, plan }, followOn, reviewer, clock }: Parts) {
  /** What the review rules say of it now. */
  async function reviewOf(request: RequestedAccess, { role, offer, base }: Asked): Promise<Reviewed> {
    const until = base && plannedEndOf(base)
    const startsAt = base !== undefined && 'startsAt' in base.state ? base.state.startsAt : undefined
    const extended = startsAt === undefined || until === undefined ? undefined : { startsAt, until }
    return reviewer.review({ ...(await inputOf(request, role, offer)), extended, isAsked: true })
  }

  async function inputOf(request: RequestedAccess, role: Role, offer: Offer): Promise<Omit<ReviewInput, 'isAsked'>> {
    return {
      ...{ request, offer, user: await users.get(request.user) },
      opened: openedBy(role, request.offer, request.wish, await offered.targetsOf(onOf(request.wish))),
    }
  }

  /** Asked, and reviewed at once: what a rule approves or denies is so in the same transaction. */
  async function insertReviewed(
    request: RequestedAccess,
    { review, only, stillHolds }: Reviewed,
    { offer, base, by, same }: Asked,
    on: Database,
    tell: Tell,
  ): Promise<RequestedAccess> {
    await holdPolicy('read', on)
    await rows.holdAskingOf(request.user, on)
    const known =
      same && (await rows.list({ user: request.user, states: ['pending'], limit: MOST_OPEN }, on)).find(same)
    if (known !== undefined) return known
    const over = whyOver(request, await groundOf([request], groundStores({ database: on, clock })))
    if (over !== undefined) throw new GatewayError('CONFLICT', `It cannot be asked for any more: ${over}.`)
    if (!(await stillHolds(on))) throw new Stale()
    const asked = { ...request, review }
    await insert(asked, withFurtherStep(offer, review), by, on, tell)
    if (review.outcome === 'ask') return asked
    const rule = `review-rule:${review.rule}`
    const at = clock.now()
    const decision = { approver: rule, stage: 0, reason: review.why, rule, factors: '', at }
    if (review.outcome === 'deny') {
      const words = `denied by the review rule ${review.rule}`
      const denied = await act(asked, { act: 'deny', at, by: 'gateway', words }, on)
      await rows.decide(asked.id, { ...decision, decision: 'deny' }, on)
      await tell('denied', denied, { by: 'gateway' }, { rule })
      return denied
    }
    const given = { ...(asked.state.given ?? asked.wish), ...only }
    const useBy = asked.wish.clock === 'first-use' ? Math.max(at, given.startsAt ?? at) + offer.validFor : undefined
    const approved = await act(asked, { act: 'approve', at, given, useBy }, on)
    await rows.decide(asked.id, { ...decision, decision: 'approve' }, on)
    await tell('approved', approved, { by: 'gateway' }, { rule, why: review.why })
    return followOn(on, tell, approved, base, { by: 'gateway' })
  }

  async function checkCount(request: RequestedAccess, on?: Database): Promise<void> {
    const counted = await rows.countOf(request.user, clock.now() - 3_600_000, on)
    if (counted.open >= MOST_OPEN)
      throw new GatewayError('CONFLICT', `You have ${MOST_OPEN} open requests: cancel some first.`)
    if (counted.since >= MOST_AN_HOUR)
      throw new GatewayError('CONFLICT', `You have asked ${MOST_AN_HOUR} times within the hour: ask again later.`)
  }

  async function insert(request: RequestedAccess, offer: Offer, by: By, on: Database, tell: Tell): Promise<void> {
    await checkCount(request, on)
    await rows.insert(request, on)
    await plan(request, on, offer)
    await tell('asked', request, by, { review: request.review })
  }

  return {
    async prepare(request: RequestedAccess, asked: Asked): Promise<Write<RequestedAccess>> {
      // Others may be asked for its review: not for what is refused anyway.
      await checkCount(request)
      const reviewed = await reviewOf(request, asked)
      return (on, tell) => insertReviewed(request, reviewed, asked, on, tell)
    },

    /** What these rules say of a request of the past; undefined where that cannot be told: of more time, and of what is offered no more. */
    async reviewAgain(request: RequestedAccess, rules: readonly ReviewRule[]): Promise<Review | undefined> {
      const found = await offered.offerOf(request.role, request.offer)
      if (found === undefined || request.extensionOf !== undefined) return undefined
      return reviewer.evaluate(rules, { ...(await inputOf(request, found.role, found.offer)), isAsked: false })
    },
  }
}
