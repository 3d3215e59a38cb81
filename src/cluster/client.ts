/** The cluster of a worker: that of its gateway, asked by messages (`server.ts` is the other side). */

import type { Log } from '../shared/log.ts'
import type { Cluster } from './cluster.ts'
import type { ClusterCall } from './server.ts'
import { Subscribers } from './subscribers.ts'

export interface ClusterClient {
  readonly cluster: Cluster
  /** A message came on a channel that the cluster has subscribed to. */
  deliver(channel: string, payload: Buffer): void
}

/** `gateway`: this worker's id. `call` has the gateway do it, and rejects with what went wrong there. */
export function createClusterClient(options: {
  gateway: string
  call: (call: ClusterCall) => Promise<unknown>
  log?: Log
}): ClusterClient {
  const { gateway, log } = options
  const subscribers = new Subscribers((channel, error) => log?.error({ err: error, channel }, 'a subscriber failed'))
  const call = async <T>(wanted: ClusterCall) => (await options.call(wanted)) as T
  return {
    deliver: (channel, payload) => subscribers.deliver(channel, payload),
    cluster: {
      gateway,
      available: true,
      count: (...values) => call({ method: 'count', values }),
      counted: (...values) => call({ method: 'counted', values }),
      forget: (...values) => call({ method: 'forget', values }),
      remember: (...values) => call({ method: 'remember', values }),
      recall: (...values) => call({ method: 'recall', values }),
      // Copied now: the caller may reuse the buffer, and a message may wait.
      publish: (channel, payload) => call({ method: 'publish', values: [channel, Buffer.from(payload)] }),
      async subscribe(channel, listener) {
        const first = !subscribers.has(channel)
        const leave = subscribers.add(channel, listener)
        if (first) await call({ method: 'subscribe', values: [channel] })
        return async () => {
          leave()
          if (!subscribers.has(channel)) await call({ method: 'unsubscribe', values: [channel] })
        }
      },
      livingGateways: () => call({ method: 'livingGateways', values: [] }),
      // The gateway is never out of reach: without it the worker ends.
      onReturn: () => () => undefined,
      async close() {
        subscribers.clear()
      },
    },
  }
}
