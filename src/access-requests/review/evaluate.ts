/**
 * What review rules say of a request: facts in, a verdict out. The first rule that matches decides; where none does, people are asked. What
 * cannot be known never helps: an approval does not match by it, and a denial or a question that may match by it is no approval.
 */

import { matchesAccount, matchesPattern, matchesTarget } from '../../policy/match.ts'
import { type Offer, type Stage, stagesOf } from '../../policy/on-request.ts'
import { durationWords } from '../../shared/durations.ts'
import { windowEnd } from '../../shared/hours.ts'
import { inNetworks } from '../../shared/network/networks.ts'
import type { Account, Target } from '../../targets/target.ts'
import type { OnCall } from '../on-call/calendars.ts'
import { inOrder, type ReviewRule } from './review-rule.ts'

export interface ReviewFacts {
  readonly kind: 'access' | 'permanent'
  readonly role: string
  readonly user: {
    readonly roles: readonly string[]
    readonly attributes?: Readonly<Record<string, string>> | undefined
  }
  /** All accounts that it opens. */
  readonly opened: readonly { readonly account: Account; readonly target: Target }[]
  readonly askedAt: number
  /** When it begins; undefined: with the first use, whenever that is. */
  readonly beginsAt: number | undefined
  /** The whole time that it then lasts, from its beginning; `most`: that the offer gives. */
  readonly lengthMs: number
  readonly most: number
  /** Undefined: not known yet, as is what follows from it. */
  readonly source: string | undefined
  /** When the user had a session on a target last, by the target's name. */
  readonly lastOn: ReadonlyMap<string, number>
  readonly newNetwork: boolean | undefined
  readonly unusualHour: boolean
  /** By {@link onCallKey}. */
  readonly onCall: ReadonlyMap<string, OnCall>
  readonly ticket: TicketFact
}

/** What is known of the ticket that the request names. */
export type TicketFact =
  | { readonly is: 'none' }
  | { readonly is: 'known'; readonly state: string; readonly isRequesters: boolean }
  | { readonly is: 'unknown'; readonly why: string }

type OnCallCondition = NonNullable<ReviewRule['when']['onCall']>

export function onCallKey({ calendar, who }: Pick<OnCallCondition, 'calendar' | 'who'>): string {
  return `${who} ${calendar}`
}

/** What became of it at the moment of asking, as it is remembered. */
export interface Review {
  readonly outcome: 'approve' | 'deny' | 'ask'
  /** The rule that matched; undefined: none did, or that could not be told. */
  readonly rule: string | undefined
  readonly why: string
  /** Who approves as well, in one more step. */
  readonly also?: Stage['groups'] | undefined
  /** What was asked of others: calendars, and the state of the ticket. */
  readonly outside?: readonly string[] | undefined
}

/** An approval needs a rule that matches all that would be opened; any of it is enough for the others. */
export function evaluateRules(rules: readonly ReviewRule[], facts: ReviewFacts): Review {
  const doubts: { readonly rule: ReviewRule; readonly why: string }[] = []
  for (const rule of inOrder(rules)) {
    const match = matchOf(rule, facts)
    if (match.is === 'no') continue
    if (match.is === 'unknown') {
      doubts.push({ rule, why: match.why })
      continue
    }
    return decided(rule, match.reasons, facts, doubts)
  }
  const [first] = doubts
  if (first === undefined) return { outcome: 'ask', rule: undefined, why: 'no review rule matches' }
  return asked(first.rule, `it may match: ${first.why}`, doubts)
}

/** Whether what they say hangs on the state of the ticket. */
export function hangsOnTicket(rules: readonly ReviewRule[], facts: ReviewFacts): boolean {
  for (const rule of inOrder(rules)) {
    const match = matchOf(rule, { ...facts, ticket: { is: 'unknown', why: '' } })
    if (match.is === 'unknown' && rule.when.ticket !== undefined) return true
    if (match.is === 'yes') return false
  }
  return false
}

type Doubts = readonly { readonly rule: ReviewRule; readonly why: string }[]

function decided(rule: ReviewRule, reasons: readonly string[], facts: ReviewFacts, doubts: Doubts): Review {
  const { name, outcome } = rule
  const why = `${reasons.length === 0 ? 'it has no conditions' : reasons.join('; ')}${doubtWords(doubts)}`
  if (outcome === 'ask') return asked(rule, why, doubts)
  if (outcome === 'deny') return { outcome, rule: name, why }
  const not = whyNotAtOnce(rule, facts)
  if (not !== undefined) return asked(rule, `${why}; but ${not}`, doubts)
  // An earlier rule that may match would not have approved it.
  const doubt = doubts.find(one => one.rule.outcome !== 'approve')
  return doubt === undefined
    ? { outcome, rule: name, why }
    : asked(doubt.rule, `it may match: ${doubt.why}; so the rule ${name} does not approve it`, doubts)
}

/** Of people: those whom this rule names as well, and those of earlier rules that may match. */
function asked(rule: ReviewRule, why: string, doubts: Doubts): Review {
  const all = new Set([...doubts.map(one => one.rule), rule].filter(({ outcome }) => outcome === 'ask'))
  const also = [...all].flatMap(one => one.also ?? [])
  return { outcome: 'ask', rule: rule.name, why, ...(also.length === 0 ? {} : { also }) }
}

function doubtWords(doubts: Doubts): string {
  return doubts.map(({ rule, why }) => `; of the rule ${rule.name} it is not known: ${why}`).join('')
}

/** With the further step that a review asks for. */
export function withFurtherStep(offer: Offer, review: Review | undefined): Offer {
  if (review?.also === undefined) return offer
  return { ...offer, approvers: undefined, stages: [...stagesOf(offer), { groups: [...review.also] }] }
}

/** What people decide, whatever a rule says. */
function whyNotAtOnce({ when }: ReviewRule, { kind, opened, beginsAt, lengthMs, most }: ReviewFacts) {
  if (kind === 'permanent') return 'what is for good is decided by people'
  if (opened.length === 0) return 'it opens nothing'
  // What is given is these accounts by name: nothing that is added to them later.
  const [accounts, targets] = namesOf(opened)
  if (accounts.length > 1 && targets.length > 1) return 'several accounts on several targets are decided by people'
  if (beginsAt === undefined) {
    if (when.hours !== undefined) return 'its time begins with the first use, at whatever hour'
    if (when.onCall !== undefined) return 'its time begins with the first use, whoever is on call then'
  }
  if (lengthMs > most) return `it would last longer than ${durationWords(most)} with what was given already`
  return undefined
}

type Match =
  | { readonly is: 'yes'; readonly reasons: string[] }
  | { readonly is: 'no' }
  /** All that is known holds. */
  | { readonly is: 'unknown'; readonly why: string }

/** Whether it holds, or why that is not known; and what is said of it where it does. */
type Condition = readonly [holds: boolean | { readonly unknown: string }, words: string | false | undefined]

function matchOf({ when, outcome }: ReviewRule, facts: ReviewFacts): Match {
  const { accounts, targets, firstOnTarget } = when
  const ofEach = ({ account, target }: ReviewFacts['opened'][number]) =>
    (accounts === undefined || matchesAccount(accounts, account)) &&
    (targets === undefined || matchesTarget(targets, target)) &&
    (firstOnTarget === undefined || firstOnTarget.is === isFirst(facts, target.name, firstOnTarget.within))
  const some = [accounts, targets, firstOnTarget].some(one => one !== undefined)
  const opens = outcome === 'approve' ? facts.opened.every(ofEach) : !some || facts.opened.some(ofEach)
  const conditions: Condition[] = [
    ...ofTheWhole(when, facts),
    [opens, accounts && 'of such accounts'],
    [true, targets && 'on such targets'],
    [
      true,
      firstOnTarget && `${firstOnTarget.is ? 'no' : 'a'} session there within ${durationWords(firstOnTarget.within)}`,
    ],
    ...ofOthers(when, facts),
  ]
  if (conditions.some(([holds]) => holds === false)) return { is: 'no' }
  const unknown = conditions.flatMap(([holds]) => (typeof holds === 'object' ? [holds.unknown] : []))
  if (unknown.length > 0) return { is: 'unknown', why: unknown.join('; ') }
  return { is: 'yes', reasons: conditions.flatMap(([, words]) => (words ? [words] : [])) }
}

function ofTheWhole(when: ReviewRule['when'], facts: ReviewFacts): Condition[] {
  const { roles, user, hours, sources, atMost, newNetwork, unusualHour } = when
  const { attributes = {} } = user ?? {}
  const begins = facts.beginsAt ?? facts.askedAt
  const own = facts.user.attributes ?? {}
  const fromWhere = { unknown: 'from where it is asked' }
  return [
    [roles === undefined || roles.includes(facts.role), roles && `by the role ${facts.role}`],
    [
      user?.roles === undefined || user.roles.some(role => facts.user.roles.includes(role)),
      user?.roles && `the user holds one of ${user.roles.join(', ')}`,
    ],
    ...Object.entries(attributes).map(
      ([key, pattern]): Condition => [
        Object.hasOwn(own, key) && matchesPattern(pattern, own[key]!),
        `the user's ${key} is ${own[key]}`,
      ],
    ),
    [hours === undefined || windowEnd(hours, begins) !== undefined, hours && 'within the hours'],
    [
      sources === undefined || (facts.source === undefined ? fromWhere : inNetworks(sources, facts.source)),
      sources && `asked from ${facts.source}`,
    ],
    [
      atMost === undefined || facts.lengthMs <= atMost,
      atMost !== undefined && `for ${durationWords(facts.lengthMs)}, at most ${durationWords(atMost)}`,
    ],
    [
      newNetwork === undefined || (facts.newNetwork === undefined ? fromWhere : newNetwork === facts.newNetwork),
      newNetwork !== undefined && `from a ${facts.newNetwork ? 'new' : 'known'} network`,
    ],
    [
      unusualHour === undefined || unusualHour === facts.unusualHour,
      unusualHour !== undefined && `at ${facts.unusualHour ? 'an unusual' : 'a usual'} hour`,
    ],
  ]
}

/** By what others say: calendars, and whoever knows of tickets. */
function ofOthers({ onCall, ticket }: ReviewRule['when'], facts: ReviewFacts): Condition[] {
  return [
    ...(onCall === undefined ? [] : [onCallCondition(onCall, facts)]),
    ...(ticket === undefined ? [] : [ticketCondition(ticket, facts.ticket)]),
  ]
}

function onCallCondition(condition: OnCallCondition, { onCall }: ReviewFacts): Condition {
  const { calendar, who, is } = condition
  const known = onCall.get(onCallKey(condition)) ?? { is: 'unknown', why: `of ${calendar} nothing was asked` }
  if (known.is === 'unknown') return [{ unknown: known.why }, false]
  const person = who === 'requester' ? 'the user' : is ? 'an approver' : 'no approver'
  const not = !is && who === 'requester' ? 'not ' : ''
  return [is === (known.is === 'on-call'), `${person} is ${not}on call by ${calendar}`]
}

function ticketCondition(
  { states, assignee }: NonNullable<ReviewRule['when']['ticket']>,
  ticket: TicketFact,
): Condition {
  switch (ticket.is) {
    case 'none':
      return [false, false]
    case 'unknown':
      return [{ unknown: ticket.why }, false]
    case 'known': {
      const isIn = states.some(state => state.toLowerCase() === ticket.state.toLowerCase())
      const whose = assignee === undefined ? '' : ', and theirs'
      return [isIn && (assignee === undefined || ticket.isRequesters), `the ticket is ${ticket.state}${whose}`]
    }
  }
}

/** The names of accounts, and of targets. */
export function namesOf(opened: ReviewFacts['opened']): [string[], string[]] {
  const unique = (names: string[]) => [...new Set(names)]
  return [unique(opened.map(({ account }) => account.name)), unique(opened.map(({ target }) => target.name))]
}

function isFirst({ lastOn, askedAt }: ReviewFacts, target: string, within: number): boolean {
  const last = lastOn.get(target)
  return last === undefined || last < askedAt - within
}
