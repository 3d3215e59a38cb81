/** What policy gives for a check-out: decided like a session on the account, by the roles that let their holders check accounts out. */

import { type Factor, LATER_FACTORS } from '../shared/factors.ts'
import { windowEnd } from '../shared/hours.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import type { Account, CheckOutRule, Target } from '../targets/target.ts'
import type { CountedRole } from './approved.ts'
import { decide } from './decide.ts'
import type { AccessFacts } from './evaluate-role.ts'
import type { Role } from './role.ts'

export interface CheckOutTerms {
  readonly granted: true
  readonly target: Target
  readonly account: Account
  readonly rule: CheckOutRule
  /** How long it may be held in each way, counted from its start, in milliseconds. A way that is not in it is not allowed. */
  readonly ways: ReadonlyMap<CheckOutWay, number>
  /** Milliseconds since the epoch: when the hours of these roles, or the approved request, end; `Infinity` without. */
  readonly hoursEndAt: number
  /** Whether they may read who has an account. */
  readonly seesHolder: boolean
  /** The names of the roles that give it, with commas between. */
  readonly role: string
  /** The approved request that it rests on. */
  readonly request?: string
}

export interface CheckOutDenied {
  readonly granted: false
  /** For the person. */
  readonly message: string
  /** For the audit log. */
  readonly detail: string
  /** It would be given if these were proven as well. */
  readonly missing?: readonly Factor[]
}

/** Ways of several roles add up; the time of one way is the shortest of the roles that give it. */
export function decideCheckOut(facts: AccessFacts, proven: ReadonlySet<Factor>): CheckOutTerms | CheckOutDenied {
  const decision = decide(facts, proven, waysAdded)
  if (!decision.granted) {
    const { message, detail } = decision
    const missing = LATER_FACTORS.filter(factor => !proven.has(factor))
    const enough = missing.length > 0 && decide(facts, proven.union(new Set(missing)), waysAdded).granted
    return { granted: false, message, detail, ...(enough ? { missing } : {}) }
  }
  const { account, target } = decision
  const rule = account.checkOut
  const name = `${account.name}@${target.name}`
  if (rule === undefined) return denied(`${name} cannot be checked out: sessions on it are open to you as they are.`)
  const giving = decision.roles.filter(role => role.checkOut !== undefined)
  if (giving.length === 0) return denied(`None of your roles lets you check out ${name} now.`)
  const by = giving.find(role => role.by !== undefined)?.by
  return {
    ...{ granted: true, target, account, rule },
    ways: waysOf(giving, rule.maxTime),
    hoursEndAt: Math.min(
      ...giving.map(({ hours }) => (hours === undefined ? Infinity : (windowEnd(hours, facts.now) ?? 0))),
      by?.endsAt ?? Infinity,
    ),
    seesHolder: seesHolder(giving),
    role: giving.map(role => role.name).join(','),
    ...(by === undefined ? {} : { request: by.request }),
  }
}

/** Whether whoever has these roles may read who has an account. */
export function seesHolder(roles: readonly Role[]): boolean {
  return roles.some(role => role.checkOut?.seeHolder === true)
}

function waysAdded({ checkOut }: CountedRole, outright: readonly CountedRole[]): number {
  const given = new Set(outright.flatMap(role => role.checkOut?.ways ?? []))
  return (checkOut?.ways ?? []).filter(way => !given.has(way)).length
}

function waysOf(roles: readonly Role[], longestMs = Number.POSITIVE_INFINITY): ReadonlyMap<CheckOutWay, number> {
  const ways = new Map<CheckOutWay, number>()
  for (const { checkOut } of roles) {
    for (const way of checkOut!.ways) ways.set(way, Math.min(ways.get(way) ?? longestMs, checkOut!.maxTime))
  }
  return ways
}

function denied(message: string): CheckOutDenied {
  return { granted: false, message, detail: message }
}
