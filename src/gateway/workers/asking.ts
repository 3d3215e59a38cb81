/** A worker's questions to its gateway, each with its answer. */

import { GatewayError } from '../../shared/errors.ts'
import type { FromWorker, Question, ToWorker } from './messages.ts'

export interface Asking {
  /** Rejects with the GatewayError that the gateway met. */
  ask(question: Question): Promise<unknown>
  /** Runs the work while no other of its key runs in any worker. */
  withKeyLock<T>(key: string, work: () => Promise<T>): Promise<T>
  hear(answer: Extract<ToWorker, { kind: 'answer' }>): void
}

export function createAsking(send: (message: FromWorker) => void): Asking {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let asked = 0

  function put(question: Question): { id: number; answer: Promise<unknown> } {
    const id = ++asked
    const answer = Promise.withResolvers<unknown>()
    waiting.set(id, answer)
    send({ kind: 'question', id, question })
    return { id, answer: answer.promise }
  }

  return {
    ask: question => put(question).answer,
    async withKeyLock(key, work) {
      const { id, answer } = put({ of: 'lock', key })
      await answer
      try {
        return await work()
      } finally {
        send({ kind: 'unlock', id })
      }
    },
    hear({ id, value, failed }) {
      const { resolve, reject } = waiting.get(id)!
      waiting.delete(id)
      if (failed === undefined) resolve(value)
      else reject(new GatewayError(failed.code, failed.message))
    },
  }
}
