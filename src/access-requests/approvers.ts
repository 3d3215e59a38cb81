/** The people whom a step of an approval asks, by the users that there are now. */

import type { User } from '../identity/user.ts'
import type { Users } from '../identity/users.ts'
import type { Stage } from '../policy/on-request.ts'
import { samePerson } from './approvals.ts'

/** Those who approve it, without whom it escalates to unless `escalated`; neither the requester nor another user of theirs. */
export async function* approversOf(
  users: Pick<Users, 'holding'>,
  { groups, escalateTo = [] }: Stage,
  requester: User,
  escalated = false,
): AsyncGenerator<User, void> {
  const named = [...groups.flatMap(({ of }) => of), ...(escalated ? escalateTo : [])]
  for await (const some of peopleMeant(users, named, requester)) {
    for (const user of some) if (!user.disabled && !samePerson(user, requester)) yield user
  }
}

/** Whom these words of an offer mean, where this user asks: so many at a time. */
export function peopleMeant(
  users: Pick<Users, 'holding'>,
  named: readonly string[],
  { manager }: Pick<User, 'manager'>,
): AsyncIterable<User[]> {
  const after = (kind: string) => named.flatMap(who => (who.startsWith(kind) ? who.slice(kind.length) : []))
  const managers = named.includes('manager') && manager !== undefined ? [manager] : []
  return users.holding({ roles: after('role:'), names: [...after('user:'), ...managers] })
}
