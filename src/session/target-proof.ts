/** A target is to prove that it is the one that its credential was confirmed for, where its address moved or it shows more of itself. */

import { GatewayError } from '../shared/errors.ts'
import type { TargetIdentity } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import type { Dialer } from './dialer.ts'

export interface TargetProof {
  readonly target: Target
  /** Its entry without what is new in it beside its address. */
  readonly kept: Target
  readonly account: string
  /** Of the same protocol. */
  readonly confirmed: TargetIdentity
  /** To the target as it is now. */
  readonly dialer: Dialer
  /** Returns the credential for an entry that stays within what was confirmed. */
  readonly lend: (entry: Target) => Promise<CredentialMaterial>
}

/** For what a proof cannot show: it is then for somebody to look at and confirm. */
export function unprovable(why: string): GatewayError {
  return new GatewayError(
    'BAD_REQUEST',
    `The target cannot prove this: ${why}. Look at it, and confirm it without --prove.`,
  )
}
