/** Verifies one proof: asks the lockout before, evaluates, and tells the lockout after. */

import { isGuessable } from '../shared/factors.ts'
import { askElsewhere, type Confirmation, type PendingProof } from './factors/pending-proof.ts'
import { evaluationOf } from './factors/registered.ts'
import type { Claimant, ProofParts, ProofResult, Round } from './factors/round.ts'
import { readStoredFactors } from './factors/stored-factors.ts'
import type { Lockout, Locks } from './lockout.ts'
import type { Proof } from './proof.ts'

export type VerifyOptions = Pick<Round, 'firstProven' | 'rememberFactorMs' | 'passwordIsEnough'>
type VerifyParts = ProofParts & { readonly lockout: Lockout }

/** A proof that may be asked for elsewhere, and what the store knew of the user when it was begun. */
export interface Unconfirmed {
  readonly proof: PendingProof
  readonly generation: string
}

/** Callers let one proof of a user be verified at a time, so that parallel guesses meet the lockout one by one. Throws
 * `CLUSTER_UNAVAILABLE` while failures cannot be counted, and `TOO_MANY_CONNECTIONS` when too many logins wait. */
export async function verifyProof(
  parts: VerifyParts,
  claimant: Claimant,
  proof: Proof,
  options: VerifyOptions,
): Promise<ProofResult | Unconfirmed> {
  const evaluation = evaluationOf(proof)
  if (!evaluation.behindLockout) return evaluation.evaluate(claimant, proof)
  const locks = await parts.lockout.locks(claimant.user?.name, claimant.address)
  const stored = await readStoredFactors(parts.database, claimant.name)
  const evaluated = await evaluation.evaluate({ ...parts, ...options, claimant, stored, locks }, proof)
  if ('pending' in evaluated && claimant.user !== undefined && options.firstProven) {
    return { proof: evaluated, generation: stored.generation }
  }
  // An unauthenticated client gets nobody asked for anything.
  const result = 'pending' in evaluated ? { proves: [], why: 'nothing was proven before it' } : evaluated
  await updateLockout(parts, claimant, locks, result)
  return result
}

/**
 * Asks for it elsewhere until `until` aborts. Callers let one of a user be asked for at a time; other proofs do not wait for it. It is worth
 * nothing when the user's entry or factors changed meanwhile, or the factor is locked by then.
 */
export async function confirmElsewhere(
  parts: VerifyParts,
  claimant: Claimant,
  { proof, generation }: Unconfirmed,
  until: AbortSignal,
): Promise<ProofResult> {
  const readLocks = () => parts.lockout.locks(claimant.user?.name, claimant.address)
  const isLocked = (locks: Locks) => isGuessable(proof.pending) && locks[proof.pending]
  if (until.aborted) return { proves: [], why: 'nobody waited for it' }
  if (isLocked(await readLocks())) return { proves: [], why: 'locked after too many failures' }
  const confirmation = await askElsewhere(proof, until)
  const locks = await readLocks()
  const now = await readStoredFactors(parts.database, claimant.name)
  const why = isLocked(locks)
    ? 'locked after too many failures'
    : (whyNot(confirmation) ?? (now.generation === generation ? undefined : "the user's factors changed meanwhile"))
  const failed = confirmation !== 'confirmed' && isGuessable(proof.pending) ? { failed: proof.pending } : {}
  const result: ProofResult = why === undefined ? { proves: [proof.pending] } : { proves: [], ...failed, why }
  await updateLockout(parts, claimant, locks, result)
  return result
}

/** What nobody answered counts like what was refused: else whoever has the password could ask until the person gives in. */
function whyNot(confirmation: Confirmation): string | undefined {
  if (confirmation === 'confirmed') return undefined
  return confirmation === 'unanswered' ? 'nobody confirmed it in time' : 'it was refused elsewhere'
}

async function updateLockout(
  { lockout }: VerifyParts,
  { user, address }: Claimant,
  locks: Locks,
  result: ProofResult,
): Promise<void> {
  const shown = result.shown ?? result.proves.filter(isGuessable)
  if (user !== undefined && shown.length > 0) await lockout.proven(user.name, shown, address, locks)
  else await lockout.failed(user?.name, result.failed, address, locks)
}
