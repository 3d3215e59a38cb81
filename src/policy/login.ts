/** A login that names no target (`ssh alice@gateway`): what must be proven for it, and how long it lasts. It opens nothing by itself. */

import { type FactorLists, formatFactorLists, provenEnough } from '../shared/factor-lists.ts'
import { type Factor, GUESSABLE_FACTORS } from '../shared/factors.ts'
import { deniedNow } from './decide.ts'
import { type AccessFacts, evaluateScope, evaluateTerms, failures } from './evaluate-role.ts'
import { offersFor } from './offers.ts'
import { LONGEST_SESSION_MS, type Role } from './role.ts'

export type LoginFacts = Pick<AccessFacts, 'roles' | 'defaults' | 'sourceAddress' | 'now'>

export interface LoginTerms {
  readonly granted: true
  /** Milliseconds since the epoch: nothing new is opened on it from then on. */
  readonly endsAt: number
  /** Milliseconds without anything open after which it ends; undefined: never. */
  readonly idleMs: number | undefined
}

export interface LoginDenied {
  readonly granted: false
  /** For the person, who has proven who she is. */
  readonly message: string
  /** For the audit log. */
  readonly detail: string
}

/**
 * The factor lists of those of the user's roles that hold now and from there; of all, where none does; the gateway's defaults for
 * whoever has no role, so that an unknown user looks like a plain login. What one target demands beyond is asked for when it is opened.
 * One thing that can be guessed, as a role for a database may take it, is not enough to be the person here and to make tokens,
 * where another list asks for more: of another role, or else the defaults.
 */
export function loginFactors(facts: LoginFacts): FactorLists {
  const lists = (holding(facts, undefined) ?? facts.roles).flatMap(role => role.factors ?? facts.defaults)
  const enough = [lists, facts.defaults]
    .map(some => some.filter(list => !isGuessable(list)))
    .find(some => some.length > 0)
  if (enough !== undefined) return enough
  return lists.length > 0 ? lists : facts.defaults
}

function isGuessable(list: readonly Factor[]): boolean {
  return new Set(list).size < 2 && list.every(factor => GUESSABLE_FACTORS.some(guessable => guessable === factor))
}

/** Yes when one role holds, with the longest time and the shortest idle time of those that do; or without roles. */
export function decideLogin(facts: LoginFacts, proven: ReadonlySet<Factor>): LoginTerms | LoginDenied {
  const { roles, now } = facts
  const lists = loginFactors(facts)
  const enough = provenEnough(lists, proven)
  if (roles.length === 0) {
    if (enough) return { granted: true, endsAt: now + LONGEST_SESSION_MS, idleMs: undefined }
    return {
      granted: false,
      message: 'Access denied.',
      detail: 'the user has no role, and less than the default factors',
    }
  }
  const inTime = holding(facts, undefined)
  if (inTime === undefined) {
    const message = deniedNow(roles.map(role => evaluateTerms(role, facts, proven)))
    return { granted: false, message, detail: 'no role of the user holds now and from there' }
  }
  if (!enough) {
    const message = `Access denied now: needs ${formatFactorLists(lists)}.`
    return { granted: false, message, detail: 'less is proven than a login without a target needs' }
  }
  // Who has proven the defaults in place of a password has the terms of the roles that take the password.
  const granting = holding(facts, proven) ?? inTime
  const idleTimes = granting.map(role => role.idle).filter(time => time !== undefined)
  return {
    granted: true,
    endsAt: Math.max(...granting.map(role => evaluateTerms(role, facts, proven).endsAt)),
    idleMs: idleTimes.length === 0 ? undefined : Math.min(...idleTimes),
  }
}

/** Whether a role speaks of an account of the target, or of this one, be it on request: whoever has none must not learn that there is such a thing. */
export function mayKnow(facts: AccessFacts, account?: string): boolean {
  const { target, roles } = facts
  const accounts = (target?.accounts ?? []).filter(({ name }) => account === undefined || name === account)
  return (
    roles.some(role => accounts.some(one => evaluateScope(role, facts, one).every(({ holds }) => holds))) ||
    (target !== undefined && offersFor(roles, target, { account }).length > 0)
  )
}

function holding(facts: LoginFacts, proven: ReadonlySet<Factor> | undefined): Role[] | undefined {
  const roles = facts.roles.filter(role => failures(evaluateTerms(role, facts, proven)).length === 0)
  return roles.length === 0 ? undefined : roles
}
