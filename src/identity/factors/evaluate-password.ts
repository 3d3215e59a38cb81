/** Evaluates a password: computed in full whatever is wrong, and told apart afterwards, for the audit log alone. */

import type { Secret } from '../../shared/secret.ts'
import type { ProofOf } from '../proof.ts'
import { openFactor, type ProofResult, type Round } from './round.ts'

export async function evaluatePassword(round: Round, { password }: ProofOf<'password'>): Promise<ProofResult> {
  const problem = await passwordProblem(round, password)
  return problem === undefined ? { proves: ['password'] } : { proves: [], failed: 'password', why: problem }
}

/** Why it is not the password; undefined when it is. */
export async function passwordProblem(round: Round, password: Secret): Promise<string | undefined> {
  const hash = openFactor(round, 'password')
  const right = await round.passwords.verify(hash.text, password, round.locks.known)
  if (round.claimant.absence !== undefined) return round.claimant.absence
  if (round.locks.password) return 'locked after too many failures'
  return hash.problem ?? (right ? undefined : 'a wrong password')
}
