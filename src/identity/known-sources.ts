/** From where each user has logged in lately, for all gateways: failures elsewhere do not count there. */

import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'

export interface KnownSources {
  /** Whether the user has logged in from the network. For nobody (`undefined`) it asks as much, and says no. */
  has(user: string | undefined, network: string): Promise<boolean>
  add(user: string, network: string): Promise<void>
  /** All of a user's, the latest first. */
  of(user: string): Promise<string[]>
}

/** So many of a user's, each for so long since the last login from there. */
const MOST = 32
const KNOWN_MS = 30 * 24 * 60 * 60_000

const networks = z.array(z.string())

/** Methods throw `CLUSTER_UNAVAILABLE`. */
export function createKnownSources(cluster: Cluster): KnownSources {
  async function of(user: string | undefined): Promise<string[]> {
    const text = await cluster.recall(keyOf(user))
    return text === undefined ? [] : networks.parse(JSON.parse(text))
  }
  return {
    of,
    async has(user, network) {
      return (await of(user)).includes(network)
    },
    async add(user, network) {
      const others = (await of(user)).filter(other => other !== network)
      await cluster.remember(keyOf(user), JSON.stringify([network, ...others].slice(0, MOST)), KNOWN_MS)
    },
  }
}

/** The empty name is nobody's. */
function keyOf(user = ''): string {
  return `known-sources:${user}`
}
