/** What is known of the sockets of a session whose access is over. */

import type { AttestedSession, Seen } from '../../access-requests/attest/attestation.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import { formatAccountAddress } from '../../shared/names.ts'

/** `living`: the gateways, undefined where nobody knows. `alone`: nobody else can have this store, so another gateway of it is dead. */
export function sessionFindings(
  row: SessionRow,
  { living, alone }: { readonly living: ReadonlySet<string> | undefined; readonly alone: boolean },
): Omit<AttestedSession, 'atTarget'> {
  const seen = seenOf(row, alone && living !== undefined && !living.has(row.gateway))
  return {
    session: row.id,
    account: formatAccountAddress(row),
    endReason: row.end_reason,
    client: seen('client'),
    target: seen('target'),
  }
}

/** A process that died has no sockets. That one which is only not heard of has none any more, nobody knows. */
function seenOf({ state, closed }: SessionRow, isDead: boolean): (side: 'client' | 'target') => Seen {
  if (isDead) return () => 'closed'
  if (state !== 'ended') return () => 'open'
  return side => (closed === null ? 'unknown' : closed[side] ? 'closed' : 'open')
}
