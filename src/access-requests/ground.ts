/** What a request that is open rests on: its user, its role and offer, its targets and accounts. */

import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import { createUsers } from '../identity/users.ts'
import type { Offered } from '../policy/offers.ts'
import { offerName } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import { createRoles } from '../policy/roles.ts'
import type { Clock } from '../shared/clock.ts'
import type { Target } from '../targets/target.ts'
import { createTargets } from '../targets/targets.ts'
import { openedBy } from './choose-offer.ts'
import type { RequestedAccess } from './request.ts'
import { targetNames } from './which-targets.ts'

export interface GroundStores {
  readonly users: Pick<Documents<User>, 'getAll'>
  readonly roles: Pick<Documents<Role>, 'getAll'>
  readonly targets: Pick<Documents<Target>, 'getAll'>
}

/** In the store, or in a transaction on it. */
export function groundStores(parts: { readonly database: Database; readonly clock: Clock }): GroundStores {
  return { users: createUsers(parts), roles: createRoles(parts), targets: createTargets(parts) }
}

export interface Ground {
  readonly users: ReadonlyMap<string, User>
  readonly roles: ReadonlyMap<string, Role>
  readonly targets: ReadonlyMap<string, Target>
}

/** What these rest on, as it is in these stores: read at once, by name. */
export async function groundOf(
  some: readonly RequestedAccess[],
  { users, roles, targets }: GroundStores,
): Promise<Ground> {
  const [known, held, there] = await Promise.all([
    users.getAll(namesIn(some.map(({ user }) => user))),
    roles.getAll(namesIn(some.map(({ role }) => role))),
    targets.getAll(namesIn(some.flatMap(request => targetNames(request) ?? []))),
  ])
  return { users: byName(known), roles: byName(held), targets: byName(there) }
}

/** Why what is open gives nothing any more; undefined: it may go on. */
export function whyOver(request: RequestedAccess, ground: Ground): string | undefined {
  const user = ground.users.get(request.user)
  if (user === undefined) return 'its user was removed'
  if (user.disabled) return 'its user was disabled'
  if (!user.roles.includes(request.role)) return `its user does not hold the role ${request.role} any more`
  const { onRequest = [] } = ground.roles.get(request.role) ?? {}
  if (!onRequest.some(offer => offerName(offer) === request.offer))
    return `the role ${request.role} does not offer it any more`
  const names = targetNames(request)
  if (names === undefined || stillOpened(request, ground).length > 0) return undefined
  return names.length === 1 && !ground.targets.has(names[0]!)
    ? `there is no target ${names[0]} any more`
    : 'nothing that it is for is there any more, or offered'
}

/** What it opens still of the targets that it is for by name. */
export function stillOpened(request: RequestedAccess, { roles, targets }: Ground): Offered[] {
  const role = roles.get(request.role)
  const names = targetNames(request) ?? []
  if (role === undefined) return []
  const asked = request.state.given ?? request.wish
  const there = names.flatMap(name => targets.get(name) ?? [])
  return openedBy(role, request.offer, asked, there)
}

function namesIn(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function byName<T extends { readonly name: string }>(some: readonly T[]): ReadonlyMap<string, T> {
  return new Map(some.map(one => [one.name, one]))
}
