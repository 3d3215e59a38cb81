/** What a proposal gives to whom, of accounts: for those whose roles, or whose own entries, it changes. */

import type { User } from '../identity/user.ts'
import { matchesAccount, matchesTarget } from '../policy/match.ts'
import type { Role } from '../policy/role.ts'
import type { StoredTexts } from '../resources/plan.ts'
import type { Target } from '../targets/target.ts'
import type { Content } from './content.ts'

const MOST_USERS = 200
const MOST_TARGETS = 2000
const MOST_LINES = 100

/** Lines: `bob gets root@web-01`; whatever hours, sources and factors stand before it. */
export function givesTo({ changes }: Content, seen: StoredTexts): string[] {
  const changed = (kind: string) => new Map(changes.flatMap(one => (one.kind === kind ? [[one.name, one.after]] : [])))
  const [roles, targets, users] = [changed('role'), changed('target'), changed('user')]
  if (roles.size + targets.size + users.size === 0) return []
  const now = <T>(kind: 'role' | 'target' | 'user', name: string) => read<T>(seen[kind].get(name) ?? null)
  const then = <T>(kind: 'role' | 'target' | 'user', of: Map<string, string | null>, name: string) =>
    of.has(name) ? read<T>(of.get(name) ?? null) : now<T>(kind, name)

  const affected = new Set(users.keys())
  for (const [name, text] of seen.user) {
    if (affected.size > MOST_USERS) break
    if (roles.size > 0 && read<User>(text)!.roles.some(role => roles.has(role))) affected.add(name)
  }
  const names = new Set([...seen.target.keys(), ...targets.keys()])
  if (affected.size > MOST_USERS || names.size > MOST_TARGETS)
    return [
      `It concerns more than ${MOST_USERS} users, or there are more than ${MOST_TARGETS} targets: what it gives is not counted.`,
    ]
  const [before, after] = [
    targetsOf(name => now<Target>('target', name)),
    targetsOf(name => then<Target>('target', targets, name)),
  ]
  const lines: string[] = []
  for (const name of [...affected].sort()) {
    const [was, is] = [now<User>('user', name), then<User>('user', users, name)]
    const had = opened(
      held(was, role => now<Role>('role', role)),
      before,
    )
    for (const what of opened(
      held(is, role => then<Role>('role', roles, role)),
      after,
    ))
      if (!had.has(what)) lines.push(`${name} ${what}`)
  }
  return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), `… and ${lines.length - MOST_LINES} more`] : lines

  function targetsOf(find: (name: string) => Target | undefined): Target[] {
    return [...names].sort().flatMap(name => find(name) ?? [])
  }
}

function held(user: User | undefined, find: (role: string) => Role | undefined): Role[] {
  return user === undefined || user.disabled ? [] : user.roles.flatMap(name => find(name) ?? [])
}

function opened(roles: readonly Role[], targets: readonly Target[]): Set<string> {
  const found = new Set<string>()
  for (const role of roles) {
    for (const target of targets) {
      // Of an earlier version: all of them.
      const protocols: readonly string[] = role.protocols ?? [target.protocol]
      if (!protocols.includes(target.protocol) || !matchesTarget(role.targets, target)) continue
      for (const account of target.accounts) {
        const address = `${account.name}@${target.name}`
        if (matchesAccount(role.accounts, account)) found.add(`gets ${address}`)
        if (role.onRequest?.some(offer => matchesAccount(offer.accounts, account))) found.add(`may ask for ${address}`)
      }
    }
    for (const scope of role.api ?? []) found.add(`gets the scope ${scope}`)
  }
  return found
}

function read<T>(text: string | null): T | undefined {
  return text === null ? undefined : (JSON.parse(text) as T)
}
