/** The rule by which roles add up to a decision: shared by `authorize`, which mints, and `explain`, which only tells. */

import type { Channel } from '../protocols/registered.ts'
import type { Factor } from '../shared/factors.ts'
import { bytesOf } from '../shared/size-text.ts'
import type { Promptness } from '../shared/vocabulary.ts'
import type { Account, Target } from '../targets/target.ts'
import { type CountedRole, countedRoles, withBestRequest } from './approved.ts'
import { chooseAccount } from './choose-account.ts'
import { databaseOf } from './databases.ts'
import {
  type AccessFacts,
  channelsGiven,
  type Evaluation,
  evaluateRole,
  failures,
  firstEnd,
  inScope,
} from './evaluate-role.ts'
import type { EndsBy } from './grant.ts'
import { needsApproval, type Offered, offeredInstead } from './offers.ts'
import type { Role } from './role.ts'

export type Decision = Yes | No

/** What the roles that hold give together. */
export interface Yes {
  readonly granted: true
  readonly target: Target
  readonly account: Account
  /** The one that the target is asked for; undefined where it has none. */
  readonly database: string | undefined
  readonly roles: readonly CountedRole[]
  /** The approved request that it rests on. */
  readonly request?: string
  readonly channels: ReadonlySet<Channel>
  readonly endsAt: number
  readonly endsBy: EndsBy
  readonly idleMs: number | undefined
  readonly recordInput: boolean
  readonly recordExecInput: boolean
  /** The most that a role asks for, in bytes; 0 where none does, Infinity for all. */
  readonly execOutputLimitBytes: number
  readonly recording: Promptness
  readonly evaluations: readonly Evaluation[]
}

export interface No {
  readonly granted: false
  /** For the person. */
  readonly message: string
  /** For the audit log. */
  readonly detail: string
  /** What would be given if it was asked for and approved: the lowest level first. */
  readonly onRequest: readonly Offered[]
  readonly evaluations: readonly Evaluation[]
}

/** One text for what is unknown and what is forbidden, be it target, account or database: nobody can probe for names. */
export const DENIED = 'Access denied: this target and account are not allowed for you, or do not exist.'

/**
 * Yes when at least one role holds in full. Permissions of all roles that hold add up (channels); limits take the strictest
 * (end, idle time, what is recorded): no permission outlives or escapes the terms of the role that gives it. A role of which
 * one condition fails, its factors included, adds neither. Of approved requests one counts, where it adds something: a channel, or as `added`
 * says. `proven` undefined: factors are not asked about.
 */
export function decide(
  facts: AccessFacts,
  proven: ReadonlySet<Factor> | undefined,
  added: (role: CountedRole, outright: readonly CountedRole[]) => number = () => 0,
): Decision {
  const { request, target } = facts
  const roles = countedRoles(facts.roles, facts.approved, target)
  if (request.target === undefined) {
    return no('The login name does not say which target: use user+account+target.', 'no target is named')
  }
  const account = chooseAccount(facts)
  if (account === 'several') {
    const message = 'You may use several accounts of this target: name one, as in user+account+target.'
    return no(message, 'no account is named, and several are allowed')
  }
  const evaluated = roles.map(role => ({ role, evaluation: evaluateRole(role, facts, account, proven) }))
  const evaluations = evaluated.map(({ evaluation }) => evaluation)
  const holding = withBestRequest(
    evaluated
      .filter(({ evaluation }) => failures(evaluation).length === 0)
      .map(({ role, evaluation: { endsAt, endsBy } }) => ({ role, endsAt, endsBy })),
    (role, outright) => channelsAdded(role, outright, facts) + added(role, outright),
  )
  const [first, ...others] = holding
  if (target === undefined || account === undefined || first === undefined) {
    const onRequest = offeredInstead(facts)
    const message = messageFor(evaluations, onRequest)
    return no(message, detailFor(facts, account, evaluations), evaluations, onRequest)
  }
  const granting = holding.map(({ role }) => role)
  const by = granting.find(role => role.by !== undefined)?.by
  const idleTimes = granting.map(role => role.idle).filter(time => time !== undefined)
  return {
    granted: true,
    target,
    account,
    database: databaseOf(request.database, target),
    roles: granting,
    ...(by === undefined ? {} : { request: by.request }),
    channels: new Set(granting.flatMap(role => channelsGiven(role, facts))),
    ...endOf(firstEnd([first, ...others])),
    idleMs: idleTimes.length === 0 ? undefined : Math.min(...idleTimes),
    recordInput: granting.some(role => role.recordInput),
    recordExecInput: granting.some(role => role.recordExecInput),
    execOutputLimitBytes: Math.max(0, ...granting.map(role => execOutputBytes(role.execOutputLimit))),
    recording: granting.some(role => role.recording === 'before-relay') ? 'before-relay' : 'within-bound',
    evaluations,
  }
}

function endOf({ endsAt, endsBy }: Pick<Evaluation, 'endsAt' | 'endsBy'>): Pick<Yes, 'endsAt' | 'endsBy'> {
  return { endsAt, endsBy }
}

function channelsAdded(role: CountedRole, outright: readonly CountedRole[], facts: AccessFacts): number {
  const given = new Set(outright.flatMap(one => channelsGiven(one, facts)))
  return channelsGiven(role, facts).filter(channel => !given.has(channel)).length
}

function execOutputBytes(limit: Role['execOutputLimit']): number {
  if (limit === undefined) return 0
  return limit === 'none' ? Number.POSITIVE_INFINITY : bytesOf(limit)
}

/**
 * A clear reason for those whom a role would let in at another time, from elsewhere or with other factors, and for those who may ask for it;
 * else the one text.
 */
function messageFor(evaluations: readonly Evaluation[], [offered]: readonly Offered[]): string {
  const near = evaluations.filter(inScope)
  if (near.length > 0) return deniedNow(near)
  return offered === undefined ? DENIED : needsApproval(offered)
}

/** What stands against each of these, for whoever may know of them. */
export function deniedNow(evaluations: readonly Evaluation[]): string {
  const reasons = evaluations.map(evaluation =>
    failures(evaluation)
      .map(({ name, why }) => {
        if (name === 'request') return `allowed ${why}`
        if (name === 'hours') return `allowed ${why}`
        return name === 'source' ? 'not allowed from your network' : `needs ${why}`
      })
      .join(', '),
  )
  return `Access denied now: ${[...new Set(reasons)].join('; or ')}.`
}

function detailFor(
  { request, target }: AccessFacts,
  account: Account | undefined,
  evaluations: readonly Evaluation[],
): string {
  if (target === undefined) return `there is no target ${request.target}`
  if (target.protocol !== request.protocol) return `${target.name} is not a target of ${request.protocol}`
  if (account === undefined && request.account !== undefined) {
    return `there is no account ${request.account} on ${target.name}`
  }
  if (evaluations.length === 0) return 'the user has no role'
  const nearly = evaluations.filter(inScope).map(evaluation => {
    const names = failures(evaluation).map(({ name }) => name)
    return `the role ${evaluation.role} would allow it but for its ${names.join(' and ')}`
  })
  const what = account === undefined ? target.name : `${account.name}@${target.name}`
  const database = databaseOf(request.database, target)
  const where = database === undefined ? '' : `, database ${JSON.stringify(database)}`
  return nearly.length > 0 ? nearly.join('; ') : `no role of the user allows ${what}${where}`
}

function no(
  message: string,
  detail: string,
  evaluations: readonly Evaluation[] = [],
  onRequest: readonly Offered[] = [],
): No {
  return { granted: false, message, detail, onRequest, evaluations }
}
