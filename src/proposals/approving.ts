/** Who may decide on a proposal, and when enough have approved it: facts in, a verdict out. */

import { type Decider, isWho, type MayDecide, samePerson } from '../access-requests/approvals.ts'
import { windowEnd } from '../shared/hours.ts'

export interface ApprovingFacts {
  /** `role:security`, `user:lee`. */
  readonly approvers: readonly string[]
  /** Of the one who proposed it, where that is a user. */
  readonly proposer: Decider | undefined
  /** Those who have approved it already, and whose approval counts. */
  readonly approvals: readonly Decider[]
  readonly now: number
}

/** `gain`: why their own access hangs on it. */
export function mayApprove(facts: ApprovingFacts, person: Decider, gain: string | undefined): MayDecide {
  const rule = ruleFor(facts.approvers, person)
  if (person.disabled) return no('You are disabled.', false)
  if (facts.proposer !== undefined && samePerson(facts.proposer, person))
    return no('Nobody decides on what they propose themselves, or another user of theirs does.', true)
  if (rule === undefined) return no('You are no approver of changes.', false)
  if (facts.approvals.some(one => samePerson(one, person)))
    return no('You have approved it already; it waits for somebody else.', true)
  if (gain !== undefined) return no(`Your own access hangs on it. ${gain} Somebody else decides.`, true)
  if (person.workingHours !== undefined && windowEnd(person.workingHours, facts.now) === undefined)
    return no('You decide within your working hours.', true)
  return { may: true, rule }
}

/** By which of the configured approvers they are one. */
export function ruleFor(approvers: readonly string[], person: Decider): string | undefined {
  return approvers.find(who => isWho(who, person, {}))
}

/** How many persons these are. */
export function personsAmong(people: readonly Decider[]): number {
  const each: Decider[] = []
  for (const person of people) if (!each.some(one => samePerson(one, person))) each.push(person)
  return each.length
}

function no(why: string, knows: boolean): MayDecide {
  return { may: false, knows, why }
}
