/** Who holds which duty: changing the rules, approving what others ask for, and reading what everybody did. One person should hold one. */

import type { User } from '../identity/user.ts'
import { identitiesOf, keysOf } from '../shared/identities.ts'
import type { Scope } from '../shared/scopes.ts'
import { scopesAtMost } from './api-scopes.ts'
import { allStagesOf, offerName } from './on-request.ts'
import type { Role } from './role.ts'

export const DUTIES = ['admin', 'approver', 'auditor'] as const
export type Duty = (typeof DUTIES)[number]

/** By the rights at the API. Approvers are named by offers of roles. */
const SCOPES_OF: Readonly<Record<Exclude<Duty, 'approver'>, readonly Scope[]>> = {
  admin: ['administrate'],
  auditor: ['audit', 'reveal'],
}

export interface SeparationFacts {
  readonly users: readonly User[]
  readonly roles: readonly Role[]
  /** Tokens of the API that let somebody in now, personal ones apart: those give what the roles give. */
  readonly tokens: readonly { readonly name: string; readonly user: string; readonly scopes: ReadonlySet<Scope> }[]
  /** Who approves beside those whom offers name (`role:NAME`, `user:NAME`, `manager`), and what: `changes of the rules`. */
  readonly approvers: readonly { readonly who: readonly string[]; readonly what: string }[]
}

export interface DutyHolder {
  /** Of several users the one that their entries name as `person`; else the user. */
  readonly person: string
  readonly users: readonly string[]
  readonly duties: readonly { readonly duty: Duty; readonly by: readonly string[] }[]
}

/**
 * Everybody who holds a duty, by name; hours, sources and factors are not asked about. Users of one person count as one. Disabled users hold
 * none, but their tokens do.
 */
export function dutyHolders({ users, roles, tokens, approvers }: SeparationFacts): DutyHolder[] {
  const personOf = personsOf(users)
  const found = new Map<string, { users: Set<string>; by: Record<Duty, Set<string>> }>()
  const note = (user: string, duty: Duty, by: string) => {
    const person = personOf.get(user) ?? user
    const holder = found.get(person) ?? {
      users: new Set<string>(),
      by: { admin: new Set<string>(), approver: new Set<string>(), auditor: new Set<string>() },
    }
    found.set(person, holder)
    holder.users.add(user)
    holder.by[duty].add(by)
  }
  const noteScopes = (user: string, scopes: ReadonlySet<Scope>, what: string) => {
    for (const duty of ['admin', 'auditor'] as const) {
      const given = SCOPES_OF[duty].filter(scope => scopes.has(scope))
      if (given.length > 0) note(user, duty, `${what} (${given.join(', ')})`)
    }
  }

  const active = users.filter(({ disabled }) => !disabled)
  const holdersOf = Map.groupBy(
    active.flatMap(user => user.roles.map(role => ({ role, user }))),
    ({ role }) => role,
  )
  const holding = (role: string) => (holdersOf.get(role) ?? []).map(({ user }) => user)
  const names = new Set(active.map(({ name }) => name))
  const noteApprovers = (who: readonly string[], requesters: readonly User[], what: string) => {
    for (const one of new Set(who)) {
      for (const name of approversOf(one, requesters, holding))
        if (names.has(name)) note(name, 'approver', `${one} for ${what}`)
    }
  }
  for (const role of roles) {
    const scopes = scopesAtMost([role])
    for (const { name } of holding(role.name)) noteScopes(name, scopes, `role ${role.name}`)
    for (const offer of role.onRequest ?? []) {
      const who = allStagesOf(offer).flatMap(({ groups, escalateTo = [] }) => [
        ...groups.flatMap(({ of }) => of),
        ...escalateTo,
      ])
      noteApprovers(who, holding(role.name), `${offerName(offer)} of the role ${role.name}`)
    }
  }
  const offering = new Set(roles.flatMap(({ name, onRequest }) => (onRequest === undefined ? [] : [name])))
  const asking = active.filter(user => user.roles.some(role => offering.has(role)))
  for (const { who, what } of approvers) noteApprovers(who, asking, what)
  for (const { name, user, scopes } of tokens) noteScopes(user, scopes, `token ${name}`)

  return [...found]
    .map(([person, { users, by }]) => ({
      person,
      users: [...users].sort(),
      duties: DUTIES.flatMap(duty => (by[duty].size === 0 ? [] : [{ duty, by: [...by[duty]].sort() }])),
    }))
    .sort((a, b) => (a.person < b.person ? -1 : 1))
}

/** By user: the person, of users who are known as one. */
function personsOf(users: readonly User[]): ReadonlyMap<string, string> {
  const known = new Map<string, Set<User>>()
  for (const user of users) {
    const one = new Set([user, ...signsOf(user).flatMap(sign => [...(known.get(sign) ?? [])])])
    for (const each of one) for (const sign of signsOf(each)) known.set(sign, one)
  }
  return new Map(
    [...new Set(known.values())].flatMap(one => {
      const all = [...one].sort((a, b) => (a.name < b.name ? -1 : 1))
      const named = all.find(({ person }) => person !== undefined)?.person
      return all.map(({ name }): [string, string] => [name, named ?? all[0]!.name])
    }),
  )
}

function signsOf(user: User): string[] {
  return [...identitiesOf(user), ...[...keysOf(user)].map(key => `key ${key}`)]
}

function approversOf(who: string, requesters: readonly User[], holding: (role: string) => readonly User[]): string[] {
  const [kind, name] = who.split(':') as [string, string?]
  if (name === undefined) return requesters.flatMap(({ manager }) => manager ?? [])
  return kind === 'user' ? [name] : holding(name).map(user => user.name)
}
