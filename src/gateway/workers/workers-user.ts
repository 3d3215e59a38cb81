/** The user as whom workers run, where the configuration names one: it can read neither the key's file nor the store's, nor look into the gateway. */

import { execFileSync } from 'node:child_process'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'

export interface WorkersUser {
  readonly uid: number
  readonly gid: number
}

/** The user of this name; none where none is named, which the log of a gateway of root's has then. Throws as `userOf`. */
export function workersUserOf(name: string | undefined, log: Log): WorkersUser | undefined {
  if (name !== undefined) return userOf(name)
  if (process.getuid?.() === 0)
    log.warn(
      'the workers, which read the bytes of strangers, run as root like the gateway: name another user as workersUser',
    )
  return undefined
}

/** Throws `CONFIG_INVALID` where there is no such user, or the gateway may not start a process as another. */
function userOf(name: string): WorkersUser {
  if (process.getuid?.() !== 0)
    throw new GatewayError('CONFIG_INVALID', 'workersUser: only a gateway that is started as root can have it.')
  const idOf = (kind: '-u' | '-g') => {
    try {
      return Number(execFileSync('id', [kind, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
    } catch (cause) {
      throw new GatewayError('CONFIG_INVALID', `workersUser: there is no user ${name} on this machine.`, { cause })
    }
  }
  const user = { uid: idOf('-u'), gid: idOf('-g') }
  if (user.uid === 0)
    throw new GatewayError('CONFIG_INVALID', 'workersUser: root is the user that workers are not to be.')
  return user
}
