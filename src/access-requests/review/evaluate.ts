/** What review rules say of a request: facts in, a verdict out. The first rule that matches decides; where none does, people are asked. */

import { matchesAccount, matchesPattern, matchesTarget } from '../../policy/match.ts'
import { type Offer, type Stage, stagesOf } from '../../policy/on-request.ts'
import { durationWords } from '../../shared/durations.ts'
import { windowEnd } from '../../shared/hours.ts'
import { inNetworks } from '../../shared/network/networks.ts'
import type { Account, Target } from '../../targets/target.ts'
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
  readonly source: string
  /** When the user had a session on a target last, by the target's name. */
  readonly lastOn: ReadonlyMap<string, number>
  readonly newNetwork: boolean
  readonly unusualHour: boolean
}

/** What became of it at the moment of asking, as it is remembered. */
export interface Review {
  readonly outcome: 'approve' | 'deny' | 'ask'
  /** The rule that matched; undefined: none did, or that could not be told. */
  readonly rule: string | undefined
  readonly why: string
  /** Who approves as well, in one more step. */
  readonly also?: Stage['groups'] | undefined
}

/** An approval needs a rule that matches all that would be opened; any of it is enough for the others. */
export function evaluateRules(rules: readonly ReviewRule[], facts: ReviewFacts): Review {
  for (const rule of inOrder(rules)) {
    const reasons = matchOf(rule, facts)
    if (reasons === undefined) continue
    const { name, outcome, also } = rule
    const why = reasons.length === 0 ? 'it has no conditions' : reasons.join('; ')
    const not = outcome === 'approve' ? whyNotAtOnce(rule, facts) : undefined
    if (not !== undefined) return { outcome: 'ask', rule: name, why: `${why}; but ${not}` }
    return { outcome, rule: name, why, ...(also === undefined ? {} : { also }) }
  }
  return { outcome: 'ask', rule: undefined, why: 'no review rule matches' }
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
  if (when.hours !== undefined && beginsAt === undefined) return 'its time begins with the first use, at whatever hour'
  if (lengthMs > most) return `it would last longer than ${durationWords(most)} with what was given already`
  return undefined
}

/** Why it matches; undefined: it does not. */
function matchOf({ when, outcome }: ReviewRule, facts: ReviewFacts): string[] | undefined {
  const { roles, accounts, targets, user, hours, sources, atMost, firstOnTarget, newNetwork, unusualHour } = when
  const { attributes = {} } = user ?? {}
  const begins = facts.beginsAt ?? facts.askedAt
  const own = facts.user.attributes ?? {}
  const whole: [boolean, string][] = [
    [roles === undefined || roles.includes(facts.role), roles && `by the role ${facts.role}`],
    [
      user?.roles === undefined || user.roles.some(role => facts.user.roles.includes(role)),
      user?.roles && `the user holds one of ${user.roles.join(', ')}`,
    ],
    ...Object.entries(attributes).map(([key, pattern]): [boolean, string] => [
      Object.hasOwn(own, key) && matchesPattern(pattern, own[key]!),
      `the user's ${key} is ${own[key]}`,
    ]),
    [hours === undefined || windowEnd(hours, begins) !== undefined, hours && 'within the hours'],
    [sources === undefined || inNetworks(sources, facts.source), sources && `asked from ${facts.source}`],
    [
      atMost === undefined || facts.lengthMs <= atMost,
      atMost && `for ${durationWords(facts.lengthMs)}, at most ${durationWords(atMost)}`,
    ],
    [
      newNetwork === undefined || newNetwork === facts.newNetwork,
      newNetwork !== undefined && `from a ${facts.newNetwork ? 'new' : 'known'} network`,
    ],
    [
      unusualHour === undefined || unusualHour === facts.unusualHour,
      unusualHour !== undefined && `at ${facts.unusualHour ? 'an unusual' : 'a usual'} hour`,
    ],
  ].map(([holds, words]) => [holds === true, words ? String(words) : ''])
  if (!whole.every(([holds]) => holds)) return undefined

  const ofEach = ({ account, target }: ReviewFacts['opened'][number]) =>
    (accounts === undefined || matchesAccount(accounts, account)) &&
    (targets === undefined || matchesTarget(targets, target)) &&
    (firstOnTarget === undefined || firstOnTarget.is === isFirst(facts, target.name, firstOnTarget.within))
  const some = [accounts, targets, firstOnTarget].some(one => one !== undefined)
  const matches = outcome === 'approve' ? facts.opened.every(ofEach) : !some || facts.opened.some(ofEach)
  if (!matches) return undefined
  return [
    ...whole.flatMap(([, words]) => (words === '' ? [] : [words])),
    ...(accounts === undefined ? [] : ['of such accounts']),
    ...(targets === undefined ? [] : ['on such targets']),
    ...(firstOnTarget === undefined
      ? []
      : [`${firstOnTarget.is ? 'no' : 'a'} session there within ${durationWords(firstOnTarget.within)}`]),
  ]
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
