/** A factor of the tests, added by one call: a login is confirmed on the person's phone, which the test holds. */

import { EventEmitter, once } from 'node:events'
import { addFactor } from '../../src/identity/factors/registered.ts'
import type { Proof } from '../../src/identity/proof.ts'
import type { Factor } from '../../src/shared/factors.ts'
import { Secret } from '../../src/shared/secret.ts'

export const PUSH = 'push' as Factor
export const byPush = { kind: PUSH, answer: new Secret('') } as Proof

/** One login that waits on the phone. */
export interface Asked {
  readonly user: string
  readonly signal: AbortSignal
  answer(answer: unknown): void
  fail(error: Error): void
}

/** Returns the phone: what it was asked so far, and what it is asked next. */
export function addPush() {
  const asked: Asked[] = []
  const phone = new EventEmitter()
  const facts = {
    first: false,
    guessable: true,
    enrolled: false,
    shown: { how: 'elsewhere', instruction: 'Confirm this login on your phone.' },
  } as const
  addFactor(PUSH, facts, {
    behindLockout: true,
    evaluate: async ({ claimant }) => ({
      pending: PUSH,
      ask: signal => {
        const { promise, resolve, reject } = Promise.withResolvers<never>()
        asked.push({ user: claimant.name, signal, answer: answer => resolve(answer as never), fail: reject })
        phone.emit('asked')
        return promise
      },
    }),
  })
  return {
    asked,
    async next(): Promise<Asked> {
      await once(phone, 'asked')
      return asked.at(-1)!
    },
  }
}
