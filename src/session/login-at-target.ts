/** A login at a target with its credential: for a session, or for the gateway's own errands, behind which there is no person. */

import type { Secret } from '../shared/secret.ts'
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
  /** What else the target may know, and its words must not hold: all that the gateway opened for the same purpose. */
  readonly opened?: readonly Secret[]
}
