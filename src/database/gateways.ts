/**
 * Which gateways use this store, as they note it in the store itself. A gateway that lost the cluster, but not the store, is alive:
 * nobody may end its sessions or seal its recordings.
 */

import type { Database } from './database.ts'
import type { StoreTime } from './store-time.ts'

export interface StoreGateways {
  /** Notes that this gateway and its workers are alive. Call it every few seconds. */
  beat(): Promise<void>
  /** The ids of the gateways that did so within the last 20 seconds, this one included. */
  alive(): Promise<Set<string>>
  /** Which settings that all must have alike another one has otherwise, as of the last beat. */
  readonly differing: readonly string[]
  /** This gateway stops: the others need not wait to see it. */
  leave(): Promise<void>
}

/** By the store's clock, so that gateways whose own clocks differ do not take each other for dead. */
const ALIVE_FOR_MS = 20_000
const FORGOTTEN_AFTER_MS = 24 * 60 * 60_000

export function createStoreGateways(parts: {
  database: Database
  clock: Pick<StoreTime, 'now' | 'measure'>
  gateway: string
  /** The ids of its workers that are alive. */
  workers: ReadonlySet<string>
  /** Digests of what all gateways of a store must have alike, by name. */
  settings?: Readonly<Record<string, string>>
  /** Told when it has changed which of them another gateway has otherwise. */
  differs?: (names: readonly string[]) => void
}): StoreGateways {
  const { database, clock, gateway, workers, settings = {}, differs } = parts
  const own = JSON.stringify(settings)
  let first = true
  let differing: readonly string[] = []

  async function compare(): Promise<void> {
    const others = await database
      .selectFrom('gateways')
      .select('settings')
      .distinct()
      .where('seen_at', '>', clock.now() - ALIVE_FOR_MS)
      .where('settings', '!=', own)
      .execute()
    const theirs = others.map(row => JSON.parse(row.settings!) as Record<string, string>)
    // What another version does not note is not compared.
    const now = Object.keys(settings).filter(name => theirs.some(one => name in one && one[name] !== settings[name]))
    if (now.join() === differing.join()) return
    differing = now
    differs?.(now)
  }

  return {
    get differing() {
      return differing
    },
    async beat() {
      await clock.measure()
      const seen = { seen_at: clock.now() }
      await database
        .insertInto('gateways')
        .values([gateway, ...workers].map(id => ({ id, ...seen, settings: id === gateway ? own : null })))
        .onConflict(conflict => conflict.column('id').doUpdateSet(seen))
        .execute()
      await compare()
      if (!first) return
      first = false
      // Ids are new at every start; those of long ago would only pile up.
      await database
        .deleteFrom('gateways')
        .where('seen_at', '<', clock.now() - FORGOTTEN_AFTER_MS)
        .execute()
    },
    async alive() {
      const rows = await database
        .selectFrom('gateways')
        .select('id')
        .where('seen_at', '>', clock.now() - ALIVE_FOR_MS)
        .execute()
      return new Set([gateway, ...workers, ...rows.map(row => row.id)])
    },
    async leave() {
      await database
        .deleteFrom('gateways')
        .where('id', 'in', [gateway, ...workers])
        .execute()
    },
  }
}
