/** Has a target prove that it is the one that its credential was confirmed for: what every protocol demands before it is asked. */

import { protocolOf } from '../protocols/registered.ts'
import { type TargetProof, unprovable } from '../session/target-proof.ts'
import { identityOf, staysWithin } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import type { ServedProtocols } from './protocols.ts'

/** Throws `BAD_REQUEST` with what a proof cannot show, `TARGET_UNREACHABLE` or `TARGET_IDENTITY_MISMATCH`. */
export async function proveTarget(served: ServedProtocols, proof: Omit<TargetProof, 'kept'>): Promise<void> {
  const { target, account, confirmed } = proof
  const more = () => unprovable('more than its address and host keys changed')
  if (confirmed.protocol !== target.protocol) throw more()
  // As it would be at the old address and with what is confirmed: what else is new has no proof.
  const kept = protocolOf(target.protocol).identity.kept(target, confirmed) as Target
  const { host, port, via } = confirmed
  if (!staysWithin(identityOf({ ...kept, host, port, via }, account), confirmed)) throw more()
  await served.of(target.protocol).prove({ ...proof, kept })
}
