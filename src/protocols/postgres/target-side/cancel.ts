/** Cancel requests: which key belongs to which session, on this gateway or on another one of the cluster. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { SessionCluster } from '../../../cluster/cluster.ts'
import type { Log } from '../../../shared/log.ts'
import { cancelRequest } from '../wire/frontend-messages.ts'
import { dial } from './dial.ts'
import type { PostgresUpstream } from './upstream.ts'

const CHANNEL = 'postgres-cancel'
const HASH_BYTES = 32
const REPLY_BYTES = 16
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
  /**
   * Acts on a CancelRequest; true when the target has it, false when nobody knows its key. Whether a key was right is never told to who
   * sent it: it is for the audit log.
   */
  request(processId: number, key: Buffer): Promise<boolean>
  close(): Promise<void>
}

/**
 * `elsewhereTimeoutMs`: how long another gateway, or worker, may take to pass a cancel request on. One whose key nobody knows waits
 * for that.
 */
export async function createCancellations(options: {
  cluster: SessionCluster
  log: Log
  elsewhereTimeoutMs?: number
}): Promise<Cancellations> {
  const { cluster, log, elsewhereTimeoutMs = 3000 } = options
  // Looked up by hash, so that neither the time it takes nor what the other gateways are told gives a key away.
  const sessions = new Map<string, () => Promise<void>>()
  const unsubscribe = await cluster.subscribe(CHANNEL, message => {
    const cancel = sessions.get(message.toString('hex', 0, HASH_BYTES))
    if (cancel === undefined) return
    const reply = replyChannel(message.subarray(HASH_BYTES))
    // Without the answer who asked waits in vain, and goes on.
    void cancel()
      .then(() => cluster.publish(reply, Buffer.alloc(0)))
      .catch(error => log.warn({ err: error }, 'the gateway that asked to cancel could not be answered'))
  })

  /** Resolves when it is done, if there is anybody else: clients wait for that before they send the next statement, which must not be hit. */
  async function cancelElsewhere(hash: Buffer): Promise<boolean> {
    if ((await cluster.livingGateways())?.size === 1) return false
    const reply = randomBytes(REPLY_BYTES)
    const done = Promise.withResolvers<boolean>()
    const stopListening = await cluster.subscribe(replyChannel(reply), () => done.resolve(true))
    const timer = setTimeout(() => done.resolve(false), elsewhereTimeoutMs)
    try {
      await cluster.publish(CHANNEL, Buffer.concat([hash, reply]))
      return await done.promise
    } finally {
      clearTimeout(timer)
      await stopListening()
    }
  }

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
      if (cancel !== undefined) {
        await cancel()
        return true
      }
      return cancelElsewhere(hash).catch(error => {
        log.warn({ err: error }, 'a cancel request could not be passed to the other gateways')
        // Whether somebody knows the key is not known either.
        return true
      })
    },
    async close() {
      await unsubscribe()
    },
  }
}

function replyChannel(reply: Buffer): string {
  return `${CHANNEL}:${reply.toString('hex')}`
}

function hashOf(processId: number, key: Buffer): Buffer {
  const id = Buffer.allocUnsafe(4)
  id.writeInt32BE(processId)
  return createHash('sha256').update(id).update(key).digest()
}

/** Asks the target to cancel what the session's backend runs: over a connection of its own, encrypted as the session's is. */
export async function cancelOnTarget(upstream: PostgresUpstream): Promise<void> {
  const { target, dialer, encryption, startup } = upstream
  const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS)
  const connection = await dial(target, dialer, encryption, signal)
  const { socket: own } = connection
  const patience = setTimeout(() => own.destroy(), DIAL_TIMEOUT_MS).unref()
  own.once('close', () => clearTimeout(patience))
  own.end(cancelRequest(startup.processId, startup.cancelKey))
  own.resume()
  // The server closes the connection once it has sent the signal.
  if (!own.destroyed) await once(own, 'close')
}
