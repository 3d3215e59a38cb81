/** Decides anew for all requests that are open: what would not be given today, to whom it was given, is revoked. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Roles } from '../policy/roles.ts'
import type { Targets } from '../targets/targets.ts'
import type { Ends } from './end.ts'
import { type Ground, oneTargetOf, whyOver } from './ground.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'open'>
  readonly users: Pick<Documents<User>, 'getAll'>
  readonly roles: Pick<Roles, 'getAll'>
  readonly targets: Pick<Targets, 'getAll'>
  readonly ends: Pick<Ends, 'endBy'>
}

const PAGE = 500

export function createReviewOpen({ rows, users, roles, targets, ends }: Parts) {
  /** What open requests rest on, as it is now: read at once, by name, for all of these. */
  async function groundOf(some: readonly RequestedAccess[]): Promise<Ground> {
    const [known, held, there] = await Promise.all([
      users.getAll(namesIn(some.map(({ user }) => user))),
      roles.getAll(namesIn(some.map(({ role }) => role))),
      targets.getAll(namesIn(some.flatMap(request => oneTargetOf(request) ?? []))),
    ])
    return { users: byName(known), roles: byName(held), targets: byName(there) }
  }

  return async (): Promise<void> => {
    for await (const some of rows.open(PAGE)) {
      const ground = await groundOf(some.map(({ request }) => request))
      for (const { request, withdrawn } of some) {
        const words =
          whyOver(request, ground) ?? (withdrawn ? 'its user, its role or its target was removed' : undefined)
        if (words !== undefined) await ends.endBy(request.id, 'revoke', { by: 'gateway', words })
      }
    }
  }
}

function namesIn(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function byName<T extends { readonly name: string }>(some: readonly T[]): ReadonlyMap<string, T> {
  return new Map(some.map(one => [one.name, one]))
}
