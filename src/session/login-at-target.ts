/** A login at a target with its credential: for a session, or for the gateway's own errands, behind which there is no person. */

import type { Account, Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'

export interface LoginAtTarget {
  readonly target: Target
  readonly account: Account
  /** Whoever gives it erases it. */
  readonly material: CredentialMaterial
}
