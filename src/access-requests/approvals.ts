/** Who may decide on a request, and when enough have approved: facts in, a verdict out. Nothing here looks anything up or waits. */

import { type Offer, type Stage, stagesOf, stageText } from '../policy/on-request.ts'
import { type Hours, windowEnd } from '../shared/hours.ts'
import { identitiesOf, keysOf } from '../shared/identities.ts'

/** A user, as far as deciding goes. */
export interface Decider {
  readonly name: string
  readonly roles: readonly string[]
  readonly disabled: boolean
  readonly manager?: string | undefined
  readonly person?: string | undefined
  readonly email?: string | undefined
  readonly publicKeys: readonly string[]
  readonly workingHours?: Hours | undefined
}

export interface Approval {
  /** As they are now; undefined where they are no user any more. */
  readonly approver: Decider | undefined
  readonly stage: number
}

export interface ApprovalFacts {
  readonly offer: Pick<Offer, 'approvers' | 'stages'>
  readonly requester: Decider
  /** The step that it waits for, and since when. */
  readonly stage: number
  readonly stageSince: number
  /** Those of all steps so far. */
  readonly approvals: readonly Approval[]
  readonly now: number
}

export type MayDecide =
  /** By which approver of the offer: `role:leads`. */
  | { readonly may: true; readonly rule: string }
  /** `knows`: they may know of the request all the same. */
  | { readonly may: false; readonly knows: boolean; readonly why: string }

/** `owes`: the requester has approved access that this person has now, or will. */
export function mayDecide(facts: ApprovalFacts, approver: Decider, owes: boolean): MayDecide {
  const { requester, approvals, now } = facts
  if (approver.disabled) return no('You are disabled.', false)
  if (approver.name === requester.name) return no('Nobody decides on what they ask for themselves.', true)
  const stage = stagesOf(facts.offer)[facts.stage]
  const rule = stage && ruleFor(stage, facts, approver)
  if (rule === undefined) return no('You are no approver of it now.', false)
  if (samePerson(approver, requester)) return no('It was asked for by another user of yours.', true)
  if (approvals.some(one => one.approver !== undefined && samePerson(one.approver, approver)))
    return no('You have approved it already; it waits for somebody else.', true)
  if (owes)
    return no(
      `Access that you have was approved by ${requester.name}: somebody else decides on what they ask for.`,
      true,
    )
  if (approver.workingHours !== undefined && windowEnd(approver.workingHours, now) === undefined)
    return no('You decide within your working hours.', true)
  return { may: true, rule }
}

/** The first step of all that lacks approvals, as its approvers are now; undefined: none does. */
export function stageLacking(facts: ApprovalFacts): number | undefined {
  const stages = stagesOf(facts.offer)
  const lacking = stages.findIndex((_, stage) => !isEnough({ ...facts, stage }, stage === facts.stage))
  return lacking < 0 ? undefined : lacking
}

/**
 * Whether the step has all approvals that it needs, of people who are still what they were approvers by. `waits`: it is the one that the request
 * waits for; of another one, those to whom it had gone have approved it in their right.
 */
export function isEnough(facts: ApprovalFacts, waits = true): boolean {
  const stage = stagesOf(facts.offer)[facts.stage]
  if (stage === undefined) return false
  const others = waits ? escalated(stage, facts) : (stage.escalateTo ?? [])
  const people = facts.approvals
    .filter(one => one.stage === facts.stage)
    .flatMap(({ approver }) => (approver === undefined || approver.disabled ? [] : [approver]))
  // Each place is for one person, and each person counts for one place.
  const places = stage.groups.flatMap(({ of, count }) => Array.from({ length: count }, () => [...of, ...others]))
  const taken = new Map<number, Decider>()
  return places.every((_, place) => fill(place, new Set()))

  function fill(place: number, tried: Set<Decider>): boolean {
    for (const person of people) {
      if (tried.has(person) || !places[place]!.some(who => isWho(who, person, facts.requester))) continue
      tried.add(person)
      const other = [...taken].find(([, one]) => one === person)?.[0]
      if (other === undefined || fill(other, tried)) {
        taken.set(place, person)
        return true
      }
    }
    return false
  }
}

/** Who approves the step that it waits for, as people read it. */
export function describeStage(facts: Pick<ApprovalFacts, 'offer' | 'stage'>): string {
  const stage = stagesOf(facts.offer)[facts.stage]
  return stage === undefined ? '' : stageText(stage)
}

/** Two users of one person: as their names and entries say, by the same address, or by a key that both have. */
export function samePerson(one: Decider, other: Decider): boolean {
  if (!identitiesOf(one).isDisjointFrom(identitiesOf(other))) return true
  const keys = keysOf(one)
  return keys.size > 0 && !keys.isDisjointFrom(keysOf(other))
}

/** Who may approve the step as well, once its time is over. */
function escalated({ within, escalateTo = [] }: Stage, { stageSince, now }: ApprovalFacts): readonly string[] {
  return within !== undefined && now >= stageSince + within ? escalateTo : []
}

function ruleFor(stage: Stage, facts: ApprovalFacts, approver: Decider): string | undefined {
  const all = [...stage.groups.flatMap(({ of }) => of), ...escalated(stage, facts)]
  return all.find(who => isWho(who, approver, facts.requester))
}

/** Whether `who`, as an offer writes it, means this person. */
export function isWho(who: string, { name, roles }: Decider, requester: Pick<Decider, 'manager'>): boolean {
  if (who === 'manager') return requester.manager === name
  const [kind, whose] = [who.slice(0, who.indexOf(':')), who.slice(who.indexOf(':') + 1)]
  return kind === 'user' ? whose === name : kind === 'role' && roles.includes(whose)
}

function no(why: string, knows: boolean): MayDecide {
  return { may: false, knows, why }
}
