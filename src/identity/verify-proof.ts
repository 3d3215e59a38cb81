/** Verifies one proof: asks the lockout before, evaluates, and tells the lockout after. */

import { isGuessable } from '../shared/factors.ts'
import { evaluationOf } from './factors/registered.ts'
import type { Claimant, ProofParts, ProofResult, Round } from './factors/round.ts'
import { readStoredFactors } from './factors/stored-factors.ts'
import type { Lockout } from './lockout.ts'
import type { Proof } from './proof.ts'

export type VerifyOptions = Pick<Round, 'firstProven' | 'rememberFactorMs' | 'passwordIsEnough'>

/** Callers let one proof of a user be verified at a time, so that parallel guesses meet the lockout one by one. Throws
 * `CLUSTER_UNAVAILABLE` while failures cannot be counted, and `TOO_MANY_CONNECTIONS` when too many logins wait. */
export async function verifyProof(
  parts: ProofParts & { readonly lockout: Lockout },
  claimant: Claimant,
  proof: Proof,
  options: VerifyOptions,
): Promise<ProofResult> {
  const evaluation = evaluationOf(proof)
  if (!evaluation.behindLockout) return evaluation.evaluate(claimant, proof)
  const known = claimant.user?.name
  const locks = await parts.lockout.locks(known, claimant.address)
  const stored = await readStoredFactors(parts.database, claimant.name)
  const result = await evaluation.evaluate({ ...parts, ...options, claimant, stored, locks }, proof)
  const shown = result.shown ?? result.proves.filter(isGuessable)
  if (known !== undefined && shown.length > 0) await parts.lockout.proven(known, shown, claimant.address, locks)
  else await parts.lockout.failed(known, result.failed, claimant.address, locks)
  return result
}
