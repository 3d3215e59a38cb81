/** The requests that wait for one person's decision. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import { type Offer, stagesOf } from '../policy/on-request.ts'
import type { Roles } from '../policy/roles.ts'
import type { Deciding } from './may-decide.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'list'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly roles: Pick<Roles, 'list'>
  readonly deciding: Pick<Deciding, 'mayDecideOn'>
}

export function createToDecide({ rows, users, roles, deciding }: Parts) {
  /** Those that this person may decide on now, the oldest first. */
  return async (name: string): Promise<RequestedAccess[]> => {
    const user = await users.get(name)
    if (user === undefined || user.disabled) return []
    const offering = (await roles.list()).filter(({ onRequest = [] }) => onRequest.some(offer => mayMean(offer, user)))
    const pending = await rows.list({ states: ['pending'], roles: offering.map(role => role.name), limit: 10_000 })
    const mine: RequestedAccess[] = []
    for (const request of pending) if ((await deciding.mayDecideOn(request, user)).may) mine.push(request)
    return mine.reverse()
  }
}

/** Whether the offer may mean this user as an approver; whom it is asked for says the rest. */
function mayMean(offer: Offer, { name, roles }: User): boolean {
  const all = stagesOf(offer).flatMap(({ groups, escalateTo = [] }) => [
    ...groups.flatMap(({ of }) => of),
    ...escalateTo,
  ])
  return all.some(who => who === 'manager' || who === `user:${name}` || roles.some(role => who === `role:${role}`))
}
