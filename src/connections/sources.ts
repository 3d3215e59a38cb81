/**
 * What is known of where connections come from: who logged in from there lately, and who wasted the gateway's time. The latter are
 * held off for a while that grows, as OpenSSH's PerSourcePenalties does it; whoever logged in lately never is.
 */

import { BoundedMap } from '../shared/bounded-map.ts'
import { networkOf, widerNetworkOf } from '../shared/network/source-network.ts'

/** `silence`: left, or was cut, without trying to log in. `failure`: proved nothing. `slow`: ran out of time. */
export type Fault = 'silence' | 'failure' | 'slow' | 'violation'

export interface SourceRules {
  /** How long a source is known after a login. */
  readonly knownForMs: number
  /** What each fault costs. */
  readonly penaltyMs: Readonly<Record<Fault, number>>
  /** Penalties add up; only from here on a source is held off, and never longer than the longest. */
  readonly leastMs: number
  readonly longestMs: number
}

/** `suspect`: it logged in lately and would be held off otherwise: it is let in, as an unknown one. */
export type Standing = 'known' | 'suspect' | 'unknown' | 'penalised'

export interface Sources {
  standing(address: string): Standing
  loggedIn(address: string): void
  blame(address: string, fault: Fault): void
}

interface Penalty {
  until: number
  /** It has reached the least, and is held off until then. */
  active: boolean
  /** How often it was held off before: each time doubles what faults cost. */
  readonly times: number
}

export interface SourcesOptions {
  readonly rules: SourceRules
  /** Addresses that are never held off. */
  readonly isExempt?: (address: string) => boolean
  readonly onPenalty?: (fault: Fault) => void
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

/** So many sources are remembered of each kind, some 2 MB of each at most; then those of whom nothing was heard for longest are forgotten. */
const MOST_SOURCES = 16_384
const MOST_DOUBLINGS = 6
/** A source that was held off is remembered for so long after it, so that the next time costs more. */
const REMEMBERED_MS = 60 * 60_000
/** The network around an address (/24, /48) is blamed for this part of each fault: only many addresses of it get it held off. */
const PART_OF_NETWORK = 8

export function createSources({
  rules,
  isExempt = () => false,
  onPenalty,
  now = () => performance.now(),
}: SourcesOptions): Sources {
  const logins = new BoundedMap<number>(MOST_SOURCES)
  const penalties = new BoundedMap<Penalty>(MOST_SOURCES)

  function isKnown(address: string): boolean {
    const at = logins.get(networkOf(address))
    return at !== undefined && now() - at < rules.knownForMs
  }

  function isPenalised(key: string): boolean {
    const penalty = penalties.get(key)
    return penalty?.active === true && penalty.until > now()
  }

  function add(key: string, costMs: number): void {
    const at = now()
    const old = penalties.get(key)
    const over = old?.active === true && old.until <= at
    const forgotten = old === undefined || at - old.until > REMEMBERED_MS
    const times = forgotten ? 0 : Math.min(old.times + (over ? 1 : 0), MOST_DOUBLINGS)
    const from = Math.max(at, old?.until ?? 0)
    const until = Math.min(from + costMs * 2 ** times, at + rules.longestMs)
    const active = (old?.active === true && !over) || until - at >= rules.leastMs
    penalties.set(key, { until, active, times })
  }

  return {
    standing(address) {
      const known = isKnown(address)
      if (!isPenalised(networkOf(address)) && (known || !isPenalised(widerNetworkOf(address)))) {
        return known ? 'known' : 'unknown'
      }
      return known ? 'suspect' : 'penalised'
    },
    loggedIn(address) {
      logins.set(networkOf(address), now())
    },
    blame(address, fault) {
      const cost = rules.penaltyMs[fault]
      if (cost === 0 || isExempt(address)) return
      onPenalty?.(fault)
      add(networkOf(address), cost)
      add(widerNetworkOf(address), cost / PART_OF_NETWORK)
    },
  }
}
