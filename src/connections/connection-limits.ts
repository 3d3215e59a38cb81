/**
 * Limits how many connections may be open from one source, and how many may be unauthenticated. Under load,
 * those that have been silent for longest are evicted, then new ones are dropped at random (as OpenSSH's MaxStartups); a share is
 * kept for sources that logged in lately.
 */

import { networkOf, widerNetworkOf } from '../shared/network/source-network.ts'
import type { Fault, Sources } from './sources.ts'

export interface ConnectionLimits {
  /** `cut` closes the connection when it is evicted. */
  acquire(address: string, cut: () => void): ConnectionSlot | NoSlot
}

/** How far a connection has come: it has sent something, it has named its user. */
export type Stage = 'silent' | 'opening' | 'login'

export interface ConnectionSlot {
  reached(stage: Stage): void
  /** The fault to count if it closes without having logged in; by default `silence`. */
  blame(fault: Fault | 'nothing'): void
  /** It has logged in, and no longer counts as unauthenticated. */
  authenticated(): void
  /** For a connection inside of this one, which counts among those of its source until `releaseInner`. Resolves with why there is no slot. */
  acquireInner(): Promise<NoSlot | undefined>
  releaseInner(): void
  /** It is gone, and with it what was inside. */
  release(): void
}

/** There is no slot. */
export interface NoSlot {
  /** For the log. */
  readonly full: string
  /**
   * `crowd`: the source's own connections fill its share, and soon there may be room. `held-off`: it is penalised, and gets no answer.
   * `gone`: the connection that this one would be inside of has ended.
   */
  readonly because: 'source' | 'crowd' | 'all' | 'held-off' | 'gone'
  /** Of a crowd: whether its source logged in lately. */
  readonly known?: boolean
}

export interface ConnectionLimitsOptions {
  readonly maxPerSource: number
  readonly maxUnauthenticated: number
  readonly sources: Sources
  readonly onEvicted?: () => void
  /** Milliseconds of a clock that never goes back, and a number from 0 to 1. */
  readonly now?: () => number
  readonly random?: () => number
}

interface Count {
  open: number
  unauthenticated: number
}

interface PendingConnection {
  readonly known: boolean
  readonly network: string
  readonly wider: string
  /** When it reached its stage. */
  since: number
  readonly evict: () => void
}

/** Of the slots for unauthenticated connections: what one source may hold that is unknown, or known; and all unknown sources of a /24 or /48. */
const SHARE_OF_UNKNOWN = 1 / 4
const SHARE_OF_KNOWN = 1 / 2
const SHARE_OF_NETWORK = 1 / 2
/** The share kept for known sources, and the load from which unknown ones are evicted for each other. */
const KEPT_FOR_KNOWN = 1 / 4
const CROWDED = 1 / 2
/** The probability of a drop at that load; it grows to 1. */
const FIRST_CHANCE = 0.3
/** Who is evicted first, and not before so many milliseconds: an honest client needs a moment to send something, a person to type a code. */
const STAGES: readonly (readonly [Stage, number])[] = [
  ['silent', 1000],
  ['opening', 3000],
  ['login', 30_000],
]
/** Connections of one source get more time before they evict each other: a pool that opens many at once on a busy machine is slow. */
const PATIENCE_WITH_OWN = 3

export function createConnectionLimits(options: ConnectionLimitsOptions): ConnectionLimits {
  const { maxPerSource, maxUnauthenticated: most, sources, onEvicted } = options
  const { now = () => performance.now(), random = Math.random } = options
  const mostUnknown = most - Math.floor(most * KEPT_FOR_KNOWN)
  const crowdedAt = Math.ceil(most * CROWDED)
  const bySource = new Map<string, Count>()
  const byNetwork = new Map<string, Count>()
  const pending: Record<Stage, Set<PendingConnection>> = { silent: new Set(), opening: new Set(), login: new Set() }
  let unknowns = 0
  let unauthenticated = 0

  /** Evicts, of those that may be, the one that has waited longest at the earliest stage. False when there is none. */
  function makeRoom(mayGo: (connection: PendingConnection) => boolean, patience = 1): boolean {
    for (const [stage, patienceMs] of STAGES) {
      for (const connection of pending[stage]) {
        if (now() - connection.since < patienceMs * patience) break
        if (!mayGo(connection)) continue
        connection.evict()
        return true
      }
    }
    return false
  }

  function roomFor(known: boolean): boolean {
    const isUnknown = (connection: PendingConnection) => !connection.known
    if (known) return unauthenticated < most || makeRoom(isUnknown) || makeRoom(() => true)
    if (unknowns < crowdedAt) return true
    const chance = FIRST_CHANCE + ((1 - FIRST_CHANCE) * (unknowns - crowdedAt)) / Math.max(1, mostUnknown - crowdedAt)
    return (unknowns < mostUnknown && unauthenticated < most && random() >= chance) || makeRoom(isUnknown)
  }

  function fullFor(network: string, wider: string, known: boolean, here: Count, around: Count): NoSlot | undefined {
    // Whoever holds connections open behind a shared address must not lock the others there out.
    const roomHere = () => makeRoom(connection => connection.network === network, PATIENCE_WITH_OWN)
    const roomAround = () => makeRoom(connection => connection.wider === wider && !connection.known, PATIENCE_WITH_OWN)
    const share = Math.ceil(most * (known ? SHARE_OF_KNOWN : SHARE_OF_UNKNOWN))
    const shareAround = Math.ceil(most * SHARE_OF_NETWORK)
    if (here.open >= maxPerSource && !roomHere()) return { full: 'from one source', because: 'source' }
    if (here.unauthenticated >= share && !roomHere()) {
      return { full: 'without a login from one source', because: 'crowd', known }
    }
    if (!known && around.unauthenticated >= shareAround && !roomAround()) {
      return { full: `without a login from ${wider}`, because: 'crowd' }
    }
    return roomFor(known) ? undefined : { full: 'without a login in all', because: 'all' }
  }

  return {
    acquire(address, cut) {
      const standing = sources.standing(address)
      if (standing === 'penalised') return { full: 'from a source that is held off', because: 'held-off' }
      const known = standing === 'known'
      const network = networkOf(address)
      const wider = widerNetworkOf(address)
      // Connections of the same source may be evicted meanwhile: counts are looked up before and stored after.
      const here = bySource.get(network) ?? { open: 0, unauthenticated: 0 }
      const around = byNetwork.get(wider) ?? { open: 0, unauthenticated: 0 }
      const full = fullFor(network, wider, known, here, around)
      if (full !== undefined) return full
      bySource.set(network, here)
      byNetwork.set(wider, around)
      for (const count of [here, around]) {
        count.open++
        count.unauthenticated++
      }
      unauthenticated++
      if (!known) unknowns++

      let stage: Stage = 'silent'
      let fault: Fault | 'nothing' = 'silence'
      let waiting = true
      let left = false
      let inside = 0
      const leavePending = () => {
        if (!waiting) return
        waiting = false
        pending[stage].delete(connection)
        here.unauthenticated--
        around.unauthenticated--
        unauthenticated--
        if (!known) unknowns--
      }
      const release = () => {
        if (left) return
        left = true
        if (waiting && fault !== 'nothing') sources.blame(address, fault)
        leavePending()
        for (const [counts, key, count] of [
          [bySource, network, here],
          [byNetwork, wider, around],
        ] as const) {
          count.open -= 1 + inside
          if (count.open === 0 && counts.get(key) === count) counts.delete(key)
        }
      }
      const connection: PendingConnection = {
        ...{ known, network, wider },
        since: now(),
        evict() {
          onEvicted?.()
          release()
          cut()
        },
      }
      pending.silent.add(connection)
      return {
        reached(next) {
          if (!waiting || STAGES.findIndex(([name]) => name === next) <= STAGES.findIndex(([name]) => name === stage))
            return
          pending[stage].delete(connection)
          stage = next
          connection.since = now()
          pending[stage].add(connection)
        },
        blame(what) {
          fault = what
        },
        async acquireInner() {
          if (left) return { full: 'inside of a connection that has ended', because: 'gone' }
          if (here.open >= maxPerSource) return { full: 'from one source', because: 'source' }
          for (const count of [here, around]) count.open++
          inside++
          return undefined
        },
        releaseInner() {
          if (left || inside === 0) return
          for (const count of [here, around]) count.open--
          inside--
        },
        authenticated() {
          leavePending()
          sources.loggedIn(address)
        },
        release,
      }
    },
  }
}
