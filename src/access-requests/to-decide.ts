/** The requests that wait for one person's decision. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import { allStagesOf, type Offer } from '../policy/on-request.ts'
import type { Roles } from '../policy/roles.ts'
import type { Deciding } from './may-decide.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestQuery, RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'list'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly roles: Pick<Roles, 'list'>
  readonly deciding: Pick<Deciding, 'decidableAmong'>
}

const AT_ONCE = 500

export function createToDecide({ rows, users, roles, deciding }: Parts) {
  /** Those that this person may decide on now, the oldest first. */
  return async (
    name: string,
    { before, limit }: Pick<RequestQuery, 'before' | 'limit'>,
  ): Promise<RequestedAccess[]> => {
    const user = await users.get(name)
    if (user === undefined || user.disabled) return []
    const offering = (await roles.list()).filter(({ onRequest = [] }) => onRequest.some(offer => mayMean(offer, user)))
    const query = { states: ['pending'], roles: offering.map(role => role.name), order: 'oldest-first' } as const
    const found: RequestedAccess[] = []
    for (let last = before; found.length < limit; ) {
      const some = await rows.list({ ...query, before: last, limit: AT_ONCE })
      found.push(...(await deciding.decidableAmong(some, user)))
      if (some.length < AT_ONCE) break
      last = some.at(-1)
    }
    return found.slice(0, limit)
  }
}

/** Whether the offer may mean this user as an approver; whom it is asked for says the rest. */
function mayMean(offer: Offer, { name, roles }: User): boolean {
  const all = allStagesOf(offer).flatMap(({ groups, escalateTo = [] }) => [
    ...groups.flatMap(({ of }) => of),
    ...escalateTo,
  ])
  return all.some(who => who === 'manager' || who === `user:${name}` || roles.some(role => who === `role:${role}`))
}
