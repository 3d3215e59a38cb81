/** The cluster of a worker: that of its gateway, asked by messages (`host.ts` is the other side). */

import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Cluster } from './cluster.ts'
import type { ClusterAnswer, ClusterQuestion } from './host.ts'
import { Subscribers } from './subscribers.ts'

export interface ClusterGuest {
  readonly cluster: Cluster
  hear(answer: ClusterAnswer): void
}

type Asked = { [Q in ClusterQuestion as Q['method']]: Q['with'] }

/** `gateway`: this worker's id. `send` hands a question to the gateway; when it is gone, so is the worker. */
export function createClusterGuest(options: {
  gateway: string
  send: (question: ClusterQuestion) => void
  log?: Log
}): ClusterGuest {
  const { gateway, send, log } = options
  const asking = new Map<number, PromiseWithResolvers<unknown>>()
  const subscribers = new Subscribers((channel, error) => log?.error({ err: error, channel }, 'a subscriber failed'))
  let asked = 0

  function ask<M extends keyof Asked>(method: M, ...values: Asked[M]): Promise<unknown> {
    const id = ++asked
    const answer = Promise.withResolvers<unknown>()
    asking.set(id, answer)
    send({ kind: 'cluster', id, method, with: values } as ClusterQuestion)
    return answer.promise
  }

  return {
    hear(answer) {
      if (answer.kind === 'cluster-message') return subscribers.deliver(answer.channel, answer.payload)
      const { resolve, reject } = asking.get(answer.id)!
      asking.delete(answer.id)
      if ('failed' in answer) reject(unavailable(answer.failed))
      else resolve(answer.value)
    },
    cluster: {
      gateway,
      available: true,
      count: async (...values) => (await ask('count', ...values)) as number,
      counted: async (...values) => (await ask('counted', ...values)) as { count: number; ageMs: number },
      forget: async (...values) => void (await ask('forget', ...values)),
      remember: async (...values) => void (await ask('remember', ...values)),
      recall: async (...values) => (await ask('recall', ...values)) as string | undefined,
      // Copied now: the caller may reuse the buffer, and a message may wait.
      publish: async (channel, payload) => void (await ask('publish', channel, Buffer.from(payload))),
      async subscribe(channel, listener) {
        // A wrapper, so that the same function subscribed twice is two subscriptions.
        const own = (payload: Buffer) => listener(payload)
        const first = !subscribers.has(channel)
        subscribers.add(channel, own)
        if (first) await ask('subscribe', channel)
        return async () => {
          subscribers.remove(channel, own)
          if (!subscribers.has(channel)) await ask('unsubscribe', channel)
        }
      },
      livingGateways: async () => (await ask('livingGateways')) as Set<string> | undefined,
      // The gateway is never out of reach: without it the worker ends.
      onReturn: () => () => undefined,
      async close() {
        subscribers.clear()
      },
    },
  }
}

function unavailable(reason: string): GatewayError {
  const message = 'The gateway could not be asked. Try again in a moment.'
  return new GatewayError('CLUSTER_UNAVAILABLE', message, { cause: new Error(reason) })
}
