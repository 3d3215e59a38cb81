/** The table of what a worker may have its gateway do. */

import type { AuditAppender } from '../../audit/event.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { type ClusterMethods, createClusterServer } from '../../cluster/server.ts'
import type { NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { WithKeyLock } from '../../shared/concurrency/keyed-mutex.ts'

/** A worker that hangs while it holds a lock delays the others by so long. */
const LONGEST_LOCK_MS = 15_000

export interface GatewayMethods extends ClusterMethods {
  /** Resolves when the event is stored. */
  audit: AuditAppender['append']
  /** Resolves when what the worker put into the outbox is in the chain. */
  auditFlush: AuditAppender['flush']
  /** Gives a connection, which comes from there, its slot. Resolves with why there is none. */
  acquireSlot(connection: number, source: Source): Promise<NoSlot | undefined>
  /** The same for a connection inside of one that has its slot. */
  acquireInnerSlot(connection: number): Promise<NoSlot | undefined>
  /** Resolves when the worker holds the key's lock, with what `unlock` wants. */
  lock(key: string): Promise<number>
  unlock(lock: number): void
}

export interface Services {
  readonly cluster: Cluster
  readonly audit: AuditAppender
  readonly withKeyLock: WithKeyLock
  readonly acquireSlot: GatewayMethods['acquireSlot']
  readonly acquireInnerSlot: GatewayMethods['acquireInnerSlot']
}

/** For one worker; `deliver` gives it a message of the cluster. `close`: it is gone, and with it the locks that it held. */
export function createGatewayMethods(
  { cluster, audit, withKeyLock, acquireSlot, acquireInnerSlot }: Services,
  deliver: (channel: string, payload: Buffer) => void,
): { readonly methods: GatewayMethods; close(): void } {
  const server = createClusterServer(cluster, deliver)
  const locks = new Map<number, () => void>()
  let locked = 0

  return {
    methods: {
      ...server.methods,
      audit: event => audit.append(event),
      auditFlush: () => audit.flush(),
      acquireSlot,
      acquireInnerSlot,
      lock(key) {
        const lock = ++locked
        const released = Promise.withResolvers<void>()
        locks.set(lock, released.resolve)
        return new Promise(held => {
          void withKeyLock(key, async () => {
            held(lock)
            const late = setTimeout(released.resolve, LONGEST_LOCK_MS)
            await released.promise
            clearTimeout(late)
          })
        })
      },
      unlock(lock) {
        locks.get(lock)?.()
        locks.delete(lock)
      },
    },
    close() {
      server.close()
      for (const release of locks.values()) release()
    },
  }
}
