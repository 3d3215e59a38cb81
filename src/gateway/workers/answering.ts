/** A gateway's answers to the questions of one worker. */

import type { AuditAppender } from '../../audit/event.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { createClusterServer } from '../../cluster/server.ts'
import type { NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { WithKeyLock } from '../../shared/concurrency/keyed-mutex.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import type { Failure, FromWorker, Question, ToWorker } from './messages.ts'

/** A worker that hangs while it holds a lock delays the others by so long. */
const LONGEST_LOCK_MS = 15_000

export interface Services {
  readonly cluster: Cluster
  readonly audit: AuditAppender
  readonly withKeyLock: WithKeyLock
  /** Gives a connection its slot. Resolves with why there is none. */
  acquireSlot(connection: number, source: Source): Promise<NoSlot | undefined>
}

export interface Answering {
  hear(message: Extract<FromWorker, { kind: 'question' | 'unlock' }>): void
  /** The worker is gone, and with it what it had asked for. */
  close(): void
}

export function createAnswering(
  { cluster, audit, withKeyLock, acquireSlot }: Services,
  send: (message: ToWorker) => void,
): Answering {
  const server = createClusterServer(cluster, (channel, payload) => send({ kind: 'published', channel, payload }))
  const locks = new Map<number, () => void>()
  let closed = false

  function answer(id: number, question: Question): Promise<unknown> {
    switch (question.of) {
      case 'cluster':
        return server.call(question.call)
      case 'audit':
        return audit.append(question.event)
      case 'slot':
        return acquireSlot(question.connection, question.source)
      case 'audit-flush':
        return audit.flush()
      case 'lock': {
        const over = Promise.withResolvers<void>()
        locks.set(id, over.resolve)
        return new Promise<void>(begin => {
          void withKeyLock(question.key, async () => {
            begin()
            const late = setTimeout(over.resolve, LONGEST_LOCK_MS)
            await over.promise
            clearTimeout(late)
          })
        })
      }
    }
  }

  return {
    hear(message) {
      if (closed) return
      const { id } = message
      if (message.kind === 'unlock') {
        locks.get(id)?.()
        locks.delete(id)
        return
      }
      answer(id, message.question).then(
        value => send({ kind: 'answer', id, value }),
        error => send({ kind: 'answer', id, failed: failureOf(error) }),
      )
    },
    close() {
      closed = true
      server.close()
      for (const end of locks.values()) end()
    },
  }
}

/** Of an error, what may be told to another process. */
export function failureOf(error: unknown): Failure {
  return { code: error instanceof GatewayError ? error.code : 'INTERNAL', message: messageOf(error) }
}
