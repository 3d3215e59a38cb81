/** Logs in to an SSH target in order to go on from there; nothing of the user is sent to it, and no session is opened. */

import type { Duplex } from 'node:stream'
import { systemClock } from '../../../shared/clock.ts'
import type { Hop } from '../../../targets/route.ts'
import { loginOf } from '../../../targets/target.ts'
import type { CredentialMaterial } from '../../../vault/lease.ts'
import { readCredential } from '../target-side/target-login.ts'
import { logInAt } from '../target-side/upstream.ts'
import { HopConnection } from './hop-connection.ts'

const REKEYING = { rekeyBytes: 1024 ** 3, rekeyMs: 3_600_000 }

/** The host key is checked as for any session there. Throws what a login throws, and destroys the stream then. */
export async function connectHop(
  { target, account }: Hop,
  stream: Duplex,
  material: CredentialMaterial,
  signal: AbortSignal,
): Promise<HopConnection> {
  const credential = await readCredential(material)
  const user = loginOf(account, material)
  return new HopConnection(
    await logInAt(target, stream, { user, credential, limits: REKEYING, clock: systemClock, signal }),
  )
}
