/** Evaluates one role against one request: which of its conditions hold, and what it would grant. */

import { type Channel, type ProtocolName, protocolOf } from '../protocols/registered.ts'
import { messageOf } from '../shared/errors.ts'
import { type FactorLists, formatFactorLists, provenEnough } from '../shared/factor-lists.ts'
import type { Factor } from '../shared/factors.ts'
import { type Hours, windowEnd } from '../shared/hours.ts'
import { inNetworks } from '../shared/network/networks.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { Account, Target } from '../targets/target.ts'
import type { ApprovedAccess, CountedRole } from './approved.ts'
import { databaseOf, describeDatabases, opensDatabase, opensEveryDatabase } from './databases.ts'
import type { EndsBy } from './grant.ts'
import { channelsFor, matchesAccount, matchesTarget } from './match.ts'
import type { Role } from './role.ts'

/** What a person asks for, as the login name says it, and for databases the client. */
export interface AccessRequest {
  /** Undefined where nobody can say, of a target that there is not: for explanations. */
  readonly protocol: ProtocolName | undefined
  readonly account?: string
  readonly target?: string
  /** Of a target that has several; undefined: the target's own. */
  readonly database?: string
}

/** Everything that a decision rests on; policy looks nothing up by itself. */
export interface AccessFacts {
  readonly request: AccessRequest
  /** The target that the request names; undefined when there is none of that name. */
  readonly target: Target | undefined
  /** The roles that the user holds now, read from the store for this decision (`roles.heldBy(user)`). */
  readonly roles: readonly Role[]
  /** The user's requests that were approved and are not over; not given: none. */
  readonly approved?: readonly ApprovedAccess[]
  /** The gateway's factor lists, for roles that name none. */
  readonly defaults: FactorLists
  /** The address of the peer's socket; undefined: not known yet, and no condition on it holds. */
  readonly sourceAddress?: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** When the session that is decided anew began: its maximum time counts from then. Not given: now. */
  readonly since?: number
}

export interface Condition {
  readonly name:
    | 'protocol'
    | 'target'
    | 'account'
    | 'databases'
    | 'channels'
    | 'request'
    | 'hours'
    | 'source'
    | 'factors'
  readonly holds: boolean
  /** For administrators and the audit log, for example `10.9.8.7 is not in 10.0.0.0/16`. */
  readonly why: string
}

/** The outcome of evaluating a role for a request. */
export interface Evaluation {
  readonly role: string
  /** It is what this approved request has of the role. */
  readonly request?: string
  readonly conditions: readonly Condition[]
  /** Milliseconds since the epoch: when the role's maximum time, its hours or the request end, whichever is first. */
  readonly endsAt: number
  readonly endsBy: EndsBy
}

export function inScope({ conditions }: Evaluation): boolean {
  return conditions.every(({ name, holds }) => holds || !SCOPE.has(name))
}

export function failures({ conditions }: Evaluation): Condition[] {
  return conditions.filter(({ holds }) => !holds)
}

/**
Evaluates `role` for `account` on the target of the facts. `proven` undefined: before or without authentication, the factors are
 * not asked about. An error in one condition means that it does not hold.
 */
export function evaluateRole(
  role: CountedRole,
  facts: AccessFacts,
  account: Account | undefined,
  proven: ReadonlySet<Factor> | undefined,
): Evaluation {
  const terms = evaluateTerms(role, facts, proven)
  return { ...terms, conditions: [...evaluateScope(role, facts, account), ...terms.conditions] }
}

/** The conditions on time, source and factors, whatever the role applies to. `proven` as for `evaluateRole`. */
export function evaluateTerms(
  role: CountedRole,
  { now, since = now, sourceAddress, defaults }: Pick<AccessFacts, 'now' | 'since' | 'sourceAddress' | 'defaults'>,
  proven: ReadonlySet<Factor> | undefined,
): Evaluation {
  const lists = role.factors ?? defaults
  let windowEndsAt = Number.POSITIVE_INFINITY
  const { by } = role
  const conditions = [
    ...(by === undefined
      ? []
      : [condition('request', describeRequest(by), () => by.startsAt <= now && now < by.endsAt)]),
    condition('hours', role.hours === undefined ? 'always' : formatHours(role.hours), () => {
      const end = role.hours === undefined ? Number.POSITIVE_INFINITY : windowEnd(role.hours, now)
      windowEndsAt = end ?? now
      return end !== undefined
    }),
    condition(
      'source',
      role.sources?.join(', ') ?? 'anywhere',
      () => role.sources === undefined || (sourceAddress !== undefined && inNetworks(role.sources, sourceAddress)),
    ),
  ]
  if (proven !== undefined) {
    conditions.push(condition('factors', formatFactorLists(lists), () => provenEnough(lists, proven)))
  }
  const ends = firstEnd<Pick<Evaluation, 'endsAt' | 'endsBy'>>([
    { endsAt: by?.endsAt ?? Number.POSITIVE_INFINITY, endsBy: 'request' },
    { endsAt: windowEndsAt, endsBy: 'hours' },
    { endsAt: since + role.maxSession, endsBy: 'maximum-time' },
  ])
  return { role: role.name, ...(by === undefined ? {} : { request: by.request }), conditions, ...ends }
}

/** The earliest; of those that are as early the first. */
export function firstEnd<T extends Pick<Evaluation, 'endsAt'>>(ends: readonly [T, ...T[]]): T {
  return ends.reduce((first, one) => (one.endsAt < first.endsAt ? one : first))
}

/** Whether a role applies to a request at all; the other conditions say whether it holds now and for this source. */
interface ScopeTest {
  readonly name: Condition['name']
  describe(role: Role, facts: AccessFacts): string
  holds(role: Role, facts: AccessFacts, account: Account | undefined): boolean
}

const SCOPE_TESTS: readonly ScopeTest[] = [
  {
    name: 'protocol',
    describe: role => role.protocols.join(', '),
    holds: (role, { request: { protocol } }) => protocol === undefined || role.protocols.includes(protocol),
  },
  {
    name: 'target',
    describe: role => describeSelector(role.targets),
    holds: (role, { request, target }) =>
      target !== undefined &&
      target.name === request.target &&
      target.protocol === request.protocol &&
      matchesTarget(role.targets, target),
  },
  {
    name: 'account',
    describe: role => describeSelector(role.accounts),
    holds: (role, _, account) => account !== undefined && matchesAccount(role.accounts, account),
  },
  {
    name: 'databases',
    describe: (role, { target }) => describeDatabases(role, target),
    holds(role, { request, target }) {
      const database = target && databaseOf(request.database, target)
      return database !== undefined && opensDatabase(role, target!, database)
    },
  },
  {
    name: 'channels',
    describe: role => role.channels.join(', ') || 'none',
    holds: (role, facts) => channelsGiven(role, facts).length > 0,
  },
]

const SCOPE: ReadonlySet<Condition['name']> = new Set(SCOPE_TESTS.map(({ name }) => name))

/** Databases are no question of a protocol that has none. */
function scopeTests({ request: { protocol } }: AccessFacts): readonly ScopeTest[] {
  const hasDatabases = protocol !== undefined && protocolOf(protocol).databases !== undefined
  return hasDatabases ? SCOPE_TESTS : SCOPE_TESTS.filter(({ name }) => name !== 'databases')
}

/** The conditions on which a role applies to the request at all. */
export function evaluateScope(role: Role, facts: AccessFacts, account: Account | undefined): Condition[] {
  return scopeTests(facts).map(({ name, describe, holds }) =>
    condition(name, describe(role, facts), () => holds(role, facts, account)),
  )
}

/** Whether all of {@link evaluateScope} holds, without the explanation. */
export function appliesTo(role: Role, facts: AccessFacts, account: Account): boolean {
  try {
    return scopeTests(facts).every(({ holds }) => holds(role, facts, account))
  } catch {
    return false
  }
}

/** The channels of the request's protocol that the role gives on its target. */
export function channelsGiven(role: Role, { request, target }: AccessFacts): Channel[] {
  const { protocol } = request
  if (protocol === undefined) return []
  const { reachingAll = [] } = protocolOf(protocol).databases ?? {}
  const mayReachAll = target !== undefined && opensEveryDatabase(role, target)
  return channelsFor(role, protocol).filter(channel => !reachingAll.includes(channel) || mayReachAll)
}

function condition(name: Condition['name'], why: string, test: () => boolean): Condition {
  try {
    return { name, holds: test(), why }
  } catch (error) {
    return { name, holds: false, why: `cannot be evaluated: ${messageOf(error)}` }
  }
}

/** `mon, tue 08:00 to 18:00 Europe/Berlin` */
function formatHours({ days, from, to, zone }: Hours): string {
  return `${days.length === 7 ? 'every day' : days.join(', ')} ${from} to ${to} ${zone}`
}

/** `by req_… from 2026-11-18T12:00:00Z to 2026-11-18T14:00:00Z` */
function describeRequest({ request, startsAt, endsAt }: ApprovedAccess): string {
  return `by ${request} from ${isoTime(startsAt)} to ${isoTime(endsAt)}`
}

function describeSelector(selector: Role['targets'] & Role['accounts']): string {
  const { names = [], labels = {}, levels = [] } = selector
  const parts = [
    ...names,
    ...(levels.length > 0 ? [`level ${levels.join(' or ')}`] : []),
    ...(Object.keys(labels).length > 0
      ? [
          Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(' and '),
        ]
      : []),
  ]
  return parts.join(', ') || 'none'
}
