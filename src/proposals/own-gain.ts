/** Whether a person's own access hangs on a proposal: nobody approves what may give themselves more. Facts in, words out. */

import { samePerson } from '../access-requests/approvals.ts'
import type { ReviewRule } from '../access-requests/review/review-rule.ts'
import type { User } from '../identity/user.ts'
import { matchesAccount, matchesTarget } from '../policy/match.ts'
import type { Role } from '../policy/role.ts'
import { serverOf } from '../targets/same-login.ts'
import { loginOf, type Target } from '../targets/target.ts'
import type { Content, ContentChange } from './content.ts'

/** `users`: all of the person's, as they are now. `roles`: those that they hold, as they are now. */
export interface PersonFacts {
  readonly users: readonly User[]
  readonly roles: readonly Role[]
}

export function ownGain({ changes }: Content, { users, roles }: PersonFacts): string | undefined {
  const held = new Set(users.flatMap(user => user.roles))
  for (const change of changes) {
    switch (change.kind) {
      case 'user':
        if (versionsOf<User>(change).some(version => users.some(own => samePerson(own, version))))
          return `It changes ${change.name}, who is you.`
        break
      case 'role':
        if (held.has(change.name)) return `It changes the role ${change.name}, which you hold.`
        break
      case 'target':
        if (opensMore(change, roles)) return `It opens more of ${change.name} to a role that you hold.`
        break
      case 'review-rule':
        if (decidesFor(change, roles)) return `What you may ask for may be decided by the rule ${change.name}.`
        break
      case 'rotation-policy':
      // It gives nothing that a role does not offer anyway.
      case 'request-template':
        break
    }
  }
  return undefined
}

function versionsOf<T>({ before, after }: ContentChange): T[] {
  return [before, after].flatMap(text => (text === null ? [] : [JSON.parse(text) as T]))
}

function opensMore({ before, after }: ContentChange, roles: readonly Role[]): boolean {
  if (after === null) return false
  const had = before === null ? new Set<string>() : opened(JSON.parse(before) as Target, roles)
  return !opened(JSON.parse(after) as Target, roles).isSubsetOf(had)
}

/** What the roles give or offer there, with what of the target counts beside: at another server, or by another login, it is something else. */
function opened(target: Target, roles: readonly Role[]): Set<string> {
  const server = serverOf(target)
  const databases = 'databases' in target ? JSON.stringify(target.databases ?? null) : ''
  const given = roles
    .filter(role => role.protocols.includes(target.protocol) && matchesTarget(role.targets, target))
    .flatMap(role => [
      ...of(role.accounts, role.name),
      ...(role.onRequest ?? []).flatMap((offer, index) => of(offer.accounts, `${role.name} ${index}`)),
    ])
  return new Set(given)

  function of(accounts: Role['accounts'], by: string): string[] {
    return target.accounts
      .filter(account => matchesAccount(accounts, account))
      .map(account => {
        const logins = JSON.stringify(account.logins ?? loginOf(account))
        return `${by} ${account.name} ${JSON.stringify(account.checkOut ?? null)} ${databases} ${server} ${logins}`
      })
  }
}

function decidesFor(change: ContentChange, roles: readonly Role[]): boolean {
  const offering = roles.filter(({ onRequest }) => onRequest !== undefined).map(({ name }) => name)
  return versionsOf<ReviewRule>(change).some(({ when }) =>
    when.roles === undefined ? offering.length > 0 : when.roles.some(name => offering.includes(name)),
  )
}
