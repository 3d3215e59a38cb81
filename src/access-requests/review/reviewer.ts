/** Reviews a request at the moment of asking: reads what the rules ask about. Where that fails, people are asked. */

import { isDeepStrictEqual } from 'node:util'
import type { Database } from '../../database/database.ts'
import { rememberParsed } from '../../database/parsed-texts.ts'
import type { User } from '../../identity/user.ts'
import type { Users } from '../../identity/users.ts'
import type { Offered } from '../../policy/offers.ts'
import { type Offer, stagesOf } from '../../policy/on-request.ts'
import type { SessionStore } from '../../session/records/session-store.ts'
import type { Clock } from '../../shared/clock.ts'
import { approversOf } from '../approvers.ts'
import { pastOf } from '../history.ts'
import type { Calendars, OnCall } from '../on-call/calendars.ts'
import type { AskedAccess, RequestedAccess } from '../request.ts'
import type { TicketCheck } from '../ticket-check.ts'
import {
  evaluateRules,
  hangsOnTicket,
  namesOf,
  onCallKey,
  type Review,
  type ReviewFacts,
  type TicketFact,
} from './evaluate.ts'
import type { ReviewRule } from './review-rule.ts'
import { createReviewRules } from './review-rules.ts'

/** Of more targets than these, people decide. */
const MOST_TARGETS = 50
const FARTHEST_MS = 366 * 86_400_000

export interface ReviewInput {
  readonly request: RequestedAccess
  /** As they are now; undefined: removed. */
  readonly user: User | undefined
  /** What it opens. */
  readonly opened: readonly Offered[]
  readonly offer: Offer
  /** It is asked in earnest: whoever knows of the ticket is asked as well, and its source is known. */
  readonly isAsked: boolean
  /** Of a request for more time: when what it extends began, and when it ends; undefined where the first use says it. */
  readonly extended?: { readonly startsAt: number; readonly until: number } | undefined
}

export interface Reviewed {
  readonly review: Review
  /** What an approval gives: the accounts that were reviewed, and none that is added later. */
  readonly only: Pick<AskedAccess, 'targets' | 'accounts'>
  /** In the transaction in which the review is acted on: whether the rules are still those that were asked. */
  stillHolds(on: Database): Promise<boolean>
}

export type Reviewer = ReturnType<typeof createReviewer>

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly sessions: Pick<SessionStore, 'list'>
  readonly users: Pick<Users, 'holding'>
  readonly calendars: Pick<Calendars, 'onCall'>
  /** Undefined: nobody knows of tickets. */
  readonly checkTicket: TicketCheck | undefined
  readonly failed: (error: unknown) => void
}

export function createReviewer(parts: Parts) {
  const { database, clock, sessions, users, calendars, checkTicket, failed } = parts
  const stored = createReviewRules({ database, clock })
  /** What was answered of a request's ticket: it is asked for once, also where others are quicker with the store. */
  const ticketsOf = new WeakMap<RequestedAccess, Promise<TicketFact>>()
  const read = rememberParsed(text => stored.read(text))

  /** Throws where something cannot be read. */
  async function evaluate(rules: readonly ReviewRule[], input: ReviewInput): Promise<Review> {
    if (rules.length === 0) return { outcome: 'ask', rule: undefined, why: 'there are no review rules' }
    const { user } = input
    if (user === undefined || user.disabled) return { outcome: 'ask', rule: undefined, why: 'the user is not active' }
    const targets = [...new Set(input.opened.map(({ target }) => target.name))]
    if (targets.length > MOST_TARGETS) {
      const why = `it opens more than ${MOST_TARGETS} targets: people decide`
      return { outcome: 'ask', rule: undefined, why }
    }
    const onCall = await onCallOf(rules, input, user)
    const facts = await factsOf(input, user, targets, onCall)
    const ticket = hangsOnTicket(rules, facts) ? await ticketOf(input, user) : facts.ticket
    const outside = [...onCallWords(onCall), ...ticketWords(ticket, facts.ticket)]
    return { ...evaluateRules(rules, { ...facts, ticket }), ...(outside.length === 0 ? {} : { outside }) }
  }

  /** Of the calendars that the rules ask about, when it begins. */
  async function onCallOf(
    rules: readonly ReviewRule[],
    { request, offer, extended }: ReviewInput,
    user: User,
  ): Promise<Map<string, OnCall>> {
    const found = new Map<string, OnCall>()
    const at = extended?.until ?? request.wish.startsAt ?? request.askedAt
    let approvers: Promise<User[]> | undefined
    for (const { when } of rules) {
      if (when.onCall === undefined || found.has(onCallKey(when.onCall))) continue
      const { calendar, who } = when.onCall
      if (who === 'approver') approvers ??= Array.fromAsync(approversOf(users, stagesOf(offer)[0]!, user))
      const people = who === 'requester' ? [user] : await approvers!
      found.set(onCallKey(when.onCall), anyOf(people.map(person => calendars.onCall(calendar, person, at))))
    }
    return found
  }

  async function ticketOf({ request, isAsked }: ReviewInput, user: User): Promise<TicketFact> {
    const { ticket } = request.wish
    if (!isAsked) return { is: 'unknown', why: 'the state of the ticket: it is asked for with a request alone' }
    if (ticket === undefined) return { is: 'none' }
    if (checkTicket === undefined) return { is: 'unknown', why: 'the state of the ticket: there is no ticketCheck' }
    const asked = ticketsOf.get(request) ?? checkTicket(ticket, user)
    ticketsOf.set(request, asked)
    return asked
  }

  async function factsOf(
    input: ReviewInput,
    user: User,
    targets: readonly string[],
    onCall: ReadonlyMap<string, OnCall>,
  ): Promise<ReviewFacts> {
    const { request, opened, offer, extended } = input
    const { wish, askedAt } = request
    const past = await pastOf(sessions, request)
    const lastOn = new Map<string, number>()
    for (const target of targets) {
      const query = { user: user.name, target, since: askedAt - FARTHEST_MS, until: askedAt, limit: 1 }
      const [last] = await sessions.list(query)
      if (last !== undefined) lastOn.set(target, last.started_at)
    }
    const begins =
      wish.clock === 'first-use' && extended === undefined ? undefined : (extended?.until ?? wish.startsAt ?? askedAt)
    return {
      ...{ kind: request.kind, role: request.role, user, opened, askedAt, lastOn, onCall },
      ...{ most: offer.maxTime, source: wish.source === '' ? undefined : wish.source, ticket: NOT_ASKED },
      beginsAt: begins,
      lengthMs: extended === undefined ? wish.lengthMs : extended.until - extended.startsAt + wish.lengthMs,
      newNetwork: wish.source === '' ? undefined : !past.knowsNetwork,
      unusualHour: !past.knowsHour,
    }
  }

  return {
    evaluate,

    /** Never throws: what cannot be told is asked of people. */
    async review(input: ReviewInput): Promise<Reviewed> {
      const [accounts, targetNames] = namesOf(input.opened)
      const only = { targets: { names: targetNames }, accounts: { names: accounts } }
      try {
        const texts = await stored.texts()
        const rules = [...texts.values()].map(read)
        const review = await evaluate(rules, input)
        return {
          ...{ review, only },
          async stillHolds(on) {
            return isDeepStrictEqual(await createReviewRules({ database: on, clock }).texts(), texts)
          },
        }
      } catch (error) {
        failed(error)
        const why = 'the review rules could not be evaluated'
        return { review: { outcome: 'ask', rule: undefined, why }, only, stillHolds: async () => true }
      }
    },
  }
}

const NOT_ASKED: TicketFact = { is: 'unknown', why: 'the state of the ticket: it was not asked for' }

/** Whether one of them is on call; nobody can say where it may be one of whom it is not known. */
function anyOf(people: readonly OnCall[]): OnCall {
  return people.find(({ is }) => is === 'on-call') ?? people.find(({ is }) => is === 'unknown') ?? { is: 'not-on-call' }
}

function onCallWords(onCall: ReadonlyMap<string, OnCall>): string[] {
  return [...onCall].map(([key, known]) => {
    const [who, calendar] = key.split(' ')
    const words = known.is === 'unknown' ? `unknown: ${known.why}` : known.is === 'on-call' ? 'yes' : 'no'
    return `${who} on call by ${calendar}: ${words}`
  })
}

function ticketWords(ticket: TicketFact, unasked: TicketFact): string[] {
  if (ticket === unasked || ticket.is === 'none') return []
  if (ticket.is === 'unknown') return [`ticket: unknown: ${ticket.why}`]
  return [`ticket: ${ticket.state}${ticket.isRequesters ? ', of the requester' : ''}`]
}
