/** Cancel requests: which key belongs to which session, on this gateway or on another one of the cluster. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Log } from '../../shared/log.ts'
import { dial } from './dial.ts'
import type { PostgresUpstream } from './upstream.ts'
import { cancelRequest } from './wire/frontend-messages.ts'

const CHANNEL = 'postgres-cancel'
const DIAL_TIMEOUT_MS = 10_000

/** The key that a client holds for its session: the target's process id, and random bytes of our own. */
export interface CancelKey {
  readonly processId: number
  readonly key: Buffer
  /** From here on the key cancels nothing. */
  forget(): void
}

export interface Cancellations {
  /** Makes a key of `keyBytes` (4 for protocol 3.0, 32 for 3.2) that calls `cancel`, which never rejects, when a request shows it. */
  issue(processId: number, keyBytes: number, cancel: () => Promise<void>): CancelKey
  /** Acts on a CancelRequest; resolves when the target has it. Whether a key was right is never told to who sent it. */
  request(processId: number, key: Buffer): Promise<void>
  close(): Promise<void>
}

export async function createCancellations(options: { cluster: Cluster; log: Log }): Promise<Cancellations> {
  const { cluster, log } = options
  // Looked up by hash, so that neither the time it takes nor what the other gateways are told gives a key away.
  const sessions = new Map<string, () => Promise<void>>()
  const unsubscribe = await cluster.subscribe(CHANNEL, hash => {
    void sessions.get(hash.toString('hex'))?.()
  })
  return {
    issue(processId, keyBytes, cancel) {
      let key = randomBytes(keyBytes)
      while (sessions.has(hashOf(processId, key).toString('hex'))) key = randomBytes(keyBytes)
      const hash = hashOf(processId, key).toString('hex')
      sessions.set(hash, cancel)
      return { processId, key, forget: () => void sessions.delete(hash) }
    },
    async request(processId, key) {
      const hash = hashOf(processId, key)
      const cancel = sessions.get(hash.toString('hex'))
      if (cancel !== undefined) return await cancel()
      await cluster
        .publish(CHANNEL, hash)
        .catch(error => log.warn({ err: error }, 'a cancel request could not be passed to the other gateways'))
    },
    async close() {
      await unsubscribe()
    },
  }
}

function hashOf(processId: number, key: Buffer): Buffer {
  const id = Buffer.allocUnsafe(4)
  id.writeInt32BE(processId)
  return createHash('sha256').update(id).update(key).digest()
}

/** Asks the target to cancel what the session's backend runs: over a connection of its own, encrypted as the session's is. */
export async function cancelOnTarget(upstream: PostgresUpstream): Promise<void> {
  const { target, encryption, greeting, socket } = upstream
  const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS)
  // The very address the session is on: the target's name may stand for several servers.
  const connection = await dial(target, encryption, signal, socket.remoteAddress ?? target.host)
  const { socket: own } = connection
  own.setTimeout(DIAL_TIMEOUT_MS, () => own.destroy())
  own.end(cancelRequest(greeting.processId, greeting.cancelKey))
  own.resume()
  // The server closes the connection once it has sent the signal.
  if (!own.destroyed) await once(own, 'close')
}
