/** Says, for an administrator, whether a user may reach an account, and by which rule. Decides nothing: no grant comes from it. */

import type { Channel } from '../protocols/registered.ts'
import { messageOf } from '../shared/errors.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Promptness } from '../shared/vocabulary.ts'
import type { Account } from '../targets/target.ts'
import { decide } from './decide.ts'
import { type AccessFacts, type Condition, failures } from './evaluate-role.ts'
import type { Offered } from './offers.ts'
import { rememberFactorMs } from './required-factors.ts'
import type { Role } from './role.ts'
import {
  demandedOfSession,
  demandText,
  followTermsOf,
  moderationOf,
  moderatorsText,
  rolesWithOneLive,
} from './session-conditions.ts'

export interface ExplainFacts extends AccessFacts {
  /** The user asked about; undefined when there is none of that name. */
  readonly user: { readonly name: string; readonly disabled: boolean } | undefined
}

export interface Explanation {
  readonly allowed: boolean
  /** One sentence, for an administrator: it tells unknown from forbidden. */
  readonly verdict: string
  /** What is given, when allowed. */
  readonly given?: {
    readonly account: string
    /** The approved request that it rests on. */
    readonly request?: string
    /** Of a target that has several. */
    readonly database?: string
    /** Where databases are reached: how long a code that was accepted counts again, for further connections; 0: it is good for one. */
    readonly rememberFactorMs?: number
    readonly channels: readonly Channel[]
    /** Milliseconds since the epoch, for a session that begins at `now`. */
    readonly endsAt: number
    readonly idleMs?: number
    readonly recordInput: boolean
    readonly recordExecInput: boolean
    /** Where a role asks for more than the gateway's limit, or for all. */
    readonly execOutputLimitBytes?: number | 'none'
    readonly recording: Promptness
    /** The roles that allow the user one live session at a time. */
    readonly oneLiveOf?: readonly string[]
    /** What must be said at each login: `a reason and a ticket of the form INC-\\d+`. */
    readonly mustSay?: string
    /** Who must watch the session: `role:security or user:lee`. */
    readonly moderator?: string
    /** Where the user is not told who watches the session. */
    readonly follow?: 'silent'
  }
  /** What would be given if it was asked for and approved, when not allowed: the lowest level first. */
  readonly onRequest: readonly OfferExplanation[]
  /** Every role of the user, with the conditions that hold and those that do not. */
  readonly roles: readonly RoleExplanation[]
}

export interface RoleExplanation {
  readonly role: string
  /** It is what this approved request has of the role. */
  readonly request?: string
  readonly holds: boolean
  readonly conditions: readonly Condition[]
  /** One of these lists must be proven for the role to count. */
  readonly factors: FactorLists
}

export interface OfferExplanation {
  readonly role: string
  readonly offer: string
  readonly account: string
  readonly level: Account['level']
}

/** Factors are taken as proven, and without a `sourceAddress` the source as allowed; both stand in what comes back. */
export function explain(facts: ExplainFacts): Explanation {
  const { user, sourceAddress, defaults } = facts
  if (user === undefined) return refused('There is no such user.')
  if (user.disabled) return refused(`${user.name} is disabled.`)
  try {
    const sourceKnown = sourceAddress !== undefined
    const evaluatedRoles = sourceKnown ? facts.roles : facts.roles.map(({ sources: _, ...role }) => role)
    const asked = { ...facts, roles: evaluatedRoles }
    const decision = decide(asked, undefined)
    const roles = decision.evaluations.map((evaluation): RoleExplanation => {
      const role = facts.roles.find(({ name }) => name === evaluation.role)!
      const conditions = evaluation.conditions.map(one => (sourceKnown ? one : withSources(one, role)))
      return {
        role: role.name,
        ...(evaluation.request === undefined ? {} : { request: evaluation.request }),
        holds: failures(evaluation).length === 0,
        conditions,
        factors: role.factors ?? defaults,
      }
    })
    if (!decision.granted) {
      const onRequest = explainOffers(decision.onRequest)
      const offered = onRequest.length === 0 ? '' : ' It can be asked for.'
      return { allowed: false, verdict: `No: ${decision.detail}.${offered}`, onRequest, roles }
    }
    const {
      account,
      database,
      channels,
      endsAt,
      idleMs,
      recordInput,
      recordExecInput,
      execOutputLimitBytes,
      recording,
    } = decision
    const oneLiveOf = rolesWithOneLive(decision.roles)
    const moderation = moderationOf(decision.roles)
    const mustSay = demandText(demandedOfSession(decision.roles))
    const names = decision.roles.map(role => role.name).join(', ')
    const rest = decision.request === undefined ? '' : `, and the approved request ${decision.request}`
    return {
      allowed: true,
      verdict: `Yes, by ${decision.roles.length > 1 ? 'the roles' : 'the role'} ${names}${rest}.`,
      onRequest: [],
      given: {
        account: account.name,
        ...(decision.request === undefined ? {} : { request: decision.request }),
        ...(database === undefined ? {} : { database, rememberFactorMs: rememberFactorMs(asked) }),
        channels: [...channels],
        endsAt,
        ...(idleMs === undefined ? {} : { idleMs }),
        recordInput,
        recordExecInput,
        ...(execOutputLimitBytes === 0
          ? {}
          : { execOutputLimitBytes: Number.isFinite(execOutputLimitBytes) ? execOutputLimitBytes : 'none' }),
        recording,
        ...(oneLiveOf.length === 0 ? {} : { oneLiveOf }),
        ...(mustSay === undefined ? {} : { mustSay }),
        ...(moderation === undefined ? {} : { moderator: moderatorsText(moderation) }),
        ...(followTermsOf(decision.roles) === 'silent' ? { follow: 'silent' as const } : {}),
      },
      roles,
    }
  } catch (error) {
    return refused(`The policy could not be evaluated: ${messageOf(error)}.`)
  }
}

function withSources(condition: Condition, role: Role): Condition {
  if (condition.name !== 'source' || role.sources === undefined) return condition
  return { ...condition, why: `only from ${role.sources.join(', ')}` }
}

function refused(verdict: string): Explanation {
  return { allowed: false, verdict, onRequest: [], roles: [] }
}

export function explainOffers(offers: readonly Offered[]): OfferExplanation[] {
  return offers.map(({ role, name, account: { name: account, level } }) => ({
    ...{ role: role.name, offer: name, account, level },
  }))
}
