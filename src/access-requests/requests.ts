/** Asking, deciding, ending: every change of a request in one transaction with its audit event, by compare-and-swap, with what must follow. */

import { isDeepStrictEqual } from 'node:util'
import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { PrincipalFacts } from '../identity/principal.ts'
import type { User } from '../identity/user.ts'
import { matchesTarget } from '../policy/match.ts'
import { type Offer, offerName, stagesOf } from '../policy/on-request.ts'
import { requestCommand } from '../policy/request-command.ts'
import type { Role } from '../policy/role.ts'
import type { Roles } from '../policy/roles.ts'
import { checkText, checkWords } from '../policy/wish-words.ts'
import type { Access } from '../session/access.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'
import { type ApprovalFacts, type Decider, isEnough, type MayDecide, mayDecide, samePerson } from './approvals.ts'
import { type AskWish, chooseOffer, lengthOf, openedBy } from './choose-offer.ts'
import { happened, type RequestHappening, refused } from './events.ts'
import { type Ground, oneTargetOf, onOf, whyOver } from './ground.ts'
import { type GivenLess, lessen } from './lessen.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'
import { createRequestRows } from './request-rows.ts'
import { type Review, withFurtherStep } from './review/evaluate.ts'
import type { ReviewRule } from './review/review-rule.ts'
import type { Reviewed, Reviewer, ReviewInput } from './review/reviewer.ts'
import { actDue, after, dueAt, plannedEndOf, type RequestAct } from './transition.ts'

/** Who acts, as they are known now; `session`: the login in which they do. */
export interface Actor extends PrincipalFacts {
  readonly session?: string | undefined
}

export interface Transition {
  readonly what: RequestHappening
  /** As it is afterwards. */
  readonly request: RequestedAccess
  readonly by: string
}

/** Called in the transaction of the change: what it writes by `on` is stored with it. */
export type TransitionListener = (transition: Transition, on: Database) => Promise<void> | void

export interface RequestJobs {
  /** Something happens to it by itself then; an earlier plan for the same is replaced. */
  dueAt(id: string, at: number, on: Database): Promise<void>
  cancel(id: string, on: Database): Promise<void>
}

interface Parts {
  readonly database: Database
  readonly outbox: Outbox
  readonly audit: AuditAppender
  readonly access: Pick<Access, 'look'>
  readonly users: Pick<Documents<User>, 'get' | 'getAll'>
  readonly roles: Pick<Roles, 'get' | 'getAll' | 'heldBy' | 'list'>
  readonly targets: Pick<Targets, 'get' | 'getAll' | 'pages'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  readonly jobs: RequestJobs
  /** What rests on it ends, on whichever gateway. Never rejects. */
  readonly endUses: (request: RequestedAccess) => Promise<void>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly reviewer: Reviewer
  readonly count: (what: RequestHappening) => void
}

const CHANNEL = 'access-requests'
const MOST_OPEN = 50
const MOST_AN_HOUR = 100
const PAGE = 500
/** So often a change is tried that others were quicker with. */
const TRIES = 8
/** What a selector may be made of. */
const MOST_TARGETS_SHOWN = 50

interface By {
  readonly by: string
  readonly session?: string | undefined
}

/** What a new request rests on; `base`: which it extends. */
interface Asked {
  readonly role: Role
  readonly offer: Offer
  readonly base: RequestedAccess | undefined
  readonly by: By
}

/** Notes what has happened, in the transaction. */
type Tell = (
  what: RequestHappening,
  request: RequestedAccess,
  by: By,
  more?: Readonly<Record<string, unknown>>,
) => Promise<void>
type Write<T> = (on: Database, tell: Tell) => Promise<T>

/** Somebody else has changed the request since it was read. */
class Stale extends Error {}

export type Requests = Awaited<ReturnType<typeof createRequests>>

export async function createRequests(parts: Parts) {
  const { outbox, audit, access, users, roles, targets, cluster, jobs, endUses, clock, count, reviewer } = parts
  const rows = createRequestRows(parts.database)
  const transitionListeners = new Set<TransitionListener>()
  const changeListeners = new Set<(id: string) => void>()
  const unsubscribe = await cluster.subscribe(CHANNEL, payload => {
    for (const listener of changeListeners) listener(payload.toString('utf8'))
  })

  /**
   * `prepare` reads what the change rests on; what it gives writes, in one transaction. Both again where somebody else was quicker. Afterwards
   * the audit log knows, and whoever waits.
   */
  async function change<T>(prepare: () => Promise<Write<T>>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const told: Transition[] = []
      try {
        const write = await prepare()
        const result = await outbox.change((on, record: RecordEvent) =>
          write(on, async (what, request, by, more) => {
            record(happened(what, request, by, more))
            const transition = { what, request, by: by.by }
            told.push(transition)
            for (const listener of transitionListeners) await listener(transition, on)
          }),
        )
        await follow(told)
        return result
      } catch (error) {
        if (!(error instanceof Stale)) throw error
        if (tries >= TRIES) throw new GatewayError('CONFLICT', 'Others are changing it at this moment; try it again.')
      }
    }
  }

  async function follow(told: readonly Transition[]): Promise<void> {
    for (const { what, request } of told) {
      count(what)
      // Whoever may have something by it does not any more.
      if (what === 'revoked' || what === 'ended' || what === 'cancelled') await endUses(request)
    }
    for (const id of new Set(told.map(({ request }) => request.id))) {
      await cluster.publish(CHANNEL, Buffer.from(id, 'utf8')).catch(() => undefined)
    }
    if (told.length > 0) await audit.flush()
  }

  /** Throws {@link Stale}, and where that cannot happen to it now, `CONFLICT`. `offer`: where it then waits for a step of it. */
  async function act(request: RequestedAccess, how: RequestAct, on: Database, offer?: Offer): Promise<RequestedAccess> {
    const changed = after(request, how)
    if (changed === undefined)
      throw new GatewayError('CONFLICT', `The request is ${stateWords(request)}: that is not possible any more.`)
    if (!(await rows.change(request, changed, on))) throw new Stale()
    await plan(changed, on, offer)
    return changed
  }

  async function plan(request: RequestedAccess, on: Database, offer?: Offer): Promise<void> {
    const due = dueAt(request)
    if (due === undefined) await jobs.cancel(request.id, on)
    else await jobs.dueAt(request.id, Math.min(due, escalatesAt(request, offer) ?? due), on)
  }

  /** Of a step that waits and has not escalated yet. */
  function escalatesAt({ state }: RequestedAccess, offer: Offer | undefined): number | undefined {
    if (state.is !== 'pending' || offer === undefined) return undefined
    const within = stagesOf(offer)[state.stage]?.within
    const at = within === undefined ? undefined : state.stageSince + within
    return at !== undefined && at > clock.now() ? at : undefined
  }

  async function offerOf(role: string, name: string): Promise<{ role: Role; offer: Offer } | undefined> {
    const found = await roles.get(role)
    const offer = found?.onRequest?.find(one => offerName(one) === name)
    return found === undefined || offer === undefined ? undefined : { role: found, offer }
  }

  /** With the further step that its review asked for. */
  async function offerFor({ role, offer, review }: RequestedAccess): ReturnType<typeof offerOf> {
    const found = await offerOf(role, offer)
    return found && { ...found, offer: withFurtherStep(found.offer, review) }
  }

  async function targetsOf(on: AskWish['on']): Promise<Target[]> {
    if ('target' in on) {
      const target = await targets.get(on.target)
      return target === undefined ? [] : [target]
    }
    const found: Target[] = []
    for await (const some of targets.pages(PAGE)) found.push(...some.filter(one => matchesTarget(on.selector, one)))
    return found
  }

  /** What a decision on it rests on; undefined where it waits for none, or can be given no more. */
  async function approvalFacts(
    request: RequestedAccess,
  ): Promise<(ApprovalFacts & { offer: Offer; role: Role }) | undefined> {
    const { state, user, role } = request
    if (state.is !== 'pending') return undefined
    const offer = await offerFor(request)
    const requester = await users.get(user)
    if (offer === undefined || requester === undefined || requester.disabled) return undefined
    if (!requester.roles.includes(role)) return undefined
    const decisions = (await rows.decisionsOn(request.id)).filter(({ decision }) => decision === 'approve')
    const approvers = new Map(
      (await users.getAll(decisions.map(({ approver }) => approver))).map(one => [one.name, one]),
    )
    return {
      ...offer,
      requester,
      ...{ stage: state.stage, stageSince: state.stageSince, now: clock.now() },
      approvals: decisions.map(({ approver, stage }) => ({ approver: approvers.get(approver), stage })),
    }
  }

  /** Whether the requester has approved what this person has, by whichever of their users: of these names. */
  async function owes(names: readonly string[], requester: Decider): Promise<boolean> {
    if (names.length === 0) return false
    return (await users.getAll(names)).some(one => samePerson(one, requester))
  }

  async function mayDecideOn(request: RequestedAccess, approver: User): Promise<MayDecide> {
    const facts = await approvalFacts(request)
    if (facts === undefined) return { may: false, knows: false, why: 'It waits for no decision any more.' }
    return mayDecide(facts, approver, await owes(await rows.approversOf(approver.name), facts.requester))
  }

  /** What a person sees of one that they may not know of. */
  const unknown = () => new GatewayError('NOT_FOUND', 'There is no such request that you may see.')

  async function deciderOf(person: Actor, id: string): Promise<{ request: RequestedAccess; user: User }> {
    const [request, user] = await Promise.all([rows.get(id), users.get(person.user)])
    if (request === undefined || user === undefined || user.disabled) throw unknown()
    if (request.state.is !== 'pending') {
      const knows = request.user === person.user || (await decided(request, person.user))
      throw knows ? new GatewayError('CONFLICT', `The request is ${stateWords(request)} already.`) : unknown()
    }
    return { request, user }
  }

  const decided = async ({ id }: RequestedAccess, user: string) =>
    (await rows.decisionsOn(id)).some(({ approver }) => approver === user)

  async function refuse(person: Actor, request: string, why: string): Promise<void> {
    await audit.append(refused({ by: person.user, session: person.session }, { request, why }))
  }

  /** Whether they may, and have proven what the offer asks for. `prove`: whether the code that was asked for this act is right. */
  async function checkDecider(
    person: Actor,
    id: string,
    prove: (() => Promise<boolean>) | undefined,
  ): Promise<{ rule: string; factors: string }> {
    const { request, user } = await deciderOf(person, id)
    const may = await mayDecideOn(request, user)
    if (!may.may) {
      await refuse(person, id, may.why)
      throw may.knows ? new GatewayError('FORBIDDEN', may.why) : unknown()
    }
    const { offer } = (await offerFor(request)) ?? {}
    if (offer?.freshFactor === false) return { rule: may.rule, factors: '' }
    if (prove === undefined) throw new NeedsCode()
    if (!(await prove())) {
      await refuse(person, id, 'the second factor for the decision was wrong')
      throw new GatewayError('ACCESS_DENIED', 'The one-time code is not right, or has counted already.')
    }
    return { rule: may.rule, factors: 'totp' }
  }

  /** As it is now, and may be decided by them; `hold` sees to it, in the transaction, that it still may. */
  async function stillTheirs(person: Actor, id: string) {
    const request = await rows.get(id)
    const user = await users.get(person.user)
    const facts = request && (await approvalFacts(request))
    if (request?.state.is !== 'pending' || facts === undefined || user === undefined)
      throw new GatewayError('CONFLICT', 'It waits for no decision any more.')
    const owed = await rows.approversOf(user.name)
    const may = mayDecide(facts, user, await owes(owed, facts.requester))
    if (!may.may) throw new GatewayError('CONFLICT', may.why)
    async function hold(on: Database): Promise<void> {
      await rows.holdOf(user!.name, id, on)
      // Two who approve each other's request at one instant.
      if (!isDeepStrictEqual(await rows.approversOf(user!.name, on), owed)) throw new Stale()
    }
    return { request, given: request.state.given, facts, rule: may.rule, user, hold }
  }

  async function prepareApproval(
    person: Actor,
    id: string,
    how: { less: GivenLess; reason: string | undefined; factors: string },
  ): Promise<Write<RequestedAccess>> {
    const { request, given, facts, rule, user, hold } = await stillTheirs(person, id)
    const { offer, role, stage } = facts
    const now = clock.now()
    const less = lessen(given, how.less, { role, offer, now })
    if (
      request.extensionOf === undefined &&
      openedBy(role, request.offer, less, await targetsOf(onOf(less))).length === 0
    )
      throw new GatewayError('CONFLICT', 'Nothing of what it asks for is there any more, or offered.')
    const base = request.extensionOf === undefined ? undefined : await rows.get(request.extensionOf)
    const enough = isEnough({ ...facts, approvals: [...facts.approvals, { approver: user, stage }] })
    const next = enough ? stage + 1 : stage
    const last = next >= stagesOf(offer).length
    const by = { by: person.user, session: person.session }
    const useBy = request.wish.clock === 'first-use' ? Math.max(now, less.startsAt ?? now) + offer.validFor : undefined

    return async (on, tell) => {
      await hold(on)
      const changed = await act(
        request,
        last ? { act: 'approve', at: now, given: less, useBy } : { act: 'go-on', stage: next, at: now, given: less },
        on,
        offer,
      )
      const { reason, factors } = how
      await rows.decide(id, { approver: user.name, stage, decision: 'approve', reason, rule, factors, at: now }, on)
      const why = { rule, ...(reason === undefined ? {} : { why: reason }) }
      await tell(last ? 'approved' : 'approved-by-one', changed, by, why)
      if (!last) return changed
      if (request.kind === 'access') return goOnIn(on, tell, changed, base, by)
      // It ends as the wish that somebody changes the role.
      const words = 'whoever administers the gateway is to change the role'
      const ended = await act(changed, { act: 'end', at: now, by: 'gateway', words }, on)
      await tell('ended', ended, { by: 'gateway' })
      return ended
    }
  }

  /** What follows on an approval at once. */
  function goOnIn(on: Database, tell: Tell, request: RequestedAccess, base: RequestedAccess | undefined, by: By) {
    return request.extensionOf === undefined ? beginIn(on, tell, request) : extendIn(on, tell, request, base, by)
  }

  /** What is approved for now has begun. */
  async function beginIn(on: Database, tell: Tell, request: RequestedAccess): Promise<RequestedAccess> {
    const { state } = request
    if (state.is !== 'approved' || state.begins.with !== 'time' || state.startsAt > clock.now()) return request
    const active = await act(request, { act: 'begin', at: clock.now() }, on)
    await tell('began', active, { by: 'gateway' })
    return active
  }

  /** The request that gets more time has it, where it is not over. */
  async function extendIn(
    on: Database,
    tell: Tell,
    extension: RequestedAccess,
    base: RequestedAccess | undefined,
    by: By,
  ): Promise<RequestedAccess> {
    const until = base && plannedEndOf(base)
    const now = clock.now()
    const isTime = until !== undefined && until > now
    const words = isTime ? 'the request has its time' : 'the request that it would extend is over'
    const ended = await act(extension, { act: 'end', at: now, by: 'gateway', words }, on)
    if (isTime) {
      const endsAt = until + (extension.state.given ?? extension.wish).lengthMs
      const extended = await act(base!, { act: 'extend', endsAt }, on)
      await tell('extended', extended, by, { extension: extension.id })
    }
    await tell('ended', ended, { by: 'gateway' })
    return ended
  }

  function endBy(
    id: string,
    how: 'cancel' | 'revoke',
    by: By & { words?: string | undefined },
  ): Promise<RequestedAccess | undefined> {
    return change(async () => {
      const request = await rows.get(id)
      return async (on, tell) => {
        if (request === undefined || dueAt(request) === undefined) return undefined
        const ended = await act(request, { act: how, at: clock.now(), by: by.by, words: by.words }, on)
        await tell(ended.state.is as 'cancelled' | 'ended' | 'revoked', ended, by)
        return ended
      }
    })
  }

  /** What the review rules say of it now. */
  async function reviewOf(request: RequestedAccess, { role, offer, base }: Asked): Promise<Reviewed> {
    const until = base && plannedEndOf(base)
    const startsAt = base !== undefined && 'startsAt' in base.state ? base.state.startsAt : undefined
    const extended = startsAt === undefined || until === undefined ? undefined : { startsAt, until }
    return reviewer.review({ ...(await reviewInput(request, role, offer)), extended })
  }

  async function reviewInput(request: RequestedAccess, role: Role, offer: Offer): Promise<ReviewInput> {
    return {
      ...{ request, most: offer.maxTime, user: await users.get(request.user) },
      opened: openedBy(role, request.offer, request.wish, await targetsOf(onOf(request.wish))),
    }
  }

  /** Asked, and reviewed at once: what a rule approves or denies is so in the same transaction. */
  async function insertReviewed(
    request: RequestedAccess,
    { review, only, stillHolds }: Reviewed,
    { offer, base, by }: Asked,
    on: Database,
    tell: Tell,
  ): Promise<RequestedAccess> {
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
    return goOnIn(on, tell, approved, base, { by: 'gateway' })
  }

  async function insert(request: RequestedAccess, offer: Offer, by: By, on: Database, tell: Tell): Promise<void> {
    const counted = await rows.countOf(request.user, clock.now() - 3_600_000, on)
    if (counted.open >= MOST_OPEN)
      throw new GatewayError('CONFLICT', `You have ${MOST_OPEN} open requests: cancel some first.`)
    if (counted.since >= MOST_AN_HOUR)
      throw new GatewayError('CONFLICT', `You have asked ${MOST_AN_HOUR} times within the hour: ask again later.`)
    await rows.insert(request, on)
    await plan(request, on, offer)
    await tell('asked', request, by, { review: request.review })
  }

  /** What open requests rest on, as it is now: read at once, by name, for all of these. */
  async function groundOf(some: readonly RequestedAccess[]): Promise<Ground> {
    const [known, held, there] = await Promise.all([
      users.getAll(namesIn(some.map(({ user }) => user))),
      roles.getAll(namesIn(some.map(({ role }) => role))),
      targets.getAll(namesIn(some.flatMap(request => oneTargetOf(request) ?? []))),
    ])
    return { users: byName(known), roles: byName(held), targets: byName(there) }
  }

  return {
    rows,
    clock,
    mayDecideOn,
    offerOf,
    offerFor,
    targetsOf,

    /** Throws `BAD_REQUEST`, `ACCESS_DENIED`, `CONFLICT` and `AUDIT_UNAVAILABLE`. `lower`: an account of a lower level would do as well. */
    async ask(person: Actor, wish: AskWish) {
      const now = clock.now()
      const held = await roles.heldBy({ roles: person.roles, disabled: false })
      const by = { by: person.user, session: person.session }
      let chosen: ReturnType<typeof chooseOffer>
      try {
        chosen = chooseOffer(held, await targetsOf(wish.on), wish, now)
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'ACCESS_DENIED')
          await audit.append(refused(by, { wanted: wantedWords(wish), why: 'no role of the user offers it' }))
        throw error
      }
      const { role, offer, asked, lower } = chosen
      const example = requestCommand(person.user, addressWords(wish, asked), offer)
      const words = checkWords(offer, wish, 'This access', example)
      if ('target' in wish.on && !wish.permanent) {
        const [account] = asked.accounts.names!
        const decision = await access.look(person, { account: account!, target: wish.on.target })
        if (
          decision.granted &&
          decision.request === undefined &&
          asked.channels.every(one => decision.channels.has(one))
        )
          throw new GatewayError('CONFLICT', `You have ${account}@${wish.on.target} without asking.`)
      }
      const request: RequestedAccess = {
        id: newId('req', now),
        kind: wish.permanent ? 'permanent' : 'access',
        user: person.user,
        ...{ role: role.name, offer: offerName(offer) },
        wish: { ...asked, ...words, source: person.sourceAddress, clock: offer.clock },
        extensionOf: undefined,
        ...{ askedAt: now, revision: 1 },
        state: { is: 'pending', stage: 0, stageSince: now, expiresAt: now + offer.validFor, given: asked },
      }
      const reviewed = await change(async () => {
        const asked = { role, offer, by, base: undefined }
        const review = await reviewOf(request, asked)
        return (on, tell) => insertReviewed(request, review, asked, on, tell)
      })
      return { request: reviewed, lower }
    },

    /** More time for one's own request, which is approved and not over: decided like a new one. Throws as `ask` does, and `NOT_FOUND`. */
    async askForMore(
      person: Actor,
      id: string,
      wish: Pick<AskWish, 'forMs' | 'reason' | 'ticket'>,
    ): Promise<RequestedAccess> {
      const base = await rows.get(id)
      if (base === undefined || base.user !== person.user) throw unknown()
      const until = plannedEndOf(base)
      const now = clock.now()
      if (until === undefined || until <= now)
        throw new GatewayError('CONFLICT', `The request is ${stateWords(base)}: there is no time to extend.`)
      const found = await offerOf(base.role, base.offer)
      if (found === undefined) throw new GatewayError('CONFLICT', 'The role does not offer it any more.')
      const { offer, role } = found
      if (!offer.extend) throw new GatewayError('FORBIDDEN', 'This access is not extended: ask for it anew.')
      const words = checkWords(offer, wish, 'More time', requestCommand(person.user, `extend ${id}`, offer))
      const { startsAt: _, ...same } = base.state.given!
      const asked = { ...same, lengthMs: lengthOf(wish.forMs, offer.maxTime) }
      const request: RequestedAccess = {
        ...{ id: newId('req', now), kind: 'access', user: person.user, role: base.role, offer: base.offer },
        wish: { ...asked, ...words, source: person.sourceAddress, clock: 'approval' },
        extensionOf: base.id,
        ...{ askedAt: now, revision: 1 },
        state: {
          ...{ is: 'pending', stage: 0, stageSince: now, given: asked },
          expiresAt: Math.min(now + offer.validFor, until),
        },
      }
      return change(async () => {
        const by = { by: person.user, session: person.session }
        const asked = { role, offer, by, base: await rows.get(base.id) }
        const review = await reviewOf(request, asked)
        return async (on, tell) => {
          const open = await rows.list({ user: person.user, states: ['pending'], limit: MOST_OPEN }, on)
          if (open.some(one => one.extensionOf === base.id))
            throw new GatewayError('CONFLICT', 'You have asked for more time already, and nobody has decided yet.')
          return insertReviewed(request, review, asked, on, tell)
        }
      })
    },

    /** Throws `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `BAD_REQUEST`, `ACCESS_DENIED`, and {@link NeedsCode}. */
    async approve(
      person: Actor,
      id: string,
      how: { readonly less?: GivenLess; readonly reason?: string | undefined },
      prove?: () => Promise<boolean>,
    ): Promise<RequestedAccess> {
      const reason = checkText('reason', how.reason)
      const { factors } = await checkDecider(person, id, prove)
      return change(() => prepareApproval(person, id, { less: how.less ?? {}, reason, factors }))
    },

    /** Throws as `approve` does. */
    async deny(
      person: Actor,
      id: string,
      given: string | undefined,
      prove?: () => Promise<boolean>,
    ): Promise<RequestedAccess> {
      const reason = checkText('reason', given)
      if (reason === undefined) throw new GatewayError('BAD_REQUEST', 'A denial needs a reason: --reason "...".')
      const { factors } = await checkDecider(person, id, prove)
      return change(async () => {
        const { request, rule, facts, hold } = await stillTheirs(person, id)
        return async (on, tell) => {
          await hold(on)
          const at = clock.now()
          const denied = await act(request, { act: 'deny', at, by: person.user, words: reason }, on)
          const decision = {
            approver: person.user,
            stage: facts.stage,
            decision: 'deny',
            reason,
            rule,
            factors,
            at,
          } as const
          await rows.decide(id, decision, on)
          await tell('denied', denied, { by: person.user, session: person.session }, { rule })
          return denied
        }
      })
    },

    /** One's own: withdrawn, or given back. Throws `NOT_FOUND` and `CONFLICT`. */
    async cancel(person: Pick<Actor, 'user' | 'session'>, id: string): Promise<RequestedAccess> {
      const request = await rows.get(id)
      if (request === undefined || request.user !== person.user) throw unknown()
      const ended = await endBy(id, 'cancel', { by: person.user, session: person.session })
      if (ended === undefined) throw new GatewayError('CONFLICT', `The request is ${stateWords(request)} already.`)
      return ended
    },

    /** By somebody who has approved it. Throws `NOT_FOUND` and `CONFLICT`. */
    async revokeAsApprover(person: Actor, id: string, given: string | undefined): Promise<RequestedAccess> {
      const words = checkText('reason', given)
      const request = await rows.get(id)
      if (request === undefined || !(await decided(request, person.user))) throw unknown()
      const ended = await endBy(id, 'revoke', { by: person.user, session: person.session, words })
      if (ended === undefined) throw new GatewayError('CONFLICT', `The request is ${stateWords(request)} already.`)
      return ended
    },

    /** By somebody with that right. Undefined where it is over, or never was. */
    revoke: (id: string, by: string, words: string | undefined): Promise<RequestedAccess | undefined> =>
      endBy(id, 'revoke', { by, words: checkText('reason', words) }),

    /**
     * In the transaction in which something is lent by it: it is noted as used, where its time counts from then. Throws `ACCESS_DENIED` where it
     * is over by now.
     */
    async use(id: string, on: Database, record: RecordEvent): Promise<void> {
      const request = await rows.hold(id, on)
      const now = clock.now()
      const { state } = request ?? {}
      if (request === undefined || (state?.is !== 'approved' && state?.is !== 'active'))
        throw new GatewayError('ACCESS_DENIED', 'The access that was approved for you is over.')
      if (state.is === 'active' || state.begins.with === 'time') return
      const active = after(request, { act: 'begin', at: now })
      if (active === undefined || !(await rows.change(request, active, on)))
        throw new GatewayError('ACCESS_DENIED', 'The access that was approved for you is over.')
      await plan(active, on)
      record(happened('began', active, { by: request.user }))
      count('began')
      for (const listener of transitionListeners)
        await listener({ what: 'began', request: active, by: request.user }, on)
    },

    /** What is due happens; gives when something is due again. */
    async due(id: string): Promise<number | undefined> {
      return change(async () => {
        const request = await rows.get(id)
        const offer = request && (await offerFor(request))?.offer
        return async (on, tell) => {
          if (request === undefined) return undefined
          const { state } = request
          const how = actDue(request, clock.now())
          if (how !== undefined) {
            const changed = await act(request, how, on)
            const what = { begin: 'began', expire: 'expired', end: 'ended' } as const
            await tell(what[how.act as keyof typeof what], changed, { by: 'gateway' })
            return dueAt(changed)
          }
          const stage = state.is === 'pending' && offer !== undefined ? stagesOf(offer)[state.stage] : undefined
          if (state.is === 'pending' && stage?.within !== undefined && clock.now() >= state.stageSince + stage.within)
            await tell('escalated', request, { by: 'gateway' }, { to: stage.escalateTo })
          return escalatesAt(request, offer) ?? dueAt(request)
        }
      })
    },

    /** Decides anew for all that are open: what would not be given today, to whom it was given, is revoked. */
    async review(): Promise<void> {
      for await (const some of rows.open(PAGE)) {
        const ground = await groundOf(some.map(({ request }) => request))
        for (const { request, withdrawn } of some) {
          const words = withdrawn ? 'its user was removed' : whyOver(request, ground)
          if (words !== undefined) await endBy(request.id, 'revoke', { by: 'gateway', words })
        }
      }
    },

    /** What these rules say of a request of the past; undefined where that cannot be told: of more time, and of what is offered no more. */
    async reviewAgain(request: RequestedAccess, rules: readonly ReviewRule[]): Promise<Review | undefined> {
      const found = await offerOf(request.role, request.offer)
      if (found === undefined || request.extensionOf !== undefined) return undefined
      return reviewer.evaluate(rules, await reviewInput(request, found.role, found.offer))
    },

    /** Those that this person may decide on now, the oldest first. */
    async toDecide(name: string): Promise<RequestedAccess[]> {
      const user = await users.get(name)
      if (user === undefined || user.disabled) return []
      const offering = (await roles.list()).filter(({ onRequest = [] }) =>
        onRequest.some(offer => mayMean(offer, user)),
      )
      const pending = await rows.list({ states: ['pending'], roles: offering.map(role => role.name), limit: 10_000 })
      const mine: RequestedAccess[] = []
      for (const request of pending) if ((await mayDecideOn(request, user)).may) mine.push(request)
      return mine.reverse()
    },

    /** What it opens, of the targets that there are: the first of them, and how many. */
    async opens(request: RequestedAccess): Promise<{ accounts: string[]; targets: string[]; count: number }> {
      const found = await offerOf(request.role, request.offer)
      const asked = request.state.given ?? request.wish
      const opened = found === undefined ? [] : openedBy(found.role, request.offer, asked, await targetsOf(onOf(asked)))
      return {
        accounts: opened.slice(0, MOST_TARGETS_SHOWN).map(({ account, target }) => `${account.name}@${target.name}`),
        targets: [...new Set(opened.map(({ target }) => target.name))].slice(0, MOST_TARGETS_SHOWN),
        count: opened.length,
      }
    },

    /** Called with every change that this gateway makes, in its transaction. Returns an unsubscribe function. */
    onTransition(listener: TransitionListener): () => void {
      transitionListeners.add(listener)
      return () => void transitionListeners.delete(listener)
    },

    /** Called with the id of a request that has changed on any gateway, where that is heard. */
    onChange(listener: (id: string) => void): () => void {
      changeListeners.add(listener)
      return () => void changeListeners.delete(listener)
    },

    close: unsubscribe,
  }
}

/** The offer asks for a second factor of this moment. */
export class NeedsCode extends GatewayError {
  constructor() {
    super('ACCESS_DENIED', 'The decision needs a one-time code of this moment: --code, or answer when you are asked.')
  }
}

function namesIn(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function byName<T extends { readonly name: string }>(some: readonly T[]): ReadonlyMap<string, T> {
  return new Map(some.map(one => [one.name, one]))
}

/** Whether the offer may mean this user as an approver; whom it is asked for says the rest. */
function mayMean(offer: Offer, { name, roles }: User): boolean {
  const all = stagesOf(offer).flatMap(({ groups, escalateTo = [] }) => [
    ...groups.flatMap(({ of }) => of),
    ...escalateTo,
  ])
  return all.some(who => who === 'manager' || who === `user:${name}` || roles.some(role => who === `role:${role}`))
}

export function stateWords({ state }: RequestedAccess): string {
  return state.is === 'pending' ? 'waiting for its decision' : state.is
}

/** `root@web-01`, where it is one account; else how to choose what was chosen. */
function addressWords({ on }: AskWish, { accounts: { names = [], levels = [] } }: AskedAccess): string {
  const [account] = names
  if ('target' in on && account !== undefined) return `${account}@${on.target}`
  return account === undefined ? `--level ${levels[0]} ...` : `--account ${account} ...`
}

function wantedWords({ on, account, level }: AskWish): string {
  const where = 'target' in on ? on.target : JSON.stringify(on.selector)
  return `${account ?? level ?? 'any account'} on ${where}`.slice(0, 200)
}
