/** Whether a decision of now still gives what a running session was granted. */

import type { Grant } from './grant.ts'
import { CHANNELS } from './role.ts'

/**
 * True when `fresh` gives at least what `running` has: the same account and login of the same target at the same address, the
 * same database, and every channel. A grant alone is not enough: `user+target` may by now mean another account, a client that
 * names no database another one, and a role may have lost a channel that
 * is open. Limits are not compared: a fresh grant counts its time from now.
 */
export function covers(fresh: Grant, running: Grant): boolean {
  return (
    fresh.user === running.user &&
    fresh.account.name === running.account.name &&
    fresh.account.login === running.account.login &&
    fresh.target.name === running.target.name &&
    fresh.target.protocol === running.target.protocol &&
    fresh.target.host === running.target.host &&
    fresh.target.port === running.target.port &&
    fresh.database === running.database &&
    CHANNELS.every(channel => fresh.allows(channel) || !running.allows(channel))
  )
}
