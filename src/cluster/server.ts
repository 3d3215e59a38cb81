/** Lets the workers of a gateway use its cluster: the methods that they may call (`client.ts` is their side). */

import { GatewayError } from '../shared/errors.ts'
import type { Cluster } from './cluster.ts'

/** To subscribe is to have a channel's messages delivered. */
export interface ClusterMethods extends Pick<Cluster, 'forget' | 'remember' | 'recall' | 'publish' | 'livingGateways'> {
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): Promise<void>
}

export interface ClusterServer {
  readonly methods: ClusterMethods
  /** The worker is gone. */
  close(): void
}

/** So many channels one worker listens to. */
const MOST_CHANNELS = 4096

export function createClusterServer(
  cluster: Cluster,
  deliver: (channel: string, payload: Buffer) => void,
): ClusterServer {
  const subscriptions = new Map<string, Promise<() => Promise<void>>>()
  let closed = false

  async function unsubscribe(channel: string): Promise<void> {
    const subscription = subscriptions.get(channel)
    subscriptions.delete(channel)
    await (await subscription)?.()
  }

  return {
    methods: {
      forget: (...values) => cluster.forget(...values),
      remember: (...values) => cluster.remember(...values),
      recall: (...values) => cluster.recall(...values),
      publish: (...values) => cluster.publish(...values),
      livingGateways: () => cluster.livingGateways(),
      async subscribe(channel) {
        const known = subscriptions.get(channel)
        if (known === undefined && subscriptions.size >= MOST_CHANNELS)
          throw new GatewayError('TOO_MANY_CONNECTIONS', 'Too many channels are listened to; try again in a moment.')
        // Once: a second subscription would stay when the channel is unsubscribed from.
        const subscription = known ?? cluster.subscribe(channel, payload => deliver(channel, payload))
        subscriptions.set(channel, subscription)
        try {
          await subscription
        } catch (error) {
          if (subscriptions.get(channel) === subscription) subscriptions.delete(channel)
          throw error
        }
        if (closed) await unsubscribe(channel)
      },
      unsubscribe,
    },
    close() {
      closed = true
      for (const channel of [...subscriptions.keys()]) void unsubscribe(channel)
    },
  }
}
