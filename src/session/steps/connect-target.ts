/** The fourth step of the pipeline: the target is logged in to with what was lent. */

import type { Lease } from '../../vault/lease.ts'
import type { LiveSession } from '../live/live-sessions.ts'
import type { Downstream, Protocol, Upstream } from '../protocol.ts'

/** Throws why there is no connection; when the session must end meanwhile, that. */
export async function connectTarget<D extends Downstream, U extends Upstream>(
  protocol: Protocol<D, U>,
  downstream: D,
  { grant, signal }: LiveSession,
  lease: Lease,
): Promise<U> {
  return protocol.connect(grant, lease, downstream, signal).finally(() => lease.erase())
}
