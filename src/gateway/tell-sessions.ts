/** Open sessions that were lent a credential that was rotated, as their own or as a hop's: their people are told, or they end, wherever they are. */

import type { Rotation } from '../rotation/journal.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import { messageOf } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { GatewayParts } from './parts.ts'

interface Parts extends Pick<GatewayParts, 'database' | 'log'> {
  readonly vault: Pick<GatewayParts['vault'], 'sessionsOn'>
  readonly live: Pick<GatewayParts['live'], 'kill' | 'notify'>
}

/** Gives why not all of them have heard of it; undefined: they have. What they were lent counts, and not what entries say by now. */
export async function tellSessions(
  { vault, database, live, log }: Parts,
  { candidate, ...address }: AccountAddress & Pick<Rotation, 'candidate'>,
  how: RotationPolicy['openSessions'],
): Promise<string | undefined> {
  const name = formatAccountAddress(address)
  const text = `The credential of ${name} was rotated. This session goes on; what logs in to ${address.target} by itself needs the new one.`
  let failed: unknown
  try {
    for (const { session, version } of await vault.sessionsOn(address, database)) {
      // Those that began later have the new one.
      if (version >= candidate) continue
      await (how === 'cut' ? live.kill(session, 'credential-rotated') : live.notify(session, text)).catch(error => {
        failed ??= error
      })
    }
  } catch (error) {
    failed = error
  }
  if (failed === undefined) return undefined
  log.warn({ err: failed, account: name }, 'not all open sessions were told of a rotation')
  return messageOf(failed)
}
