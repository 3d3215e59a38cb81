/** Slows guessing down: after some failures each further one costs a longer wait, per user and factor, and per source. */

import type { Cluster } from '../cluster/cluster.ts'
import { networkOf } from '../shared/source-network.ts'

/** What can be guessed, each with a counter of its own: knowing the password must not buy new tries at the code. */
export type Guessable = 'password' | 'totp'

export interface Locks {
  readonly password: boolean
  readonly totp: boolean
}

export interface Lockout {
  /** What is locked now. For an unknown user (`undefined`) it asks as much, and only the source can be locked. */
  locks(user: string | undefined, address: string): Promise<Locks>
  /** Counts a wrong guess, for the user (if there is one) and the source. What was tried while locked is not counted. */
  failed(user: string | undefined, guessed: Guessable | undefined, address: string, locks: Locks): Promise<void>
  /** Forgets the user's failures at what was proven; never the source's, which may have guessed at others. */
  proven(user: string, proven: readonly Guessable[]): Promise<void>
}

const MINUTE_MS = 60_000
const FREE_TRIES = 5
const USER_MEMORY_MS = 24 * 60 * MINUTE_MS
/** Many people may share one address. */
const FREE_TRIES_OF_SOURCE = 20
const SOURCE_MEMORY_MS = 60 * MINUTE_MS
const LONGEST_WAIT_MS = 15 * MINUTE_MS
/** Stands in where nothing is to be counted, so that the work is the same. */
const NOBODY = 'login-failures:nobody'

/** Methods throw `CLUSTER_UNAVAILABLE` while the other gateways cannot be reached. */
export function createLockout(cluster: Cluster): Lockout {
  const isLocked = async (key: string, freeTries: number) => {
    const { count, ageMs } = await cluster.counted(key)
    return ageMs < waitAfter(count, freeTries)
  }
  return {
    async locks(user, address) {
      const [password, totp, source] = await Promise.all([
        isLocked(userKey(user, 'password'), FREE_TRIES),
        isLocked(userKey(user, 'totp'), FREE_TRIES),
        isLocked(sourceKey(address), FREE_TRIES_OF_SOURCE),
      ])
      const known = user !== undefined
      return { password: (known && password) || source, totp: (known && totp) || source }
    },
    async failed(user, guessed, address, locks) {
      const counts = guessed !== undefined && !locks[guessed]
      await Promise.all([
        cluster.count(counts ? userKey(user, guessed) : NOBODY, USER_MEMORY_MS),
        cluster.count(counts ? sourceKey(address) : NOBODY, SOURCE_MEMORY_MS),
      ])
    },
    async proven(user, proven) {
      await Promise.all(proven.map(guessed => cluster.forget(userKey(user, guessed))))
    },
  }
}

/** How long a wait follows the `count`th failure: none for the free ones, then 2, 4, 8 … seconds, up to 15 minutes. */
export function waitAfter(count: number, freeTries: number): number {
  return count <= freeTries ? 0 : Math.min(1000 * 2 ** (count - freeTries), LONGEST_WAIT_MS)
}

/** One counter for all names that do not exist: what people try must not fill the memory. */
function userKey(user: string | undefined, guessed: Guessable): string {
  return user === undefined ? NOBODY : `login-failures:${guessed}:${user}`
}

function sourceKey(address: string): string {
  return `login-failures:from:${networkOf(address)}`
}
