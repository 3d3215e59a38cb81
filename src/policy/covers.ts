/** Whether a decision of now still gives what a running session was granted. */

import { channelNames } from '../protocols/registered.ts'
import { identityOf as identityOfTarget, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Grant } from './grant.ts'

/**
 * True when `fresh` gives at least what `running` has: the same account of the same target, reached and proven in a
 * way that its entry still allows (a host key that is not pinned any more may be the one that was shown), the same database, and every channel. A grant alone is not enough: `user+target` may by now mean another account, a client that
 * names no database another one, and a role may have lost a channel that
 * is open, or demand a moderator by now. Limits are not compared: a fresh grant counts its time from now.
 */
export function covers(fresh: Grant, running: Grant): boolean {
  return (
    fresh.user === running.user &&
    fresh.account.name === running.account.name &&
    fresh.target.name === running.target.name &&
    staysWithin(identityOf(running), identityOf(fresh)) &&
    fresh.database === running.database &&
    channelNames().every(channel => fresh.allows(channel) || !running.allows(channel)) &&
    demandingRoles(fresh).isSubsetOf(demandingRoles(running))
  )
}

/** Those that demand a moderator: nobody waits for one in a session that began without. */
function demandingRoles({ moderation }: Grant): Set<string> {
  return new Set(moderation?.demands.map(({ role }) => role))
}

function identityOf({ target, account }: Grant): TargetIdentity {
  return identityOfTarget(target, account.name)
}
