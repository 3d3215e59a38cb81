/** Who may watch somebody's session as its moderator: facts in, the demands that they meet out. */

import type { ModeratorDemand } from '../policy/session-conditions.ts'
import { type Decider, isWho, samePerson } from './approvals.ts'

/** The roles whose demand this person meets; none for the user of the session, and for other users of the same person. */
export function demandsMetBy(moderator: Decider, user: Decider, demands: readonly ModeratorDemand[]): string[] {
  if (moderator.disabled || samePerson(moderator, user)) return []
  return demands.filter(({ of }) => of.some(who => isWho(who, moderator, user))).map(({ role }) => role)
}
