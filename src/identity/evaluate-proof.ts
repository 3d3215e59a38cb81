/**
 * Evaluates passwords and codes. What is wrong costs the same work whichever way it is wrong (unknown user, no such factor,
 * locked, wrong): each is computed in full and told apart afterwards, for the audit log alone.
 */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Sealer } from '../shared/cryptography/sealer.ts'
import { GatewayError } from '../shared/errors.ts'
import type { EnrolledFactor, Factor, GuessableFactor } from '../shared/factors.ts'
import { Secret } from '../shared/secret.ts'
import type { Passwords } from './factors/password.ts'
import { factorPurpose, type StoredFactors, useStep } from './factors/stored-factors.ts'
import { codeOfStep, isSameCode, matchingStep } from './factors/totp.ts'
import type { KnownPasswords } from './known-passwords.ts'
import type { Locks } from './lockout.ts'
import type { Proof } from './proof.ts'
import type { AcceptedCode, RememberedFactors } from './remembered-factors.ts'
import type { User } from './user.ts'

/** Who a connection says it is. */
export interface Claimant {
  readonly name: string
  /** Undefined when nobody can log in under the name, for the reason in `absence`. */
  readonly user: User | undefined
  readonly absence: string | undefined
  readonly address: string
}

/** What a proof proved (nothing, when it was wrong), and what the audit log should know. */
export interface ProofResult {
  readonly proves: readonly Factor[]
  /** What was shown anew, where that is less than what counts as proven: only that makes earlier failures forgotten. */
  readonly shown?: readonly GuessableFactor[]
  /** What was guessed wrong, and so counts as a failure. */
  readonly failed?: GuessableFactor
  /** All of it was right, but the code had counted before: who shows that may be told so. */
  readonly usedCode?: true
  readonly why?: string
}

export interface ProofParts {
  readonly database: Database
  readonly vault: Sealer
  readonly clock: Clock
  readonly passwords: Passwords
  readonly knownPasswords: KnownPasswords
  readonly remembered: RememberedFactors
  /** A one-time-code secret that is nobody's, sealed like a real one: opened in the place of what is not there. */
  readonly decoy: { readonly purpose: string; readonly sealed: string; readonly secret: string }
}

export interface Round extends ProofParts {
  readonly claimant: Claimant
  readonly stored: StoredFactors
  readonly locks: Locks
  readonly firstProven: boolean
  readonly rememberFactorMs: number
  /** Whether a password alone lets somebody in. */
  readonly passwordIsEnough: boolean
}

type CodeReading = { step: number; problem?: never } | { step?: never; problem: string }

const USED: ProofResult = { proves: [], usedCode: true, why: 'the code was used before' }
const FRESH: ProofResult = {
  proves: ['password', 'totp'],
  shown: ['password'],
  why: 'a code that was accepted a short time ago',
}

export function evaluateProof(round: Round, proof: Exclude<Proof, { kind: 'publickey' }>): Promise<ProofResult> {
  switch (proof.kind) {
    case 'password':
      return evaluatePassword(round, proof.password)
    case 'totp':
      return evaluateCode(round, proof.code)
    case 'password-with-code':
      return evaluatePasswordWithCode(round, proof.text)
  }
}

async function evaluatePassword(round: Round, password: Secret): Promise<ProofResult> {
  const problem = await passwordProblem(round, password)
  return problem === undefined ? { proves: ['password'] } : { proves: [], failed: 'password', why: problem }
}

async function evaluateCode(round: Round, code: Secret): Promise<ProofResult> {
  const { step, problem } = readCode(round, code.reveal())
  // Before a first factor the answer is no, whatever the code: without a key or password nobody learns or locks anything.
  if (!round.firstProven) return { proves: [], why: round.claimant.absence ?? 'a code before the first factor' }
  if (step === undefined) return { proves: [], failed: 'totp', why: problem }
  // A code that was used is not a guess, so it is no failure either: clients that reconnect send it again by themselves.
  return (await takeStep(round, step)) ? { proves: ['totp'] } : USED
}

/** The password with the code after it, or the password alone while a code is fresh. No password ends in six digits. */
async function evaluatePasswordWithCode(round: Round, text: Secret): Promise<ProofResult> {
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

/** Why it is not the password; undefined when it is. */
async function passwordProblem(round: Round, password: Secret): Promise<string | undefined> {
  const hash = openFactor(round, 'password')
  const right = await round.passwords.verify(hash.text, password, round.locks.known)
  if (round.claimant.absence !== undefined) return round.claimant.absence
  if (round.locks.password) return 'locked after too many failures'
  return hash.problem ?? (right ? undefined : 'a wrong password')
}

/** The step of a code that is right, be it used or not; otherwise why it is not. */
function readCode(round: Round, code: string): CodeReading {
  const secret = openFactor(round, 'totp')
  const step = matchingStep(secret.text ?? round.decoy.secret, code, round.clock.now())
  if (round.claimant.absence !== undefined) return { problem: round.claimant.absence }
  if (round.locks.totp) return { problem: 'locked after too many failures' }
  if (secret.problem !== undefined) return { problem: secret.problem }
  return step === undefined ? { problem: 'a wrong code' } : { step }
}

function isCodeOfStep(round: Round, step: number, code: string): boolean {
  const { text } = openFactor(round, 'totp')
  return isSameCode(codeOfStep(text ?? round.decoy.secret, step), code) && text !== undefined && !round.locks.totp
}

/** What is stored of a factor; where there is nothing that can be used, something else is opened in its place. */
function openFactor(
  { vault, claimant, stored, decoy }: Round,
  kind: EnrolledFactor,
): { text: string; problem?: never } | { text?: never; problem: string } {
  const sealed = claimant.user === undefined ? undefined : stored.sealed[kind]
  const purpose = sealed === undefined ? decoy.purpose : factorPurpose(kind, claimant.name)
  try {
    const text = vault.openBytes(purpose, sealed ?? decoy.sealed).toString('latin1')
    return sealed === undefined ? { problem: `the user has no ${kind}` } : { text }
  } catch (error) {
    // A "no" with a reason for the audit log; what the person sees stays the same.
    if (error instanceof GatewayError) return { problem: error.message }
    throw error
  }
}

function takeStep({ database, claimant, stored }: Round, step: number): Promise<boolean> {
  return useStep(database, claimant.name, stored.sealed.totp!, step)
}

function recallCode(round: Round, code: string | undefined): Promise<AcceptedCode | undefined> {
  return round.remembered.recall(holderOf(round), code, round.rememberFactorMs)
}

function holderOf({ claimant, stored }: Round) {
  return { user: claimant.name, address: claimant.address, generation: stored.generation }
}
