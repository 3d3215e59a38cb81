/** Open sessions on an account whose credential was rotated: their people are told, or they end, on whichever gateway they are. */

import type { Rotation } from '../rotation/journal.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { GatewayParts } from './parts.ts'

const PAGE = 1000

/** Never rejects: the rotation is over, whoever heard of it. */
export async function tellSessions(
  { sessions, live, log }: Pick<GatewayParts, 'sessions' | 'live' | 'log'>,
  { updatedAt, ...address }: AccountAddress & Pick<Rotation, 'updatedAt'>,
  how: RotationPolicy['openSessions'],
): Promise<void> {
  const name = formatAccountAddress(address)
  const text = `The credential of ${name} was rotated. This session goes on; what logs in to ${address.target} by itself needs the new one.`
  try {
    const open = await sessions.list({ state: 'live', target: address.target, limit: PAGE })
    for (const { id, account, started_at } of open) {
      // Those that began later have the new one.
      if (account !== address.account || started_at > updatedAt) continue
      if (how === 'cut') await live.kill(id, 'credential-rotated')
      else await live.notify(id, text)
    }
  } catch (error) {
    log.warn({ err: error, account: name }, 'the open sessions were not told of a rotation')
  }
}
