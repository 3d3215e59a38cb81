/**
 * Stops guessing: after some failures nothing is looked at for a while, per user and factor, and per source. Where a user has
 * logged in lately their failures are counted apart, so that somebody who guesses elsewhere delays them only elsewhere.
 */

import type { Cluster } from '../cluster/cluster.ts'
import { GUESSABLE_FACTORS, type GuessableFactor, mayComeFirst } from '../shared/factors.ts'
import { networkOf, widerNetworkOf } from '../shared/network/source-network.ts'
import { createKnownSources } from './known-sources.ts'

/** After `tries` failures there is a wait, and after each further one a wait twice as long, up to the longest. */
export interface LockoutRule {
  readonly tries: number
  readonly firstWaitMs: number
  readonly longestWaitMs: number
}

/** Each factor that can be guessed has a counter of its own: knowing the password must not buy new tries at the code. */
export interface Locks extends Readonly<Record<GuessableFactor, boolean>> {
  /** Whether the user has logged in from there lately. */
  readonly known: boolean
}

/** Failures that count now: those from one known network, or those from all others. */
export interface Failures {
  readonly factor: GuessableFactor
  readonly network: string | undefined
  readonly tries: number
  /** Milliseconds until the next try is looked at; 0: not locked. */
  readonly lockedForMs: number
}

export interface LockedOut extends Failures {
  readonly user: string
}

export interface Lockout {
  /** Whether the user has logged in from there lately. For an unknown user it asks as much. */
  isKnown(user: string | undefined, address: string): Promise<boolean>
  /** What is locked now. For an unknown user (`undefined`) it asks as much, and only the source can be locked. */
  locks(user: string | undefined, address: string): Promise<Locks>
  /** Counts a wrong guess, for the user (if there is one) and the source. What was tried while locked is not counted. */
  failed(user: string | undefined, guessed: GuessableFactor | undefined, address: string, locks: Locks): Promise<void>
  /** Forgets the user's failures at what was proven, where it was proven; never the source's, which may have guessed at others. */
  proven(user: string, proven: readonly GuessableFactor[], address: string, locks: Locks): Promise<void>
  /** The user has proven all that was asked for: from now on they are known there. */
  loggedIn(user: string, address: string): Promise<void>
  /** The user's failures that are remembered. */
  failuresOf(user: string): Promise<Failures[]>
  /** Forgets all of a user's failures. */
  unlock(user: string): Promise<void>
}

const MINUTE_MS = 60_000
const USER_MEMORY_MS = 24 * 60 * MINUTE_MS
const SOURCE_MEMORY_MS = 60 * MINUTE_MS
/** Many people may share one address, and more of them the network around it. */
const TRIES_OF_SOURCE = 20
const TRIES_OF_NETWORK = 200
const FIRST_WAIT_OF_SOURCE_MS = 2000
/** Stands in where nothing is to be counted, so that the work is the same. */
const NOBODY = 'login-failures:nobody'

/** `onLocked` is called for each lock of a user. Methods throw `CLUSTER_UNAVAILABLE` while the other gateways cannot be reached. */
export function createLockout({
  cluster,
  rule,
  onLocked,
}: {
  cluster: Cluster
  rule: LockoutRule
  onLocked?: (locked: LockedOut) => void
}): Lockout {
  const knownSources = createKnownSources(cluster)
  const sourceRule = (tries: number): LockoutRule => ({ ...rule, tries, firstWaitMs: FIRST_WAIT_OF_SOURCE_MS })
  const memoryMs = Math.max(USER_MEMORY_MS, 2 * rule.longestWaitMs)

  const lockedForMs = async (key: string, of: LockoutRule) => {
    const { count, ageMs } = await cluster.counted(key)
    return { tries: count, lockedForMs: Math.max(0, waitAfter(count, of) - ageMs) }
  }
  const isLocked = async (key: string, of: LockoutRule) => (await lockedForMs(key, of)).lockedForMs > 0

  const isKnown: Lockout['isKnown'] = (user, address) => knownSources.has(user, networkOf(address))

  return {
    isKnown,

    async locks(user, address) {
      const known = await isKnown(user, address)
      const [source, network, ...own] = await Promise.all([
        isLocked(sourceKey(networkOf(address)), sourceRule(TRIES_OF_SOURCE)),
        isLocked(sourceKey(widerNetworkOf(address)), sourceRule(TRIES_OF_NETWORK)),
        ...GUESSABLE_FACTORS.map(factor =>
          isLocked(userKey(user, factor, known ? networkOf(address) : undefined), rule),
        ),
      ])
      // Those who guess from the same address hold up neither whom it knows, nor codes: behind a proven factor they cannot come.
      const byOthers = (factor: GuessableFactor) => mayComeFirst(factor) && !known && (source || network)
      const locked = GUESSABLE_FACTORS.map((factor, index) => [
        factor,
        (user !== undefined && own[index]!) || byOthers(factor),
      ])
      return { ...(Object.fromEntries(locked) as Record<GuessableFactor, boolean>), known: user !== undefined && known }
    },

    async failed(user, guessed, address, locks) {
      const counts = guessed !== undefined && !locks[guessed]
      const network = locks.known ? networkOf(address) : undefined
      const [tries] = await Promise.all([
        cluster.count(counts ? userKey(user, guessed, network) : NOBODY, memoryMs),
        cluster.count(counts ? sourceKey(networkOf(address)) : NOBODY, SOURCE_MEMORY_MS),
        cluster.count(counts ? sourceKey(widerNetworkOf(address)) : NOBODY, SOURCE_MEMORY_MS),
      ])
      const forMs = waitAfter(tries, rule)
      if (counts && user !== undefined && forMs > 0) {
        onLocked?.({ user, factor: guessed, network, tries, lockedForMs: forMs })
      }
    },

    async proven(user, proven, address, { known }) {
      const network = known ? networkOf(address) : undefined
      await Promise.all(proven.map(guessed => cluster.forget(userKey(user, guessed, network))))
    },

    loggedIn: (user, address) => knownSources.add(user, networkOf(address)),

    async failuresOf(user) {
      const places = [undefined, ...(await knownSources.of(user))]
      const failures = await Promise.all(
        places.flatMap(network =>
          GUESSABLE_FACTORS.map(async factor => ({
            factor,
            network,
            ...(await lockedForMs(userKey(user, factor, network), rule)),
          })),
        ),
      )
      return failures.filter(({ tries }) => tries > 0)
    },

    async unlock(user) {
      const places = [undefined, ...(await knownSources.of(user))]
      const keys = places.flatMap(network => GUESSABLE_FACTORS.map(factor => userKey(user, factor, network)))
      await Promise.all(keys.map(key => cluster.forget(key)))
    },
  }
}

/** How long a wait follows the `count`th failure, in milliseconds. */
export function waitAfter(count: number, { tries, firstWaitMs, longestWaitMs }: LockoutRule): number {
  return count < tries ? 0 : Math.min(firstWaitMs * 2 ** (count - tries), longestWaitMs)
}

/** One counter for all names that do not exist: what people try must not fill the memory. */
function userKey(user: string | undefined, guessed: GuessableFactor, network: string | undefined): string {
  if (user === undefined) return NOBODY
  return `login-failures:${guessed}:${user}${network === undefined ? '' : `:at:${network}`}`
}

function sourceKey(network: string): string {
  return `login-failures:from:${network}`
}
