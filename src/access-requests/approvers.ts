/** The people whom a step of an approval asks, by the users that there are now. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Stage } from '../policy/on-request.ts'
import { isWho, samePerson } from './approvals.ts'

const PAGE = 500

/** Those who approve it, without whom it escalates to unless `escalated`; neither the requester nor another user of theirs. */
export async function* approversOf(
  users: Pick<Documents<User>, 'pages'>,
  { groups, escalateTo = [] }: Stage,
  requester: User,
  escalated = false,
): AsyncGenerator<User, void> {
  const named = [...groups.flatMap(({ of }) => of), ...(escalated ? escalateTo : [])]
  for await (const some of users.pages(PAGE)) {
    for (const user of some) {
      if (!user.disabled && named.some(who => isWho(who, user, requester)) && !samePerson(user, requester)) yield user
    }
  }
}
