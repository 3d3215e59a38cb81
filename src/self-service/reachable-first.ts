/** What a person may use now, in the order that a person looks for it: favourites, then what was used last, then by name. */

import type { Principal } from '../identity/principal.ts'
import type { Reachable } from '../policy/reachable.ts'
import { formatAccountAddress, parseAccountAddress } from '../shared/names.ts'
import type { CommandParts } from './command.ts'

/** So many of the last sessions tell what was used lately. */
const SESSIONS_LOOKED_AT = 200

export interface Entry {
  readonly reachable: Reachable
  /** `root@web-01` */
  readonly address: string
  readonly favourite: boolean
  /** When the last session with it began, in milliseconds since the epoch. */
  readonly lastUsed: number | undefined
  /** Whether every word stands in its address, description or labels. */
  matches(words: readonly string[]): boolean
}

type Parts = Pick<CommandParts, 'access' | 'favourites' | 'sessions'>

/**
 * All of it; where there are very many targets, `first` is called before with the favourites and what was used last. `withOffered`: also what
 * they may ask for.
 */
export async function reachableFirst(
  { access, favourites, sessions }: Parts,
  person: Principal,
  { first, withOffered }: { first?: ((entries: Entry[]) => void) | undefined; withOffered?: boolean } = {},
): Promise<Entry[]> {
  const everything = access.reachable(person, undefined, withOffered)
  // Where what is read beside it fails first, nobody waits for it any more.
  everything.catch(() => undefined)
  const [marked, recent] = await Promise.all([
    favourites.of(person.user),
    sessions.list({ user: person.user, limit: SESSIONS_LOOKED_AT }),
  ])
  const lastUsed = new Map<string, number>()
  for (const row of recent.reverse()) lastUsed.set(formatAccountAddress(row), row.started_at)
  const inOrderOf = (reachable: Reachable[]) => reachable.map(one => entryOf(one, marked, lastUsed)).sort(inOrder)
  if (first !== undefined) {
    const names = new Set([...marked, ...lastUsed.keys()].map(address => parseAccountAddress(address)!.target))
    const entries = inOrderOf(await access.reachable(person, [...names], withOffered))
    first(entries.filter(({ favourite, lastUsed: used }) => favourite || used !== undefined))
  }
  return inOrderOf(await everything)
}

function entryOf(reachable: Reachable, favourites: ReadonlySet<string>, lastUsed: ReadonlyMap<string, number>): Entry {
  const address = formatAccountAddress(reachable)
  let searched: string | undefined
  return {
    reachable,
    address,
    favourite: favourites.has(address),
    lastUsed: lastUsed.get(address),
    matches(words) {
      if (words.length === 0) return true
      searched ??= [
        address,
        reachable.description ?? '',
        ...Object.entries(reachable.labels).map(label => label.join('=')),
      ]
        .join(' ')
        .toLowerCase()
      return words.every(word => searched!.includes(word.toLowerCase()))
    },
  }
}

export function inOrder(a: Entry, b: Entry): number {
  if (a.favourite !== b.favourite) return a.favourite ? -1 : 1
  const used = (b.lastUsed ?? 0) - (a.lastUsed ?? 0)
  if (used !== 0) return used
  const [first, second] = [a.reachable, b.reachable]
  if (first.target !== second.target) return first.target < second.target ? -1 : 1
  return first.account < second.account ? -1 : 1
}
