/** A login at a target with its credential: for a session, or for the gateway's own errands, behind which there is no person. */

import type { Account, Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import type { Dialer } from './dialer.ts'

export interface LoginAtTarget {
  readonly target: Target
  readonly account: Account
  /** Closed by whoever is given it, when the connection closes or never comes to be. */
  readonly dialer: Dialer
  /** Whoever gives it erases it. */
  readonly material: CredentialMaterial
}
