/**
 * How many connections may be open from one source, and how many may be there without having logged in. Where it gets crowded,
 * those who have been there longest without a word make room, then chance decides (as OpenSSH's MaxStartups); a share is
 * kept for sources that logged in lately.
 */

import { networkOf, widerNetworkOf } from '../shared/source-network.ts'
import type { Fault, Sources } from './sources.ts'

export interface ConnectionLimits {
  /** `cut` closes the connection: its place may be taken away for another. */
  enter(address: string, cut: () => void): Place | Full
}

/** How far a connection has come: it has said something, it names its user. */
export type Stage = 'silent' | 'opening' | 'login'

export interface Place {
  reached(stage: Stage): void
  /** What the connection is to be blamed for when it leaves without having logged in; not told: `silence`. */
  blame(fault: Fault | 'nothing'): void
  /** The connection has logged in: it no longer counts as unauthenticated. */
  authenticated(): void
  leave(): void
}

/** There is no place. */
export interface Full {
  /** In words for the log. */
  readonly full: string
  /** `crowd`: the source's own connections fill its share, and soon there may be room. `held-off`: it earned no words. */
  readonly because: 'source' | 'crowd' | 'all' | 'held-off'
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

interface Seat {
  readonly known: boolean
  readonly network: string
  readonly wider: string
  /** When it came this far. */
  since: number
  readonly evict: () => void
}

/** Of the places for those who have not logged in: what one source may hold that is a stranger, or known; and all strangers of a /24 or /48. */
const SHARE_OF_STRANGER = 1 / 4
const SHARE_OF_KNOWN = 1 / 2
const SHARE_OF_NETWORK = 1 / 2
/** What is kept for known sources, and from where on strangers make room for each other. */
const KEPT_FOR_KNOWN = 1 / 4
const CROWDED = 1 / 2
/** The chance that somebody must go, from where it is crowded; it grows to 1. */
const FIRST_CHANCE = 0.3
/** Who goes first, and not before so many milliseconds: an honest client needs a moment to say something, a person to type a code. */
const STAGES: readonly (readonly [Stage, number])[] = [
  ['silent', 1000],
  ['opening', 3000],
  ['login', 30_000],
]
/** Among those of one source there is more patience: a pool that opens many at once on a busy machine is slow. */
const PATIENCE_WITH_OWN = 3

export function createConnectionLimits(options: ConnectionLimitsOptions): ConnectionLimits {
  const { maxPerSource, maxUnauthenticated: most, sources, onEvicted } = options
  const { now = () => performance.now(), random = Math.random } = options
  const mostStrangers = most - Math.floor(most * KEPT_FOR_KNOWN)
  const crowdedAt = Math.ceil(most * CROWDED)
  const bySource = new Map<string, Count>()
  const byNetwork = new Map<string, Count>()
  const seats: Record<Stage, Set<Seat>> = { silent: new Set(), opening: new Set(), login: new Set() }
  let strangers = 0
  let unauthenticated = 0

  /** Of those who may go, sends away who has waited longest of those who have come the least far. False when there is nobody. */
  function makeRoom(mayGo: (seat: Seat) => boolean, patience = 1): boolean {
    for (const [stage, patienceMs] of STAGES) {
      for (const seat of seats[stage]) {
        if (now() - seat.since < patienceMs * patience) break
        if (!mayGo(seat)) continue
        seat.evict()
        return true
      }
    }
    return false
  }

  function roomFor(known: boolean): boolean {
    const isStranger = (seat: Seat) => !seat.known
    if (known) return unauthenticated < most || makeRoom(isStranger) || makeRoom(() => true)
    if (strangers < crowdedAt) return true
    const chance =
      FIRST_CHANCE + ((1 - FIRST_CHANCE) * (strangers - crowdedAt)) / Math.max(1, mostStrangers - crowdedAt)
    return (strangers < mostStrangers && unauthenticated < most && random() >= chance) || makeRoom(isStranger)
  }

  function fullFor(network: string, wider: string, known: boolean, here: Count, around: Count): Full | undefined {
    // Somebody who holds connections open next door, behind the same address, is not to shut the others there out.
    const roomHere = () => makeRoom(seat => seat.network === network, PATIENCE_WITH_OWN)
    const roomAround = () => makeRoom(seat => seat.wider === wider && !seat.known, PATIENCE_WITH_OWN)
    const share = Math.ceil(most * (known ? SHARE_OF_KNOWN : SHARE_OF_STRANGER))
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
    enter(address, cut) {
      const standing = sources.standing(address)
      if (standing === 'held-off') return { full: 'from a source that is held off', because: 'held-off' }
      const known = standing === 'known'
      const network = networkOf(address)
      const wider = widerNetworkOf(address)
      // Places of the same source may be given away while room is made: counts are looked up before and kept after.
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
      if (!known) strangers++

      let stage: Stage = 'silent'
      let fault: Fault | 'nothing' = 'silence'
      let waiting = true
      let left = false
      const noLongerWaits = () => {
        if (!waiting) return
        waiting = false
        seats[stage].delete(seat)
        here.unauthenticated--
        around.unauthenticated--
        unauthenticated--
        if (!known) strangers--
      }
      const leave = () => {
        if (left) return
        left = true
        if (waiting && fault !== 'nothing') sources.blame(address, fault)
        noLongerWaits()
        for (const [counts, key, count] of [
          [bySource, network, here],
          [byNetwork, wider, around],
        ] as const) {
          count.open--
          if (count.open === 0 && counts.get(key) === count) counts.delete(key)
        }
      }
      const seat: Seat = {
        ...{ known, network, wider },
        since: now(),
        evict() {
          onEvicted?.()
          leave()
          cut()
        },
      }
      seats.silent.add(seat)
      return {
        reached(next) {
          if (!waiting || STAGES.findIndex(([name]) => name === next) <= STAGES.findIndex(([name]) => name === stage))
            return
          seats[stage].delete(seat)
          stage = next
          seat.since = now()
          seats[stage].add(seat)
        },
        blame(what) {
          fault = what
        },
        authenticated() {
          noLongerWaits()
          sources.loggedIn(address)
        },
        leave,
      }
    },
  }
}
