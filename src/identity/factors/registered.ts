/** How each kind of proof is evaluated: a factor is one file here, and one line. */

import { addFacts, type Factor, type FactorFacts } from '../../shared/factors.ts'
import type { Proof, ProofOf } from '../proof.ts'
import { evaluateCode } from './evaluate-code.ts'
import { evaluatePassword } from './evaluate-password.ts'
import { evaluatePasswordWithCode } from './evaluate-password-with-code.ts'
import { evaluatePublicKey } from './evaluate-public-key.ts'
import type { PendingProof } from './pending-proof.ts'
import type { Claimant, ProofResult, Round } from './round.ts'

/** What cannot be guessed is compared with the user's entry alone; what can is evaluated behind the lockout. */
export type Evaluation<P extends Proof = Proof> =
  | { readonly behindLockout: false; evaluate(claimant: Claimant, proof: P): ProofResult }
  | { readonly behindLockout: true; evaluate(round: Round, proof: P): Promise<ProofResult | PendingProof> }

/** Each factor's own, and what is shown as two factors at once. */
const OWN: { readonly [Kind in Factor | Proof['kind']]: Evaluation<ProofOf<Kind>> } = {
  publickey: { behindLockout: false, evaluate: evaluatePublicKey },
  password: { behindLockout: true, evaluate: evaluatePassword },
  totp: { behindLockout: true, evaluate: evaluateCode },
  'password-with-code': { behindLockout: true, evaluate: evaluatePasswordWithCode },
}

const registered = new Map(Object.entries(OWN) as [string, Evaluation][])

/** One more, from outside `src/`: to be called before a gateway starts, in its own process and in those of its workers. */
export function addFactor(name: string, facts: FactorFacts, evaluation: Evaluation): void {
  addFacts(name, facts)
  registered.set(name, evaluation)
}

/** Throws where there is none of that kind: no factor stands in for another. */
export function evaluationOf({ kind }: Proof): Evaluation {
  const evaluation = registered.get(kind)
  if (evaluation === undefined) throw new Error(`there is no factor ${kind}`)
  return evaluation
}
