/** Before a person has proven anything: which factors the request will need. */

import { GatewayError } from '../shared/errors.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Account } from '../targets/target.ts'
import { type CountedRole, countedRoles } from './approved.ts'
import { chooseAccount } from './choose-account.ts'
import { type AccessFacts, evaluateRole, evaluateScope, evaluateTerms, failures } from './evaluate-role.ts'
import { offeredInstead } from './offers.ts'

/**
 * The factor lists of those of the user's roles that would grant the request if the factors were proven, or, where hours or
 * sources stand against all of them, of those that speak of it at all; else of those that give it on request. The gateway's defaults where
 * there is none, so that an unknown user, target or account looks like a plain login. Never empty, and no list in it is.
 */
export function requiredFactors(facts: AccessFacts): FactorLists {
  const lists = rolesThatMatch(facts).flatMap(role => role.factors ?? facts.defaults)
  const usable = (lists.length > 0 ? lists : facts.defaults).filter(list => list.length > 0)
  if (usable.length === 0) {
    throw new GatewayError('CONFIG_INVALID', 'No factors are configured, so nobody can log in.')
  }
  return usable
}

/**
 * How long a fresh factor of the same user and source counts, in milliseconds: the shortest time of the roles that match. Where
 * none does, of all the user's roles: the answer will be no, and the person is to hear that, and not that their code was wrong.
 * 0 (never) for a user without roles.
 */
export function rememberFactorMs(facts: AccessFacts): number {
  const matching = rolesThatMatch(facts)
  const times = (matching.length > 0 ? matching : facts.roles).map(role => role.rememberFactor)
  return times.length === 0 ? 0 : Math.min(...times)
}

function rolesThatMatch(facts: AccessFacts): CountedRole[] {
  const account = chooseAccount(facts)
  const accounts: (Account | undefined)[] = account === 'several' ? facts.target!.accounts : [account]
  const inQuestion = countedRoles(facts.roles, facts.approved, facts.target).flatMap(role => {
    const spokenOf = accounts.find(one => evaluateScope(role, facts, one).every(({ holds }) => holds))
    return spokenOf === undefined ? [] : [{ role, evaluation: evaluateRole(role, facts, spokenOf, undefined) }]
  })
  // Of those that would give it on request: who may ask for it proves what it will need.
  const speaking = inQuestion.length > 0 ? inQuestion : offeredInstead(facts).map(({ role }) => withTerms(role, facts))
  const holding = speaking.filter(({ evaluation }) => failures(evaluation).length === 0)
  return (holding.length > 0 ? holding : speaking).map(({ role }) => role)
}

function withTerms(role: CountedRole, facts: AccessFacts) {
  return { role, evaluation: evaluateTerms(role, facts, undefined) }
}
