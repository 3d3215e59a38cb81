/** The cluster of a gateway that is alone, with its workers: counters, values and messages inside this process. */

import type { Clock } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import type { Cluster } from './cluster.ts'
import { Subscribers } from './subscribers.ts'

interface Expiring {
  readonly until: number
}

interface Counter extends Expiring {
  readonly count: number
  readonly changedAt: number
}

interface Value extends Expiring {
  readonly text: string
}

export interface LocalClusterOptions {
  readonly clock: Clock
  /** This gateway's id. */
  readonly gateway: string
  /** The ids of its workers that are alive. */
  readonly workers?: ReadonlySet<string>
  readonly log?: Log
}

export function createLocalCluster({ clock, gateway, workers, log }: LocalClusterOptions): Cluster {
  const counters = new ExpiringMap<Counter>(clock)
  const values = new ExpiringMap<Value>(clock)
  // Listeners of several channels are called one message after another, as they were sent.
  const subscribers = new Subscribers((channel, error) => log?.error({ err: error, channel }, 'a subscriber failed'))
  return {
    gateway,
    available: true,
    async count(key, ttlMs) {
      const now = clock.now()
      const count = (counters.get(key)?.count ?? 0) + 1
      counters.set(key, { count, changedAt: now, until: now + ttlMs })
      return count
    },
    async counted(key) {
      const counter = counters.get(key)
      return counter === undefined
        ? { count: 0, ageMs: 0 }
        : { count: counter.count, ageMs: Math.max(0, clock.now() - counter.changedAt) }
    },
    async forget(key) {
      counters.delete(key)
      values.delete(key)
    },
    async remember(key, text, ttlMs) {
      values.set(key, { text, until: clock.now() + ttlMs })
    },
    async recall(key) {
      return values.get(key)?.text
    },
    async publish(channel, payload) {
      const copy = Buffer.from(payload)
      // Later, as from a network: a sender is never called back from inside its own publish().
      setImmediate(() => subscribers.deliver(channel, copy))
    },
    async subscribe(channel, listener) {
      const leave = subscribers.add(channel, listener)
      return async () => leave()
    },
    // Nobody is ever out of reach.
    onReturn: () => () => undefined,
    async livingGateways() {
      return new Set([gateway, ...(workers ?? [])])
    },
    async close() {
      subscribers.clear()
    },
  }
}

/** A map whose entries end at `until`. It never holds more than about twice what is still alive. */
class ExpiringMap<V extends Expiring> {
  readonly #entries = new Map<string, V>()
  readonly #clock: Clock
  #sweepAt = 1024

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.until > this.#clock.now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  set(key: string, entry: V): void {
    this.#entries.set(key, entry)
    if (this.#entries.size < this.#sweepAt) return
    const now = this.#clock.now()
    for (const [other, { until }] of this.#entries) if (until <= now) this.#entries.delete(other)
    this.#sweepAt = Math.max(1024, this.#entries.size * 2)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}
