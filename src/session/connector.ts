/** What a protocol implements so that the credentials of its accounts can be verified and changed at the target. */

import type { AccountAddress } from '../shared/names.ts'
import type { Secret } from '../shared/secret.ts'
import type { Account, Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import type { Dialer } from './dialer.ts'
import type { LoginAtTarget } from './login-at-target.ts'

/** An account with the credential that logs in to it. Whoever gives it erases it. */
export interface AccountLogin {
  readonly account: Account
  readonly material: CredentialMaterial
}

export interface CredentialChange {
  readonly target: Target
  readonly account: Account
  /** A new one for each connection; closed by whoever is given it. */
  readonly dial: () => Dialer
  /** What is in force, where it is known to work. */
  readonly current: CredentialMaterial | undefined
  readonly candidate: CredentialMaterial
  /** Who makes the change where the account does not change itself: a privileged account on the same target. */
  readonly as: AccountLogin | undefined
  /** As of a login: what else the target, or a program, may know. */
  readonly opened?: readonly Secret[]
  /** Of candidates: the first has 1. */
  readonly attempt?: number
}

/** `words`: the target's own, bounded, without control characters and without any secret. */
export type Verification =
  | { readonly result: 'works' }
  /** The target is there, and refuses this credential. */
  | { readonly result: 'refused'; readonly words: string }
  /** Nothing is known of the credential: the target did not answer, or not to the end. */
  | { readonly result: 'unreachable'; readonly words: string }

export type ChangeResult =
  | { readonly result: 'changed' }
  /** The target's policy does not take this candidate, and nothing has changed: another one may be tried. */
  | { readonly result: 'candidate-refused'; readonly words: string }
  /** It cannot be done, and surely nothing has changed. */
  | { readonly result: 'not-changed'; readonly words: string }
  /** It may have changed, or not: both must be tried. */
  | { readonly result: 'uncertain'; readonly words: string }

export interface Connector {
  /** As policies and the journal name it: `ssh-password`. */
  readonly name: string
  /** Which kinds of credentials it changes. */
  readonly kinds: readonly CredentialMaterial['kind'][]
  /** Whether it may be given this account's credential; not given: any that its targets have. */
  isMeantFor?(address: AccountAddress): boolean
  /** Logs in anew with this credential, and out. Never throws for what the target does. */
  verify(login: LoginAtTarget, signal: AbortSignal): Promise<Verification>
  /** Makes the candidate valid at the target. Never throws for what the target does; done twice, it is done. */
  change(change: CredentialChange, signal: AbortSignal): Promise<ChangeResult>
  /** Once the candidate is in force: takes away what was valid before it, where a change does not. Done twice, it is done. */
  finish?(change: CredentialChange, signal: AbortSignal): Promise<ChangeResult>
}
