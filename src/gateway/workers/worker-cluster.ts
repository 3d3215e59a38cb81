/** The cluster as far as a worker is let in: what concerns its own sessions, and what protocols keep between their processes. */

import { z } from 'zod'
import type { Cluster } from '../../cluster/cluster.ts'
import { type ClusterMethods, createClusterServer } from '../../cluster/server.ts'
import { GatewayError } from '../../shared/errors.ts'

export interface WorkerCluster
  extends Pick<
    ClusterMethods,
    'publish' | 'subscribe' | 'unsubscribe' | 'remember' | 'recall' | 'forget' | 'livingGateways'
  > {}

/** So many followers of one worker's sessions are remembered. */
const MOST_FOLLOWERS = 4096
const FOLLOWED = /^follow-data:(.+)$/

const OF_ONE_SESSION = new Set(['session-kill', 'session-notice', 'session-watched'])

const follower = z.object({ id: z.string().max(64), session: z.string().max(64) })

/** `isMine`: whether the session runs in this worker. `close`: the worker is gone. */
export function createWorkerCluster(
  { cluster, workers }: { cluster: Cluster; workers: ReadonlySet<string> },
  isMine: (session: string) => boolean,
  deliver: (channel: string, payload: Buffer) => void,
): { readonly methods: WorkerCluster; close(): void } {
  /** Who asked for one of its sessions: to nobody else it sends what a session shows. */
  const followers = new Set<string>()

  function concerns(channel: string, payload: Buffer): boolean {
    // The session's id, and what is said of it.
    if (OF_ONE_SESSION.has(channel)) return isMine(payload.toString('utf8').split(' ')[0]!)
    if (channel !== 'follow') return true
    const asked = follower.safeParse(jsonOf(payload))
    if (!asked.success || !isMine(asked.data.session)) return false
    followers.add(asked.data.id)
    for (const oldest of followers) {
      if (followers.size <= MOST_FOLLOWERS) break
      followers.delete(oldest)
    }
    return true
  }

  const server = createClusterServer(cluster, (channel, payload) => {
    if (concerns(channel, payload)) deliver(channel, payload)
  })
  // What was said while the others could not be reached is lost: what a worker missed, it decides anew.
  const forgetReturn = cluster.onReturn(() => deliver('access-changed', Buffer.alloc(0)))
  const { subscribe, unsubscribe, remember, recall, forget } = server.methods
  return {
    methods: {
      ...{ subscribe, unsubscribe, remember, recall, forget },
      async publish(channel, payload) {
        const [, id] = FOLLOWED.exec(channel) ?? []
        if (id !== undefined && !followers.has(id)) {
          throw new GatewayError('FORBIDDEN', 'Nobody has asked to follow a session of this worker by that id.')
        }
        await cluster.publish(channel, payload)
      },
      /** Who serves sessions: the gateway itself does not. */
      async livingGateways() {
        const living = await cluster.livingGateways()
        if (workers.size > 0) living?.delete(cluster.gateway)
        return living
      },
    },
    close() {
      forgetReturn()
      server.close()
    },
  }
}

function jsonOf(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'))
  } catch {
    return undefined
  }
}
