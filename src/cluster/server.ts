/** Lets the workers of a gateway use its cluster: does what they ask by messages (`client.ts` is their side). */

import type { Cluster } from './cluster.ts'

type Method = 'count' | 'counted' | 'forget' | 'remember' | 'recall' | 'publish' | 'livingGateways'

/** A method of the cluster, by name, and its arguments; to subscribe is to have a channel's messages delivered. */
export type ClusterCall =
  | { [M in Method]: { readonly method: M; readonly values: Parameters<Cluster[M]> } }[Method]
  | { readonly method: 'subscribe' | 'unsubscribe'; readonly values: [channel: string] }

export interface ClusterServer {
  /** Resolves with what the method gives, and throws what it throws. */
  call(call: ClusterCall): Promise<unknown>
  /** The worker is gone. */
  close(): void
}

export function createClusterServer(
  cluster: Cluster,
  deliver: (channel: string, payload: Buffer) => void,
): ClusterServer {
  const subscriptions = new Map<string, Promise<() => Promise<void>>>()
  let closed = false

  async function subscribe(channel: string): Promise<void> {
    const subscription = cluster.subscribe(channel, payload => deliver(channel, payload))
    subscriptions.set(channel, subscription)
    await subscription
    if (closed) await unsubscribe(channel)
  }

  async function unsubscribe(channel: string): Promise<void> {
    const subscription = subscriptions.get(channel)
    subscriptions.delete(channel)
    await (await subscription)?.()
  }

  return {
    async call({ method, values }) {
      if (method === 'subscribe') return subscribe(values[0])
      if (method === 'unsubscribe') return unsubscribe(values[0])
      return (cluster[method] as (...values: unknown[]) => Promise<unknown>)(...values)
    },
    close() {
      closed = true
      for (const channel of [...subscriptions.keys()]) void unsubscribe(channel)
    },
  }
}
