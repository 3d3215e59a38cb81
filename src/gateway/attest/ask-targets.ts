/** Asks targets what is left of sessions that are over, by a login of the account itself, where its rotation policy has that done. */

import { type Entry, Opened } from '../../rotation/logins.ts'
import { withinLimit } from '../../rotation/time-limit.ts'
import { safeWords, wordsOfThrown } from '../../rotation/words.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import type { Asked, Remains } from '../../session/remains.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { networkAddressOf } from '../../targets/identity.ts'
import { accountFor, loginOf } from '../../targets/target.ts'
import { secretsOf } from '../../vault/lease.ts'
import type { GatewayParts } from '../parts.ts'
import type { ServedProtocols } from '../protocols.ts'
import type { RotationParts } from '../rotation-parts.ts'

const WITHIN_MS = 60_000
const MOST_OPEN = 1000
/** Accounts that are asked at a time: one that does not answer must not keep the others waiting. */
const AT_ONCE = 8
/** Of an account with two logins: versions that are opened to find one for the login that a session had. */
const MOST_OPENED = 6
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

  /** Another login does not see what this one has there. In words why there is none. */
  async function openFor(address: AccountAddress, { account, target }: Entry, login: string | undefined) {
    const inForce = await vault.versionInForce(address)
    if (inForce === undefined) return 'the vault holds no credential of it'
    if (account.logins !== undefined && login === undefined) return 'nobody knows which of its two logins they had'
    const history = account.logins === undefined ? [] : await vault.history(address)
    const others = history.filter(({ version, inForceAt }) => version !== inForce && inForceAt !== undefined)
    for (const version of [inForce, ...others.map(one => one.version)].slice(0, MOST_OPENED)) {
      const opened = await logins.open(address, version, target, PURPOSE)
      if (!(opened instanceof Opened)) return opened.words
      if (login === undefined || loginOf(account, opened.material) === login) return opened
      opened[Symbol.dispose]()
    }
    return `the vault holds no credential of it for the login ${login}, which they had`
  }

  /** Throws what is no answer of the target. */
  async function ask(
    address: AccountAddress,
    { login: as, address: where }: Pick<SessionRow['at_target'], 'login' | 'address'>,
    asked: Asked,
    signal: AbortSignal,
  ): Promise<Remains[] | string> {
    const entry = await logins.entryOf(address)
    if (entry === undefined) return 'the account is in no entry of a target any more'
    const { target } = entry
    const remains = served.of(target.protocol).remains
    if (remains === undefined) return 'targets of its protocol are not asked'
    const now = networkAddressOf(target)
    if (where !== undefined && where !== now) return `they were at ${where}, and the target is at ${now} by now`
    const opened = await openFor(address, entry, as)
    if (!(opened instanceof Opened)) return opened
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

  async function askOf(
    some: readonly SessionRow[],
    signal: AbortSignal,
  ): Promise<readonly (readonly [string, Remains])[]> {
    const { account, target, at_target: atTarget } = some[0]!
    const address = { account, target }
    if (!(await isOpenTo(address))) return []
    const now = clock.now()
    const agoOf = (at: number) => Math.max(0, now - at)
    const open = await sessions.list({ state: 'live', target, limit: MOST_OPEN })
    const asked = {
      past: some.map(row => ({
        session: row.id,
        startedAgoMs: agoOf(row.started_at),
        endedAgoMs: agoOf(row.ended_at!),
        atTarget: row.at_target,
      })),
      open: open.map(row => ({ startedAgoMs: agoOf(row.started_at), atTarget: row.at_target })),
    }
    const answer = await ask(address, atTarget, asked, signal)
    return some.map(({ id }, index) => [
      id,
      typeof answer === 'string' ? { is: 'unknown', words: answer } : answer[index]!,
    ])
  }

  return async (resting, signal) => {
    const ended = resting.filter(({ state, ended_at: endedAt }) => state === 'ended' && endedAt !== null)
    const alike = [...Map.groupBy(ended, sameQuestion).values()]
    const remains = new Map<string, Remains>()
    for (let at = 0; at < alike.length; at += AT_ONCE) {
      const answers = await Promise.all(alike.slice(at, at + AT_ONCE).map(some => askOf(some, signal)))
      for (const [session, one] of answers.flat()) remains.set(session, one)
    }
    return remains
  }
}

/** Sessions at the same account, by the same of its logins, at the same place. */
function sameQuestion({ account, target, at_target: { login, address } }: SessionRow): string {
  return JSON.stringify([formatAccountAddress({ account, target }), login, address])
}
