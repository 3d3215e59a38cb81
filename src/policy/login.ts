/** A login that names no target (`ssh alice@gateway`): what must be proven for it, and how long it lasts. It opens nothing by itself. */

import { type FactorLists, provenEnough } from '../shared/factor-lists.ts'
import type { Factor } from '../shared/factors.ts'
import { deniedNow } from './decide.ts'
import { type AccessFacts, evaluateScope, evaluateTerms, failures } from './evaluate-role.ts'
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
 */
export function loginFactors(facts: LoginFacts): FactorLists {
  const lists = (holding(facts, undefined) ?? facts.roles).flatMap(role => role.factors ?? facts.defaults)
  return lists.length > 0 ? lists : facts.defaults
}

/** Yes when one role holds, with the longest time and the shortest idle time of those that do; or without roles, by the defaults. */
export function decideLogin(facts: LoginFacts, proven: ReadonlySet<Factor>): LoginTerms | LoginDenied {
  const { roles, defaults, now } = facts
  if (roles.length === 0) {
    if (provenEnough(defaults, proven)) return { granted: true, endsAt: now + LONGEST_SESSION_MS, idleMs: undefined }
    return {
      granted: false,
      message: 'Access denied.',
      detail: 'the user has no role, and less than the default factors',
    }
  }
  const granting = holding(facts, proven)
  if (granting === undefined) {
    const message = deniedNow(roles.map(role => evaluateTerms(role, facts, proven)))
    return { granted: false, message, detail: 'no role of the user holds now and from there' }
  }
  const idleTimes = granting.map(role => role.idle).filter(time => time !== undefined)
  return {
    granted: true,
    endsAt: Math.max(...granting.map(role => evaluateTerms(role, facts, proven).endsAt)),
    idleMs: idleTimes.length === 0 ? undefined : Math.min(...idleTimes),
  }
}

/** Whether a role speaks of an account of the target, or of this one: whoever has none must not learn that there is such a thing. */
export function mayKnow(facts: AccessFacts, account?: string): boolean {
  const { target, roles } = facts
  const accounts = (target?.accounts ?? []).filter(({ name }) => account === undefined || name === account)
  return roles.some(role => accounts.some(one => evaluateScope(role, facts, one).every(({ holds }) => holds)))
}

function holding(facts: LoginFacts, proven: ReadonlySet<Factor> | undefined): Role[] | undefined {
  const roles = facts.roles.filter(role => failures(evaluateTerms(role, facts, proven)).length === 0)
  return roles.length === 0 ? undefined : roles
}
