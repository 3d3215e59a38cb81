/** Whether the credentials that the access lent were changed afterwards, where policy wants that. */

import type { AttestedRotation } from '../../access-requests/attest/attestation.ts'
import type { CheckOut } from '../../check-out/check-out.ts'
import { ROTATE } from '../../rotation/triggers/rotation-job.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import { type AccountAddress, formatAccountAddress, parseAccountAddress } from '../../shared/names.ts'
import type { GatewayParts } from '../parts.ts'
import type { RotationParts } from '../rotation-parts.ts'

interface Use {
  readonly by: 'session' | 'check-in' | 'reveal'
  readonly endedAt: number
}

export function createRotationsAfter(
  { schedule, rotationPolicies }: Pick<GatewayParts, 'schedule' | 'rotationPolicies'>,
  { journal, logins }: Pick<RotationParts, 'journal' | 'logins'>,
) {
  async function isWanted(address: AccountAddress, uses: readonly Use[]): Promise<boolean> {
    if (uses.some(({ by }) => by === 'reveal')) return true
    const entry = await logins.entryOf(address)
    const policy = entry && (await rotationPolicies.of(entry.target, entry.account))
    return uses.some(({ by }) => by !== 'reveal' && policy?.after.includes(by) === true)
  }

  async function rotationOf(address: AccountAddress, since: number): Promise<Omit<AttestedRotation, 'account'>> {
    const [last] = await journal.list({ ...address, limit: 1 })
    if (last !== undefined && last.startedAt >= since) {
      if (last.state === 'finished') return { state: 'rotated', words: '' }
      if (last.endedAt === undefined) return { state: 'waiting', words: 'a rotation goes on' }
      return { state: 'failed', words: last.words }
    }
    const [job] = await schedule.list({ kind: ROTATE, key: formatAccountAddress(address) })
    return job === undefined
      ? { state: 'failed', words: 'no rotation was planned' }
      : { state: 'waiting', words: job.lastError ?? 'a rotation is planned' }
  }

  return async (sessions: readonly SessionRow[], checkOuts: readonly CheckOut[]): Promise<AttestedRotation[]> => {
    const uses = Map.groupBy(
      [
        ...sessions.flatMap(({ account, target, ended_at: endedAt }) =>
          endedAt === null
            ? []
            : [{ name: formatAccountAddress({ account, target }), by: 'session' as const, endedAt }],
        ),
        ...checkOuts.flatMap(one =>
          one.state.is === 'ended'
            ? [
                {
                  name: formatAccountAddress(one),
                  by: one.revealedAt === undefined ? ('check-in' as const) : ('reveal' as const),
                  endedAt: one.state.at,
                },
              ]
            : [],
        ),
      ],
      ({ name }) => name,
    )
    const rotations: AttestedRotation[] = []
    for (const [name, of] of uses) {
      const address = parseAccountAddress(name)!
      if (!(await isWanted(address, of))) continue
      rotations.push({ account: name, ...(await rotationOf(address, Math.min(...of.map(({ endedAt }) => endedAt)))) })
    }
    return rotations
  }
}
