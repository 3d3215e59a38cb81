/** The decision for one session: facts in, a Grant or a Denial out. Deny by default; nothing here looks anything up or waits. */

import type { Principal } from '../identity/principal.ts'
import { protocolOf } from '../protocols/registered.ts'
import { messageOf, type Refusal, refuse } from '../shared/errors.ts'
import type { Target } from '../targets/target.ts'
import { seesHolder } from './check-out.ts'
import { DENIED, decide, type No, type Yes } from './decide.ts'
import type { AccessFacts, Evaluation } from './evaluate-role.ts'
import { type Grant, mintGrant } from './grant.ts'
import type { Offered } from './offers.ts'
import { offerName } from './on-request.ts'
import { askAdvice, requestCommand } from './request-command.ts'
import {
  type DemandedOfSession,
  demandedOfSession,
  followTermsOf,
  type GivenWords,
  moderationOf,
  rolesWithOneLive,
  unsaid,
} from './session-conditions.ts'

export interface AuthorizeFacts extends AccessFacts {
  /** Who asks, proven. Its own source address counts, whatever `sourceAddress` says. */
  readonly principal: Principal
  /** The id of the session that the grant is for. */
  readonly session: string
  /** What they say of the session; checked. */
  readonly words?: GivenWords
}

/** A refusal, with what every role said: for the audit log, never for the person. */
export interface Denial extends Refusal {
  /** What would be given if it was asked for and approved: the lowest level first. */
  readonly onRequest: readonly Offered[]
  readonly evaluations: readonly Evaluation[]
  /** It would be granted to whoever says this of the session. */
  readonly needs?: DemandedOfSession
}

/**
 * Decides as `decide.ts` says. Only roles that the principal had at login *and* that `facts.roles` still has count, so a role
 * that was taken away since is gone. An error while deciding is a denial.
 */
export function authorize(facts: AuthorizeFacts): Grant | Denial {
  const { principal, session, words = {} } = facts
  try {
    const roles = facts.roles.filter(role => principal.roles.includes(role.name))
    const decision = decide({ ...facts, roles, sourceAddress: principal.sourceAddress }, principal.proven)
    if (!decision.granted) return deny(decision.message, decision, principal.user)
    const demanded = demandedOfSession(decision.roles)
    const missing = unsaid(demanded, words)
    if (missing !== undefined) return needsWords(missing, demanded, decision.target, decision.evaluations)
    return mintGrant({
      session,
      user: principal.user,
      target: decision.target,
      account: decision.account,
      database: decision.database,
      role: decision.roles.map(role => role.name).join(','),
      request: decision.request,
      channels: decision.channels,
      ends: { endsAt: decision.endsAt, endsBy: decision.endsBy, more: moreTime(decision, principal.user) },
      idleMs: decision.idleMs,
      recordInput: decision.recordInput,
      recordExecInput: decision.recordExecInput,
      execOutputLimitBytes: decision.execOutputLimitBytes,
      recording: decision.recording,
      oneLiveOf: rolesWithOneLive(decision.roles),
      moderation: moderationOf(decision.roles),
      follow: followTermsOf(decision.roles),
      seesHolder: seesHolder(decision.roles),
      reason: words.reason,
      ticket: words.ticket,
    })
  } catch (error) {
    const detail = `the policy could not be evaluated: ${messageOf(error)}`
    return deny(DENIED, { detail, evaluations: [], onRequest: [] }, principal.user)
  }
}

function needsWords(
  missing: string,
  needs: DemandedOfSession,
  { protocol }: Target,
  evaluations: readonly Evaluation[],
): Denial {
  const { sayWords } = protocolOf(protocol).words
  const advice = sayWords === undefined ? {} : { advice: `Say so: ${sayWords(needs.tickets.length > 0)}` }
  const refusal = refuse('REASON_REQUIRED', `Access denied: ${missing}.`, missing)
  return { ...refusal, ...advice, evaluations, onRequest: [], needs }
}

/** How more of the request's time is asked for, where the role offers that. */
function moreTime({ endsBy, request, roles }: Yes, user: string): string | undefined {
  const role = roles.find(({ by }) => by !== undefined)
  const offer = role?.onRequest?.find(one => offerName(one) === role.by?.offer)
  if (endsBy !== 'request' || request === undefined || !offer?.extend) return undefined
  return requestCommand(user, `extend ${request}`, offer)
}

function deny(
  message: string,
  { detail, evaluations, onRequest }: Omit<No, 'granted' | 'message'>,
  user: string,
): Denial {
  const [offered] = onRequest
  const advice = offered === undefined ? {} : { advice: askAdvice(user, offered) }
  return { ...refuse('ACCESS_DENIED', message, detail), ...advice, evaluations, onRequest }
}
