/** What a proof is evaluated with, and what comes of it: shared by all factors. */

import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { EnrolledFactor, Factor, GuessableFactor } from '../../shared/factors.ts'
import type { KnownPasswords } from '../known-passwords.ts'
import type { Locks } from '../lockout.ts'
import type { RememberedFactors } from '../remembered-factors.ts'
import type { User } from '../user.ts'
import type { Passwords } from './password.ts'
import { factorPurpose, type StoredFactors } from './stored-factors.ts'

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
  /** Whether a key or a password was proven on this connection before. */
  readonly firstProven: boolean
  /** How long an accepted code counts again for the same user and source; 0: never. */
  readonly rememberFactorMs: number
  /** Whether a password alone lets somebody in. */
  readonly passwordIsEnough: boolean
}

/** What is stored of a factor; where there is nothing that can be used, something else is opened in its place. */
export function openFactor(
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
