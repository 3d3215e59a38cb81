/** Evaluates a public key whose signature was verified. Not a guess: a key that is not theirs neither counts as a failure nor is held up by one. */

import type { ProofOf } from '../proof.ts'
import { holdsPublicKey } from './public-key.ts'
import type { Claimant, ProofResult } from './round.ts'

export function evaluatePublicKey({ user, absence }: Claimant, { blob }: ProofOf<'publickey'>): ProofResult {
  const theirs = holdsPublicKey(user?.publicKeys ?? [], blob)
  return theirs ? { proves: ['publickey'] } : { proves: [], why: absence ?? 'not a key of the user' }
}
