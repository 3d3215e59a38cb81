/** Evaluates a one-time code: computed in full whatever is wrong, and told apart afterwards, for the audit log alone. */

import type { ProofOf } from '../proof.ts'
import { openFactor, type ProofResult, type Round } from './round.ts'
import { useStep } from './stored-factors.ts'
import { matchingStep } from './totp.ts'

export type CodeReading = { step: number; problem?: never } | { step?: never; problem: string }

export const USED: ProofResult = { proves: [], usedCode: true, why: 'the code was used before' }

export async function evaluateCode(round: Round, { answer }: ProofOf<'totp'>): Promise<ProofResult> {
  const { step, problem } = readCode(round, answer.reveal())
  // Before a first factor the answer is no, whatever the code: without a key or password nobody learns or locks anything.
  if (!round.firstProven) return { proves: [], why: round.claimant.absence ?? 'a code before the first factor' }
  if (step === undefined) return { proves: [], failed: 'totp', why: problem }
  // A code that was used is not a guess, so it is no failure either: clients that reconnect send it again by themselves.
  return (await takeStep(round, step)) ? { proves: ['totp'] } : USED
}

/** The step of a code that is right, be it used or not; otherwise why it is not. */
export function readCode(round: Round, code: string): CodeReading {
  const secret = openFactor(round, 'totp')
  const step = matchingStep(secret.text ?? round.decoy.secret, code, round.clock.now())
  if (round.claimant.absence !== undefined) return { problem: round.claimant.absence }
  if (round.locks.totp) return { problem: 'locked after too many failures' }
  if (secret.problem !== undefined) return { problem: secret.problem }
  return step === undefined ? { problem: 'a wrong code' } : { step }
}

export function takeStep({ database, claimant, stored }: Round, step: number): Promise<boolean> {
  return useStep(database, claimant.name, stored.sealed.totp!, step)
}
