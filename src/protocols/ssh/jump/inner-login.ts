/** What the user name of a connection inside of a login means: an account of the target that was asked for, of the person who logged in. */

import type { FoundInside } from '../../../session/served-protocol.ts'
import { isRefusal, type Refusal, refuse } from '../../../shared/errors.ts'
import { parseLoginName } from '../../../shared/names.ts'

/**
 * Returns the whole login name. Her own name, where the target has no such account for her, is what clients send that were told none, so it
 * stands for the account that the policy gives by default. A whole login name is good where it says nothing else.
 */
export function innerLoginName(
  user: string,
  { name: target, ownAccount }: Pick<FoundInside, 'name' | 'ownAccount'>,
  sent: string,
): string | Refusal {
  const named = parseLoginName(sent)
  if (isRefusal(named)) {
    return refuse('LOGIN_NAME_INVALID', `The user name here is an account at ${target}, for example root.`, sent)
  }
  const byDefault = `${user}+${target}`
  if (named.target === undefined) {
    return named.user === user && !ownAccount ? byDefault : `${user}+${named.user}+${target}`
  }
  if (named.user !== user || named.target !== target) {
    const message = `You are logged in as ${user}, and asked for ${target}: the user name here is an account at ${target}, for example root.`
    return refuse('LOGIN_NAME_INVALID', message, sent)
  }
  return named.account === undefined ? byDefault : `${user}+${named.account}+${target}`
}
