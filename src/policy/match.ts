/** Which targets, accounts and channels a role speaks of. */

import { type Channel, type ProtocolName, protocolOf } from '../protocols/registered.ts'
import type { Account, Target } from '../targets/target.ts'
import type { Role } from './role.ts'

/** By name, or by labels that all match. A selector that says nothing matches nothing. */
export function matchesTarget({ names = [], labels = {} }: Role['targets'], target: Target): boolean {
  if (names.some(pattern => matchesPattern(pattern, target.name))) return true
  const wanted = Object.entries(labels)
  return (
    wanted.length > 0 &&
    wanted.every(([key, pattern]) => Object.hasOwn(target.labels, key) && matchesPattern(pattern, target.labels[key]!))
  )
}

/** By name, or by level. A selector that says nothing matches nothing. */
export function matchesAccount({ names = [], levels = [] }: Role['accounts'], account: Account): boolean {
  return names.includes(account.name) || levels.includes(account.level)
}

/** The role's channels that this protocol has. */
export function channelsFor(role: Role, protocol: ProtocolName): Channel[] {
  const channels = protocolOf(protocol).channels as readonly Channel[]
  return channels.filter(channel => role.channels.includes(channel))
}

/** Letter by letter, but for one `*` at the end, which stands for any rest. */
export function matchesPattern(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}
