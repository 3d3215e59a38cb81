/**
 * Evaluates a password and a code in one text. What is wrong costs the same work whichever way it is wrong (unknown user, no such factor,
 * locked, wrong): each is computed in full and told apart afterwards, for the audit log alone.
 */

import { Secret } from '../../shared/secret.ts'
import type { ProofOf } from '../proof.ts'
import type { AcceptedCode } from '../remembered-factors.ts'
import { type CodeReading, readCode, takeStep, USED } from './evaluate-code.ts'
import { passwordProblem } from './evaluate-password.ts'
import { openFactor, type ProofResult, type Round } from './round.ts'
import { codeOfStep, isSameCode } from './totp.ts'

const FRESH: ProofResult = {
  proves: ['password', 'totp'],
  shown: ['password'],
  why: 'a code that was accepted a short time ago',
}

/** The password with the code after it, or the password alone while a code is fresh. No password ends in six digits. */
export async function evaluatePasswordWithCode(
  round: Round,
  { text }: ProofOf<'password-with-code'>,
): Promise<ProofResult> {
  const whole = text.reveal()
  const code = /[0-9]{6}$/.exec(whole)?.[0]
  const password = code === undefined ? text : new Secret(whole.slice(0, -code.length))
  if (isKnown(round, password)) {
    const result = await evaluateCodeAfterPassword(
      round,
      code,
      readCode(round, code ?? ''),
      await recallCode(round, code),
    )
    // Only who gets in is spared the work: a no that came sooner would tell that the password is right.
    if (!letsIn(round, result)) await passwordProblem(round, password)
    return result
  }
  const wrong = await passwordProblem(round, password)
  const reading = readCode(round, code ?? '')
  const recalled = await recallCode(round, code)
  if (wrong !== undefined) return { proves: [], failed: 'password', why: wrong }
  const result = await evaluateCodeAfterPassword(round, code, reading, recalled)
  if (letsIn(round, result)) round.knownPasswords.keep(holderOf(round), password, round.rememberFactorMs)
  return result
}

function isKnown(round: Round, password: Secret): boolean {
  const { claimant, knownPasswords, locks, rememberFactorMs } = round
  const isSame = knownPasswords.knows(holderOf(round), password, rememberFactorMs)
  return isSame && claimant.absence === undefined && !locks.password
}

function letsIn({ passwordIsEnough }: Round, { proves }: ProofResult): boolean {
  return proves.includes('totp') || (passwordIsEnough && proves.includes('password'))
}

/** The code behind a password that is right; `known` is what is remembered of it. */
async function evaluateCodeAfterPassword(
  round: Round,
  code: string | undefined,
  { step, problem }: CodeReading,
  known: AcceptedCode | undefined,
): Promise<ProofResult> {
  if (code === undefined) return known?.fresh ? FRESH : { proves: ['password'], why: 'no code after it' }
  if (step !== undefined && (await takeStep(round, step))) {
    await round.remembered.remember(holderOf(round), code, step, round.rememberFactorMs)
    return { proves: ['password', 'totp'] }
  }
  // A used code: asked again, as another connection of theirs may have used it this moment, on another gateway.
  const again = step === undefined ? known : (known ?? (await recallCode(round, code)))
  if (again === undefined || !isCodeOfStep(round, again.step, code)) {
    return step === undefined ? { proves: [], failed: 'totp', why: problem } : USED
  }
  if (again.fresh) return FRESH
  await round.remembered.keep(holderOf(round), code)
  return USED
}

function isCodeOfStep(round: Round, step: number, code: string): boolean {
  const { text } = openFactor(round, 'totp')
  return isSameCode(codeOfStep(text ?? round.decoy.secret, step), code) && text !== undefined && !round.locks.totp
}

function recallCode(round: Round, code: string | undefined): Promise<AcceptedCode | undefined> {
  return round.remembered.recall(holderOf(round), code, round.rememberFactorMs)
}

function holderOf({ claimant, stored }: Round) {
  return { user: claimant.name, address: claimant.address, generation: stored.generation }
}
