/** What a PostgreSQL server must show to be the one that was confirmed: a certificate for the same name. */

import { type TargetProof, unprovable } from '../../../session/target-proof.ts'
import type { PostgresTarget } from '../target.ts'
import { dial } from './dial.ts'

const CONNECT_MS = 10_000

export async function provePostgresTarget({ target, dialer, confirmed }: TargetProof): Promise<void> {
  if (confirmed.protocol !== 'postgres' || confirmed.tls !== 'verify-full') {
    throw unprovable('it was not confirmed with tls: verify-full')
  }
  const { socket } = await dial(target as PostgresTarget, dialer, 'tls', AbortSignal.timeout(CONNECT_MS))
  socket.destroy()
}
