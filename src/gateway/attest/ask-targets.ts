/** Asks targets what is left of sessions that are over, by a login of the account itself, where its rotation policy has that done. */

import { Opened } from '../../rotation/logins.ts'
import { withinLimit } from '../../rotation/time-limit.ts'
import { safeWords, wordsOfThrown } from '../../rotation/words.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import type { Asked, Remains } from '../../session/remains.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { accountFor } from '../../targets/target.ts'
import { secretsOf } from '../../vault/lease.ts'
import type { GatewayParts } from '../parts.ts'
import type { ServedProtocols } from '../protocols.ts'
import type { RotationParts } from '../rotation-parts.ts'

const WITHIN_MS = 60_000
const MOST_OPEN = 1000
const PURPOSE = { by: 'gateway', for: 'attest' } as const

/** By session; those that are not in it were not asked about. */
export type AskTargets = (sessions: readonly SessionRow[], signal: AbortSignal) => Promise<Map<string, Remains>>

export function createAskTargets(
  { rotationPolicies, sessions, vault, clock }: Pick<GatewayParts, 'rotationPolicies' | 'sessions' | 'vault' | 'clock'>,
  { logins }: Pick<RotationParts, 'logins'>,
  served: ServedProtocols,
): AskTargets {
  async function isOpenTo(address: AccountAddress): Promise<boolean> {
    const entry = await logins.entryOf(address)
    // Whose policy it was is not known any more, where its entry is gone.
    if (entry === undefined) return (await rotationPolicies.list()).some(({ attest }) => attest === true)
    return (await rotationPolicies.of(entry.target, entry.account))?.attest === true
  }

  /** Throws what is no answer of the target. */
  async function ask(address: AccountAddress, asked: Asked, signal: AbortSignal): Promise<Remains[] | string> {
    const entry = await logins.entryOf(address)
    if (entry === undefined) return 'the account is in no entry of a target any more'
    const { target } = entry
    const remains = served.of(target.protocol).remains
    if (remains === undefined) return 'targets of its protocol are not asked'
    const version = await vault.versionInForce(address)
    if (version === undefined) return 'the vault holds no credential of it'
    const opened = await logins.open(address, version, target, PURPOSE)
    if (!(opened instanceof Opened)) return opened.words
    using _ = opened
    const { material } = opened
    const known = secretsOf(material)
    const login = { target, account: accountFor(entry.account, material), material, opened: known }
    // Awaited here: what is opened is erased then.
    return await withinLimit<Remains[] | string>(
      WITHIN_MS,
      signal,
      limit => remains({ ...login, dialer: logins.dial(entry, PURPOSE)() }, asked, limit),
      {
        late: 'it did not answer in time',
        broken: error => safeWords(wordsOfThrown(error), known),
      },
    )
  }

  return async (resting, signal) => {
    const ended = resting.filter(({ state, ended_at: endedAt }) => state === 'ended' && endedAt !== null)
    const byAccount = Map.groupBy(ended, formatAccountAddress)
    const remains = new Map<string, Remains>()
    for (const some of byAccount.values()) {
      const { account, target } = some[0]!
      const address = { account, target }
      if (!(await isOpenTo(address))) continue
      const now = clock.now()
      const agoOf = (at: number) => Math.max(0, now - at)
      const open = await sessions.list({ state: 'live', target, limit: MOST_OPEN })
      const answer = await ask(
        address,
        {
          past: some.map(row => ({
            session: row.id,
            startedAgoMs: agoOf(row.started_at),
            endedAgoMs: agoOf(row.ended_at!),
            atTarget: row.at_target,
          })),
          open: open.map(row => ({ startedAgoMs: agoOf(row.started_at), atTarget: row.at_target })),
        },
        signal,
      )
      for (const [index, { id }] of some.entries())
        remains.set(id, typeof answer === 'string' ? { is: 'unknown', words: answer } : answer[index]!)
    }
    return remains
  }
}
