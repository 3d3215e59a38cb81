/** Verifies one proof: reads the lockout before, evaluates the proof, and updates the lockout after. */

import { type Claimant, evaluateProof, type ProofParts, type ProofResult, type Round } from './evaluate-proof.ts'
import { holdsPublicKey } from './factors/public-key.ts'
import { readStoredFactors } from './factors/stored-factors.ts'
import type { Lockout } from './lockout.ts'
import type { Proof } from './proof.ts'

export interface VerifyOptions {
  /** Whether a key or a password was proven on this connection before. */
  readonly firstProven: boolean
  /** How long an accepted code counts again for the same user and source; 0: never. */
  readonly rememberFactorMs: number
  /** Whether a password alone lets somebody in. */
  readonly passwordIsEnough: boolean
}

/** Callers let one proof of a user be verified at a time, so that parallel guesses meet the lockout one by one. Throws
 * `CLUSTER_UNAVAILABLE` while failures cannot be counted, and `TOO_MANY_CONNECTIONS` when too many logins wait. */
export async function verifyProof(
  parts: ProofParts & { readonly lockout: Lockout },
  claimant: Claimant,
  proof: Proof,
  options: VerifyOptions,
): Promise<ProofResult> {
  if (proof.kind === 'publickey') {
    // Not a guess: a key that is not theirs neither counts as a failure nor is held up by one.
    const theirs = holdsPublicKey(claimant.user?.publicKeys ?? [], proof.blob)
    return theirs ? { proves: ['publickey'] } : { proves: [], why: claimant.absence ?? 'not a key of the user' }
  }
  const known = claimant.user?.name
  const locks = await parts.lockout.locks(known, claimant.address)
  const stored = await readStoredFactors(parts.database, claimant.name)
  const round: Round = { ...parts, ...options, claimant, stored, locks }
  const result = await evaluateProof(round, proof)
  const shown = result.shown ?? result.proves.filter(factor => factor !== 'publickey')
  if (known !== undefined && shown.length > 0) await parts.lockout.proven(known, shown, claimant.address, locks)
  else await parts.lockout.failed(known, result.failed, claimant.address, locks)
  return result
}
