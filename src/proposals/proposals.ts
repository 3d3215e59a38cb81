/** Proposing, approving, denying, withdrawing: every change of a proposal in one transaction with its audit event, and with what it carries out. */

import type { Actor } from '../access-requests/actor.ts'
import type { MayDecide } from '../access-requests/approvals.ts'
import { NeedsCode } from '../access-requests/check-decider.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { AuditEvent, AuditKind } from '../audit/event.ts'
import type { FourEyes } from '../config/four-eyes.ts'
import type { Database } from '../database/database.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { User } from '../identity/user.ts'
import { checkText } from '../policy/wish-words.ts'
import { type Proposal, proposeResources } from '../resources/apply.ts'
import { applyAndFollow, auditedLines, type FollowParts } from '../resources/apply-and-follow.ts'
import type { Plan } from '../resources/plan.ts'
import type { SimulateParts } from '../resources/simulate.ts'
import { openStores } from '../resources/stores.ts'
import { createSemaphore } from '../shared/concurrency/semaphore.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { mayApprove, personsAmong, ruleFor } from './approving.ts'
import { type Content, contentOf, deletionsOf, described, digestOf, isSameChange, movedOn } from './content.ts'
import { effectOf } from './effect.ts'
import { ownGain } from './own-gain.ts'
import { actorOf, after, approvalsNeeded, type ProposalAct, type ProposedChange, type Proposer } from './proposal.ts'
import { createProposalRows, type ProposalDecision } from './proposal-rows.ts'
import { ProposerGone } from './proposer-gone.ts'
import { createStanding } from './standing.ts'

export type ProposalHappening = 'made' | 'approved-by-one' | 'applied' | 'denied' | 'withdrawn' | 'expired' | 'outdated'

/** Called in the transaction of the change: what it writes by `on` is stored with it. */
export type ProposalListener = (
  happening: { readonly what: ProposalHappening; readonly proposal: ProposedChange; readonly by: string },
  on: Database,
) => Promise<void>

export interface ProposalJobs {
  /** It expires then. */
  dueAt(id: string, at: number, on: Database): Promise<void>
}

interface Parts extends FollowParts, Omit<SimulateParts, 'stores'> {
  readonly audit: AuditLog
  readonly tokens: Pick<Tokens, 'list'>
  readonly fourEyes: FourEyes | undefined
  readonly jobs: ProposalJobs
  readonly count: (what: ProposalHappening) => void
}

/** Where four eyes are not asked for, what the gateway proposes waits as long. */
const WAITS_MS = 7 * 86_400_000
const MOST_PENDING = 100
const MOST_OF_ONE = 20
const MOST_WAITING = 4

/** It does not fit what there is any more. */
class Outdated extends GatewayError {
  constructor(why: string) {
    super('CONFLICT', `The proposal is outdated: ${why} Propose it anew.`)
  }
}

export type Proposals = ReturnType<typeof createProposals>

export function createProposals(parts: Parts) {
  const { database, audit, clock, fourEyes, jobs, count, sessions, approvedThen, defaults } = parts
  const rows = createProposalRows(database)
  const standing = createStanding(parts)
  const listeners = new Set<ProposalListener>()
  const oneAtATime = createSemaphore(1, MOST_WAITING)

  /** The audit log is locked first: of all changes of proposals and resources, on whichever gateway, one is under way at a time. */
  async function change(
    from: ProposedChange,
    how: ProposalAct,
    event: AuditEvent,
    before: (on: Database) => Promise<void> = async () => {},
  ): Promise<ProposedChange> {
    const changed = await audit.change(
      async on => {
        await before(on)
        return act(from, how, by(event), on)
      },
      () => event,
    )
    count(whatOf(how))
    return changed
  }

  async function act(from: ProposedChange, how: ProposalAct, by: string, on: Database): Promise<ProposedChange> {
    const changed = after(from, how)
    if (changed === undefined || !(await rows.change(from, changed, on)))
      throw new GatewayError('CONFLICT', 'The proposal is decided, or over, already.')
    await tell(whatOf(how), changed, by, on)
    return changed
  }

  async function tell(what: ProposalHappening, proposal: ProposedChange, by: string, on: Database): Promise<void> {
    for (const listener of listeners) await listener({ what, proposal, by }, on)
  }

  const unknown = () => new GatewayError('NOT_FOUND', 'There is no such proposal that you may see.')

  async function existing(id: string): Promise<ProposedChange> {
    const found = await rows.get(id)
    if (found === undefined) throw unknown()
    return found
  }

  /** Those who have approved it, and may still: as they are now, by the store or in a transaction. */
  async function approversSoFar(proposal: ProposedChange, content: Content, on?: Database): Promise<User[]> {
    const decisions = (await rows.decisionsOn(proposal.id, on)).filter(({ decision }) => decision === 'approve')
    const approvers: User[] = []
    for (const user of await standing.users(
      decisions.map(({ approver }) => approver),
      on,
    )) {
      const facts = await standing.personOf(user, on)
      const still = !user.disabled && ruleFor(fourEyes?.approvers ?? [], user) !== undefined
      if (still && ownGain(content, facts) === undefined) approvers.push(user)
    }
    return approvers
  }

  async function mayDecide(
    proposal: ProposedChange,
    user: User,
    options: { readonly content?: Content; readonly on?: Database; readonly atWork?: boolean } = {},
  ): Promise<MayDecide> {
    const { on, atWork = false } = options
    if (proposal.state.is !== 'pending') return { may: false, knows: false, why: 'It waits for no decision any more.' }
    if (fourEyes === undefined) return { may: false, knows: false, why: 'You are no approver of changes.' }
    const content = options.content ?? (await rows.detailsOf(proposal.id)).content
    const { proposer } = proposal
    const [proposing] = proposer.is === 'owner' ? [] : await standing.users([proposer.user], on)
    const facts = {
      approvers: fourEyes.approvers,
      proposer: proposing,
      approvals: await approversSoFar(proposal, content, on),
      now: clock.now(),
    }
    const person = atWork ? { ...user, workingHours: undefined } : user
    return mayApprove(facts, person, ownGain(content, await standing.personOf(user, on)))
  }

  async function refuse(person: Pick<Actor, 'user' | 'session'>, proposal: string, why: string): Promise<void> {
    const { user, session } = person
    await audit.append({
      ...{ kind: 'proposal.refused', actor: user, data: { proposal, why } },
      ...(session === undefined ? {} : { session }),
    })
  }

  /** Whether they may, and have proven a second factor anew. */
  async function checkDecider(
    person: Actor,
    id: string,
    prove: (() => Promise<boolean>) | undefined,
  ): Promise<{ proposal: ProposedChange; content: Content; user: User }> {
    const [proposal, [user]] = await Promise.all([rows.get(id), standing.users([person.user])])
    if (proposal === undefined || user === undefined || user.disabled) throw unknown()
    const mine = proposal.proposer.is !== 'owner' && proposal.proposer.user === user.name
    if (proposal.state.is !== 'pending') {
      if (!mine && (fourEyes === undefined || ruleFor(fourEyes.approvers, user) === undefined)) throw unknown()
      throw new GatewayError('CONFLICT', `The proposal is ${proposal.state.is} already.`)
    }
    const { content } = await rows.detailsOf(id)
    const may = await mayDecide(proposal, user, { content })
    if (!may.may) {
      await refuse(person, id, may.why)
      throw may.knows ? new GatewayError('FORBIDDEN', may.why) : unknown()
    }
    if (prove === undefined) throw new NeedsCode()
    if (!(await prove())) {
      await refuse(person, id, 'the second factor for the decision was wrong')
      throw new GatewayError('ACCESS_DENIED', 'The one-time code is not right, or has counted already.')
    }
    return { proposal, content, user }
  }

  /** Throws {@link Outdated}. */
  async function planOf(content: Content): Promise<Proposal> {
    try {
      return await proposeResources(described(content), parts, {
        deletions: deletionsOf(content),
        check: checkOf(content),
      })
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'RESOURCE_INVALID') throw new Outdated(error.message)
      throw error
    }
  }

  /** Carries it out, in one transaction with its end. `before`: the last look, in that transaction. */
  async function apply(
    proposal: ProposedChange,
    content: Content,
    by: { readonly actor: string; readonly facts: Readonly<Record<string, unknown>> },
    before: (on: Database) => Promise<void>,
  ): Promise<ProposedChange> {
    try {
      const planned = await planOf(content)
      let applied: ProposedChange | undefined
      await applyAndFollow(planned, parts, {
        actor: by.actor,
        facts: { proposal: proposal.id, proposedBy: actorOf(proposal.proposer), ...by.facts },
        deletions: deletionsOf(content),
        check: checkOf(content),
        changeAudited: (_expected, work, eventOf) =>
          work(write =>
            audit.change(
              async on => {
                await standing.checkProposer(proposal, content, on)
                await before(on)
                applied = await act(proposal, { act: 'apply', at: clock.now(), by: by.actor }, by.actor, on)
                return write(on)
              },
              value => eventOf(value as never),
            ),
          ),
      })
      count('applied')
      return applied!
    } catch (error) {
      if (error instanceof Outdated || error instanceof ProposerGone) await outdate(proposal, error.message)
      throw error
    }
  }

  async function outdate(proposal: ProposedChange, words: string): Promise<void> {
    const event = eventOf('proposal.outdated', 'gateway', proposal, { why: words })
    await change(proposal, { act: 'outdate', at: clock.now(), by: 'gateway', words }, event).catch(error => {
      if (!(error instanceof GatewayError && error.code === 'CONFLICT')) throw error
    })
  }

  return {
    rows,
    mayDecide,
    fourEyes,

    /** Whether that change is one for two. */
    needsTwo: ({ changes }: Pick<Plan, 'changes'>): boolean =>
      fourEyes !== undefined && changes.some(({ kind }) => fourEyes.kinds.includes(kind)),

    /** The same change by the same proposer, while it waits, is one proposal. Throws `CONFLICT` where nobody could approve it. */
    async make(
      planned: Proposal,
      proposer: Proposer,
      { reason: given, session }: { readonly reason?: string | undefined; readonly session?: string } = {},
    ): Promise<ProposedChange> {
      const reason = checkText('reason', given)
      const content = contentOf(planned.planned)
      const digest = digestOf(content)
      const same = (one: ProposedChange) => one.digest === digest && isSameProposer(one.proposer, proposer)
      const known = (await rows.pending()).find(same)
      if (known !== undefined) return known
      const now = clock.now()
      const proposal: ProposedChange = {
        ...{ id: newId('prp', now), proposer, reason, digest, changes: content.changes.length },
        ...{ askedAt: now, revision: 1, withdrawn: false },
        state: { is: 'pending', expiresAt: now + (fourEyes?.validForMs ?? WAITS_MS) },
      }
      if (fourEyes !== undefined) await standing.checkApprovable(proposal, content, fourEyes)
      const stores = openStores(parts)
      const simulation = { stores, sessions, approvedThen, defaults, oneAtATime }
      const effect = await effectOf(planned, content, simulation, now)
      const event = eventOf('proposal.made', actorOf(proposer), proposal, {
        ...(session === undefined ? {} : { session }),
        ...(reason === undefined ? {} : { reason }),
        changes: auditedLines(planned.planned.plan),
      })
      const made = await audit.change(
        async on => {
          const pending = await rows.pending(on)
          const twin = pending.find(same)
          if (twin !== undefined) return { twin }
          const own = pending.filter(one => isSameProposer(one.proposer, proposer)).length
          if (proposer.is !== 'request' && (own >= MOST_OF_ONE || pending.length >= MOST_PENDING))
            throw new GatewayError(
              'CONFLICT',
              `${own} proposals of yours wait, of ${pending.length}: have them decided, or withdraw some.`,
            )
          await rows.insert(proposal, content, effect, on)
          await jobs.dueAt(proposal.id, now + (fourEyes?.validForMs ?? WAITS_MS), on)
          await tell('made', proposal, actorOf(proposer), on)
          return { twin: undefined }
        },
        // One that is there already is proposed once more: that is said, too.
        ({ twin }) => (twin === undefined ? event : eventOf('proposal.made', actorOf(proposer), twin, { again: true })),
      )
      if (made.twin === undefined) count('made')
      return made.twin ?? proposal
    },

    /** `prove`: whether the code that was asked for this act is right. Throws {@link NeedsCode} without. */
    async approve(
      person: Actor,
      id: string,
      { reason: given }: { readonly reason?: string | undefined },
      prove: (() => Promise<boolean>) | undefined,
    ): Promise<ProposedChange> {
      const reason = checkText('reason', given)
      const { content } = await checkDecider(person, id, prove)
      for (let tries = 1; ; tries++) {
        try {
          return await approveOnce(person, id, content, reason)
        } catch (error) {
          // Another approval came in between: it is one of several, or the last one.
          if (!(error instanceof CameBetween) || tries >= 5) throw error
        }
      }
    },

    async deny(
      person: Actor,
      id: string,
      given: string | undefined,
      prove: (() => Promise<boolean>) | undefined,
    ): Promise<ProposedChange> {
      const reason = checkText('reason', given)
      if (reason === undefined) throw new GatewayError('BAD_REQUEST', 'Say why: --reason TEXT.')
      const { proposal, content, user } = await checkDecider(person, id, prove)
      const event = eventOf('proposal.denied', user.name, proposal, { why: reason, ...sessionOf(person) })
      const how = { act: 'deny', at: clock.now(), by: user.name, words: reason } as const
      return change(proposal, how, event, async on => {
        const rule = await stillMay(proposal, content, user.name, on)
        await rows.decide(id, decision('deny', user.name, rule, reason), on)
      })
    },

    /** By whoever has the right to write roles anyway, where four eyes are not asked for. */
    async decideAsAdministrator(
      id: string,
      actor: string,
      how: { readonly approve: true } | { readonly approve: false; readonly reason: string | undefined },
    ): Promise<ProposedChange> {
      const proposal = await existing(id)
      if (fourEyes !== undefined)
        throw new GatewayError(
          'FORBIDDEN',
          `Changes are approved by ${fourEyes.approvers.join(' or ')}, with their own login.`,
        )
      if (proposal.state.is !== 'pending')
        throw new GatewayError('CONFLICT', `The proposal is ${proposal.state.is} already.`)
      const { proposer } = proposal
      if (proposer.is !== 'owner' && (await standing.isSame(proposer.user, actor)))
        throw new GatewayError(
          'FORBIDDEN',
          'Nobody decides on what they propose themselves, or another user of theirs does.',
        )
      if (!how.approve) {
        const words = checkText('reason', how.reason)
        const event = eventOf('proposal.denied', actor, proposal, words === undefined ? {} : { why: words })
        return change(proposal, { act: 'deny', at: clock.now(), by: actor, words }, event)
      }
      const { content } = await rows.detailsOf(id)
      return apply(proposal, content, { actor, facts: { approvedBy: [actor] } }, async () => {})
    },

    /** `by`: whoever proposed it, or the owner. */
    async withdraw(id: string, by: Proposer): Promise<ProposedChange> {
      const proposal = await existing(id)
      if (by.is !== 'owner' && !isSameProposer(proposal.proposer, by) && !isOf(proposal.proposer, by)) throw unknown()
      if (proposal.state.is !== 'pending')
        throw new GatewayError('CONFLICT', `The proposal is ${proposal.state.is} already.`)
      const actor = actorOf(by)
      const event = eventOf('proposal.withdrawn', actor, proposal, {})
      return change(proposal, { act: 'withdraw', at: clock.now(), by: actor }, event)
    },

    /** Its time is over. */
    async expire(id: string): Promise<void> {
      const proposal = await rows.get(id)
      if (proposal?.state.is !== 'pending' || clock.now() < proposal.state.expiresAt) return
      const words = 'nobody decided in time'
      const event = eventOf('proposal.expired', 'gateway', proposal, { why: words })
      await change(proposal, { act: 'expire', at: clock.now(), by: 'gateway', words }, event).catch(error => {
        if (!(error instanceof GatewayError && error.code === 'CONFLICT')) throw error
      })
    },

    /** As they are now. */
    userOf: async (name: string): Promise<User | undefined> => (await standing.users([name]))[0],

    /** Those on which this person may decide now. */
    async toDecide(name: string): Promise<ProposedChange[]> {
      const [user] = await standing.users([name])
      if (user === undefined || user.disabled) return []
      const found: ProposedChange[] = []
      for (const one of await rows.pending()) if ((await mayDecide(one, user)).may) found.push(one)
      return found
    },

    /** Those who may decide on it, also those whose working hours are over. */
    async decidersOf(proposal: ProposedChange): Promise<string[]> {
      if (fourEyes === undefined) return []
      const { content } = await rows.detailsOf(proposal.id)
      const deciders: string[] = []
      for (const user of await standing.named(fourEyes.approvers))
        if ((await mayDecide(proposal, user, { content, atWork: true })).may) deciders.push(user.name)
      return deciders
    },

    /** Whether a user with these roles, of that name, may approve changes: their factors are not for everybody to set. */
    isApprover: (user: User): boolean => fourEyes !== undefined && ruleFor(fourEyes.approvers, user) !== undefined,

    /** Called with every change that this gateway makes, in its transaction. Returns an unsubscribe function. */
    onChange(listener: ProposalListener): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  async function approveOnce(
    person: Actor,
    id: string,
    content: Content,
    reason: string | undefined,
  ): Promise<ProposedChange> {
    const proposal = await existing(id)
    if (proposal.state.is !== 'pending')
      throw new GatewayError('CONFLICT', `The proposal is ${proposal.state.is} already.`)
    const sofar = await approversSoFar(proposal, content)
    const [user] = await standing.users([person.user])
    const people = user === undefined ? sofar : [...sofar, user]
    const needed = approvalsNeeded(proposal.proposer)
    const enough = personsAmong(people) >= needed
    const decide = async (on: Database) => {
      const rule = await stillMay(proposal, content, person.user, on)
      const now = await approversSoFar(proposal, content, on)
      if (now.length !== sofar.length || (await rows.get(id, on))?.revision !== proposal.revision)
        throw new CameBetween()
      await rows.decide(id, decision('approve', person.user, rule, reason), on)
    }
    if (enough) {
      const approvedBy = people.map(({ name }) => name)
      const facts = { approvedBy, ...(reason === undefined ? {} : { reason }), ...sessionOf(person) }
      return apply(proposal, content, { actor: person.user, facts }, decide)
    }
    const facts = { ...(reason === undefined ? {} : { reason }), needed, ...sessionOf(person) }
    const event = eventOf('proposal.approved-by-one', person.user, proposal, facts)
    return change(proposal, { act: 'approve', at: clock.now() }, event, decide)
  }

  /** In the transaction: roles may have gone since they were asked for a code. */
  async function stillMay(proposal: ProposedChange, content: Content, name: string, on: Database): Promise<string> {
    const [user] = await standing.users([name], on)
    const may: MayDecide =
      user === undefined
        ? { may: false, knows: false, why: 'Your access was withdrawn.' }
        : await mayDecide(proposal, user, { content, on })
    if (!may.may) throw new GatewayError('CONFLICT', may.why)
    return may.rule
  }

  function decision(
    is: ProposalDecision['decision'],
    approver: string,
    rule: string,
    reason: string | undefined,
  ): ProposalDecision {
    return { approver, decision: is, reason, rule, factors: 'totp', at: clock.now() }
  }
}

/** Somebody else has changed it since it was read. */
class CameBetween extends GatewayError {
  constructor() {
    super('CONFLICT', 'Others are deciding on it at this moment; try it again.')
  }
}

function checkOf(content: Content): NonNullable<Parameters<typeof proposeResources>[2]>['check'] {
  return (plan, seen) => {
    const moved = movedOn(content, seen)
    if (moved !== undefined) throw new Outdated(`the ${moved.kind} ${moved.name} was changed since.`)
    if (!isSameChange(content, plan)) throw new Outdated('it would change something else by now.')
  }
}

function eventOf(
  kind: AuditKind,
  actor: string,
  { id, proposer, changes }: ProposedChange,
  { session, ...data }: Readonly<Record<string, unknown>>,
): AuditEvent {
  const by =
    proposer.is === 'token' ? { token: proposer.token } : proposer.is === 'request' ? { request: proposer.request } : {}
  return {
    ...{ kind, actor, data: { proposal: id, proposedBy: actorOf(proposer), ...by, resources: changes, ...data } },
    ...(typeof session === 'string' ? { session } : {}),
  }
}

function sessionOf({ session }: Actor): { session?: string } {
  return session === undefined ? {} : { session }
}

function whatOf({ act }: ProposalAct): ProposalHappening {
  const done = {
    approve: 'approved-by-one',
    apply: 'applied',
    deny: 'denied',
    withdraw: 'withdrawn',
    expire: 'expired',
    outdate: 'outdated',
  } as const
  return done[act]
}

function by({ actor }: AuditEvent): string {
  return actor
}

function isSameProposer(one: Proposer, other: Proposer): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** What the gateway proposed for a person is theirs as well. */
function isOf(proposer: Proposer, by: Proposer): boolean {
  return proposer.is === 'request' && by.is === 'person' && proposer.user === by.user
}
