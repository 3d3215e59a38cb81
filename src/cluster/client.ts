/** The cluster of a worker: that of its gateway, called from here (`server.ts` is the other side). */

import type { Log } from '../shared/log.ts'
import type { Remote } from '../shared/rpc.ts'
import type { SessionCluster } from './cluster.ts'
import type { ClusterMethods } from './server.ts'
import { Subscribers } from './subscribers.ts'

export interface ClusterClient {
  readonly cluster: SessionCluster
  /** A message came on a channel that the cluster has subscribed to. */
  deliver(channel: string, payload: Buffer): void
}

/** `gateway`: this worker's id; `remote`: the gateway that has the cluster. */
export function createClusterClient(options: {
  gateway: string
  remote: Remote<ClusterMethods>
  log?: Log
}): ClusterClient {
  const { gateway, remote, log } = options
  const subscribers = new Subscribers((channel, error) => log?.error({ err: error, channel }, 'a subscriber failed'))
  return {
    deliver: (channel, payload) => subscribers.deliver(channel, payload),
    cluster: {
      gateway,
      available: true,
      forget: (...values) => remote.call('forget', ...values),
      remember: (...values) => remote.call('remember', ...values),
      recall: (...values) => remote.call('recall', ...values),
      // Copied now: the caller may reuse the buffer, and a message may wait.
      publish: (channel, payload) => remote.call('publish', channel, Buffer.from(payload)),
      async subscribe(channel, listener) {
        const first = !subscribers.has(channel)
        const leave = subscribers.add(channel, listener)
        if (first) await remote.call('subscribe', channel)
        return async () => {
          leave()
          if (!subscribers.has(channel)) await remote.call('unsubscribe', channel)
        }
      },
      livingGateways: () => remote.call('livingGateways'),
      // The gateway is never out of reach: without it the worker ends.
      onReturn: () => () => undefined,
      async close() {
        subscribers.clear()
      },
    },
  }
}
