/** What would have become of a session of the past under other roles, users and targets: decided by what is recorded of it. */

import type { User } from '../identity/user.ts'
import type { Channel, ProtocolName } from '../protocols/registered.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Target } from '../targets/target.ts'
import type { ApprovedAccess } from './approved.ts'
import { type Decision, decide } from './decide.ts'
import { type AccessFacts, appliesTo } from './evaluate-role.ts'
import type { Offered } from './offers.ts'
import type { Role } from './role.ts'

export interface RecordedSession {
  readonly id: string
  readonly protocol: string
  readonly user: string
  readonly account: string
  readonly target: string
  readonly database: string | undefined
  readonly source: string
  /** Milliseconds since the epoch; the end is undefined while it goes on. */
  readonly startedAt: number
  readonly endedAt: number | undefined
  /** Those that gave it. */
  readonly roles: readonly string[]
  /** The approved request that it rested on: `lost` where the store does not have it any more; undefined: on none. */
  readonly approved: ApprovedAccess | 'lost' | undefined
}

/** Roles, users and targets at one time. What two of them have in common is the same object in both. */
export interface PolicyWorld {
  user(name: string): User | undefined
  role(name: string): Role | undefined
  target(name: string): Target | undefined
}

export type Simulated =
  /** Nothing that it rests on would be another. */
  | { readonly is: 'untouched' }
  | { readonly is: 'allowed'; readonly assumed: readonly string[] }
  /** Allowed, and less: channels, which it may not have used, or time, which it did. */
  | {
      readonly is: 'narrower'
      readonly channels: readonly Channel[]
      readonly endsAt: number | undefined
      readonly assumed: readonly string[]
    }
  | {
      readonly is: 'refused'
      /** For an administrator. */
      readonly why: () => string
      /** What could be asked for instead, and as whom: the user as they would be. */
      readonly onRequest: () => readonly Offered[]
      readonly user: User | undefined
      readonly assumed: readonly string[]
    }
  /** By what is in force now as well. */
  | { readonly is: 'refused-already'; readonly assumed: readonly string[] }
  | { readonly is: 'not-known'; readonly why: string }

/**
 * Decides a session under `proposed`, and under `now` where that says no or less, as if it began when it did: with the source and account that
 * are recorded, and factors taken as proven. The user holds what `proposed` says, and those roles that gave the session and that they have lost
 * since (`assumed`): what happened in between is no effect of the change.
 */
export function simulateSession(
  session: RecordedSession,
  now: PolicyWorld,
  proposed: PolicyWorld,
  defaults: FactorLists,
): Simulated {
  const user = now.user(session.user)
  const wanted = proposed.user(session.user)
  const assumed = session.roles.filter(name => user?.roles.includes(name) !== true)
  const held = [...new Set([...(user?.roles ?? []), ...assumed])]
  const heldThen = wanted === user ? held : [...new Set([...(wanted?.roles ?? []), ...assumed])]
  const sameRoles = heldThen === held && held.every(name => now.role(name) === proposed.role(name))
  if (user === wanted && sameRoles && now.target(session.target) === proposed.target(session.target))
    return { is: 'untouched' }
  if (session.approved === 'lost') return { is: 'not-known', why: 'its approved request is not in the store any more' }
  if (now.target(session.target) === undefined && proposed.target(session.target) === undefined)
    return { is: 'not-known', why: `there is no target ${session.target} any more` }

  const gone = user !== undefined && wanted === undefined ? 'the user would be removed' : undefined
  const disabled = user?.disabled !== true && wanted?.disabled === true ? 'the user would be disabled' : undefined
  const before = factsOf(session, now, held, defaults)
  const after = factsOf(session, proposed, heldThen, defaults)
  const decided = gone ?? disabled ?? decideQuickly(after)
  if (typeof decided === 'string' || !decided.granted) {
    if (!decideQuickly(before).granted) return { is: 'refused-already', assumed }
    const why = () => (typeof decided === 'string' ? decided : whyNot(decide(after, undefined)))
    return {
      is: 'refused',
      assumed,
      why,
      onRequest: () => (typeof decided === 'string' ? [] : offersIn(decide(after, undefined))),
      user: wanted,
    }
  }
  const given = decideQuickly(before)
  if (!given.granted) return { is: 'allowed', assumed }
  const channels = [...given.channels.difference(decided.channels)]
  const { endedAt = Number.NEGATIVE_INFINITY } = session
  const endsAt = decided.endsAt < endedAt && given.endsAt >= endedAt ? decided.endsAt : undefined
  return channels.length === 0 && endsAt === undefined
    ? { is: 'allowed', assumed }
    : { is: 'narrower', channels, endsAt, assumed }
}

function factsOf(
  session: RecordedSession,
  world: PolicyWorld,
  held: readonly string[],
  defaults: FactorLists,
): AccessFacts {
  const { account, target, database, protocol, approved } = session
  return {
    request: { protocol: protocol as ProtocolName, account, target, ...(database === undefined ? {} : { database }) },
    target: world.target(target),
    roles: held.flatMap(name => world.role(name) ?? []),
    ...(typeof approved === 'object' ? { approved: [approved] } : {}),
    defaults,
    sourceAddress: session.source,
    now: session.startedAt,
  }
}

/** The same yes or no as of all the roles: those that do not speak of the account could not hold. What is said of a no is less. */
function decideQuickly(facts: AccessFacts): Decision {
  const { target, request, roles, approved } = facts
  const account = target?.accounts.find(({ name }) => name === request.account)
  if (approved !== undefined || account === undefined) return decide(facts, undefined)
  return decide({ ...facts, roles: roles.filter(role => appliesTo(role, facts, account)) }, undefined)
}

function whyNot(decision: Decision): string {
  return decision.granted ? '' : decision.detail
}

function offersIn(decision: Decision): readonly Offered[] {
  return decision.granted ? [] : decision.onRequest
}
