/** A gateway's answers to the questions of one worker. */

import type { AuditAppender } from '../../audit/event.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { createClusterServer } from '../../cluster/server.ts'
import type { Full } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { InTurnOf } from '../../identity/turns.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import type { Failure, FromWorker, Question, ToWorker } from './messages.ts'

/** A worker that hangs in its turn holds the others up for so long. */
const LONGEST_TURN_MS = 15_000

export interface Services {
  readonly cluster: Cluster
  readonly audit: AuditAppender
  readonly inTurnOf: InTurnOf
  /** Gives a connection its place. Resolves with why there is none. */
  seat(connection: number, source: Source): Promise<Full | undefined>
}

export interface Answering {
  hear(message: Extract<FromWorker, { kind: 'question' | 'turn-over' }>): void
  /** The worker is gone, and with it what it had asked for. */
  close(): void
}

export function createAnswering(
  { cluster, audit, inTurnOf, seat }: Services,
  send: (message: ToWorker) => void,
): Answering {
  const server = createClusterServer(cluster, (channel, payload) => send({ kind: 'published', channel, payload }))
  const turns = new Map<number, () => void>()
  let closed = false

  function answer(id: number, question: Question): Promise<unknown> {
    switch (question.of) {
      case 'cluster':
        return server.call(question.call)
      case 'audit':
        return audit.append(question.event)
      case 'place':
        return seat(question.connection, question.source)
      case 'audit-flush':
        return audit.flush()
      case 'turn': {
        const over = Promise.withResolvers<void>()
        turns.set(id, over.resolve)
        return new Promise<void>(begin => {
          void inTurnOf(question.key, async () => {
            begin()
            const late = setTimeout(over.resolve, LONGEST_TURN_MS)
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
      if (message.kind === 'turn-over') {
        turns.get(id)?.()
        turns.delete(id)
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
      for (const end of turns.values()) end()
    },
  }
}

/** Of an error, what may be told to another process. */
export function failureOf(error: unknown): Failure {
  return { code: error instanceof GatewayError ? error.code : 'INTERNAL', message: messageOf(error) }
}
