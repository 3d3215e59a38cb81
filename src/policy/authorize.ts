/** The decision: facts in, a Grant or a Denial out. Deny by default; nothing here looks anything up or waits. */

import type { Principal } from '../identity/principal.ts'
import { messageOf, type Refusal, refuse } from '../shared/errors.ts'
import type { Account } from '../targets/target.ts'
import { chooseAccount } from './choose-account.ts'
import { type Grant, mintGrant } from './grant.ts'
import { type AccessFacts, failures, inScope, type Judgement, judgeRole } from './judge.ts'
import { channelsFor } from './match.ts'
import type { Role } from './role.ts'

export interface AuthorizeFacts extends AccessFacts {
  /** Who asks, proven. Its own source address counts, whatever `sourceAddress` says. */
  readonly principal: Principal
  /** The id of the session that the grant is for. */
  readonly session: string
}

/** A refusal, with what every role said: for the audit log, never for the person. */
export interface Denial extends Refusal {
  readonly judgements: readonly Judgement[]
}

/** One text for an unknown target, an unknown account and a forbidden one, so that nobody can probe for names. */
const DENIED = 'Access denied: this target and account are not allowed for you, or do not exist.'

/**
 * Grants when at least one role of the user holds in full. Only roles that the principal had at login *and* that `facts.roles`
 * still has count, so a role that was taken away since is gone.
 *
 * Permissions of all roles that hold add up (channels); limits take the strictest (end, idle time, recording of input): no
 * permission outlives or escapes the terms of the role that gives it. A role of which one condition fails, its factors
 * included, adds neither.
 */
export function authorize(facts: AuthorizeFacts): Grant | Denial {
  try {
    return decide({ ...facts, sourceAddress: facts.principal.sourceAddress })
  } catch (error) {
    return deny(DENIED, `the policy could not be evaluated: ${messageOf(error)}`, [])
  }
}

function decide(facts: AuthorizeFacts): Grant | Denial {
  const { principal, target, session, request } = facts
  if (request.target === undefined) {
    return deny('The login name does not say which target: use user+account+target.', 'no target named', [])
  }
  const roles = facts.roles.filter(role => principal.roles.includes(role.name))
  const account = chooseAccount({ ...facts, roles })
  const judge = (role: Role, chosen?: Account) => judgeRole(role, facts, chosen, principal.proven)
  if (account === 'several') {
    const text = 'You may use several accounts of this target: name one, as in user+account+target.'
    return deny(text, 'no account named, and several are allowed', [])
  }
  const judged = roles.map(role => ({ role, judgement: judge(role, account) }))
  const judgements = judged.map(({ judgement }) => judgement)
  const holding = judged.filter(({ judgement }) => failures(judgement).length === 0)
  if (target === undefined || target.name !== request.target || account === undefined || holding.length === 0) {
    return deny(textFor(judgements), detailFor(facts, account), judgements)
  }
  const granting = holding.map(({ role }) => role)
  return mintGrant({
    session,
    user: principal.user,
    target,
    account,
    role: granting.map(role => role.name).join(','),
    channels: new Set(granting.flatMap(role => channelsFor(role, request.protocol))),
    endsAt: Math.min(...holding.map(({ judgement }) => judgement.endsAt)),
    idleMs: shortest(granting.map(role => role.idle)),
    recordInput: granting.some(role => role.recordInput),
  })
}

/** A clear reason for those whom a role would let in at another time, from elsewhere or with other factors; else the one text. */
function textFor(judgements: readonly Judgement[]): string {
  const reasons = judgements.filter(inScope).map(judgement =>
    failures(judgement)
      .map(({ name, why }) => {
        if (name === 'hours') return `allowed ${why}`
        return name === 'source' ? 'not allowed from your network' : `needs ${why}`
      })
      .join(', '),
  )
  return reasons.length === 0 ? DENIED : `Access denied now: ${[...new Set(reasons)].join('; or ')}.`
}

function detailFor({ request, target }: AuthorizeFacts, account: Account | undefined): string {
  if (target === undefined) return `there is no target ${request.target}`
  if (target.protocol !== request.protocol) return `${target.name} is not a target of ${request.protocol}`
  if (account === undefined && request.account !== undefined) {
    return `there is no account ${request.account} on ${target.name}`
  }
  return account === undefined ? 'no account named, and none is allowed' : 'no role of the user holds'
}

function shortest(times: readonly (number | undefined)[]): number | undefined {
  const given = times.filter(time => time !== undefined)
  return given.length === 0 ? undefined : Math.min(...given)
}

function deny(message: string, detail: string, judgements: readonly Judgement[]): Denial {
  return { ...refuse('ACCESS_DENIED', message, detail), judgements }
}
