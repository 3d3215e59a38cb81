/** Lets the workers of a gateway use its cluster: answers what they ask by messages (`guest.ts` is their side). */

import { messageOf } from '../shared/errors.ts'
import type { Cluster } from './cluster.ts'

/** A method of the cluster that a worker calls, by name. The answer has the same number. */
export type ClusterQuestion = { readonly kind: 'cluster'; readonly id: number } & (
  | { readonly method: 'count'; readonly with: Parameters<Cluster['count']> }
  | { readonly method: 'counted'; readonly with: Parameters<Cluster['counted']> }
  | { readonly method: 'forget'; readonly with: Parameters<Cluster['forget']> }
  | { readonly method: 'remember'; readonly with: Parameters<Cluster['remember']> }
  | { readonly method: 'recall'; readonly with: Parameters<Cluster['recall']> }
  | { readonly method: 'publish'; readonly with: Parameters<Cluster['publish']> }
  | { readonly method: 'livingGateways'; readonly with: Parameters<Cluster['livingGateways']> }
  | { readonly method: 'subscribe' | 'unsubscribe'; readonly with: [channel: string] }
)

export type ClusterAnswer =
  | { readonly kind: 'cluster-answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'cluster-answer'; readonly id: number; readonly failed: string }
  | { readonly kind: 'cluster-message'; readonly channel: string; readonly payload: Buffer }

export interface ClusterHost {
  hear(question: ClusterQuestion): void
  /** The worker is gone. */
  close(): void
}

export function createClusterHost(cluster: Cluster, send: (answer: ClusterAnswer) => void): ClusterHost {
  const subscriptions = new Map<string, Promise<() => Promise<void>>>()
  let closed = false

  async function unsubscribe(channel: string): Promise<void> {
    const subscription = subscriptions.get(channel)
    subscriptions.delete(channel)
    await (await subscription)?.()
  }

  async function answer(question: ClusterQuestion): Promise<unknown> {
    switch (question.method) {
      case 'subscribe': {
        const [channel] = question.with
        const heard = (payload: Buffer) => send({ kind: 'cluster-message', channel, payload })
        const subscription = cluster.subscribe(channel, heard)
        subscriptions.set(channel, subscription)
        await subscription
        if (closed) await unsubscribe(channel)
        return undefined
      }
      case 'unsubscribe':
        return unsubscribe(question.with[0])
      default:
        return (cluster[question.method] as (...values: unknown[]) => Promise<unknown>)(...question.with)
    }
  }

  return {
    hear(question) {
      const { id } = question
      answer(question).then(
        value => send({ kind: 'cluster-answer', id, value }),
        error => send({ kind: 'cluster-answer', id, failed: messageOf(error) }),
      )
    },
    close() {
      closed = true
      for (const channel of [...subscriptions.keys()]) void unsubscribe(channel)
    },
  }
}
