/** A semaphore: bounds how many operations run at the same time, and how many may wait. */

import { GatewayError } from '../errors.ts'

/** `ahead`: before every waiting operation that is not. */
export type WithPermit = <T>(work: () => Promise<T>, ahead?: boolean) => Promise<T>

/**
 * Runs at most `permits` operations at the same time and lets at most `waiting` more of either priority wait; further ones are rejected with
 * `TOO_MANY_CONNECTIONS`, so that a flood takes neither the memory nor the threads of the others.
 */
export function createSemaphore(permits: number, waiting: number): WithPermit {
  let running = 0
  const ordinary: (() => void)[] = []
  const first: (() => void)[] = []
  return async (work, ahead = false) => {
    const queue = ahead ? first : ordinary
    if (running >= permits) {
      if (queue.length >= waiting) {
        throw new GatewayError('TOO_MANY_CONNECTIONS', 'The gateway is busy with other logins; try again in a moment.')
      }
      // The one that finishes hands its permit over, so `running` stays as it is.
      await new Promise<void>(resolve => queue.push(resolve))
    } else {
      running++
    }
    try {
      return await work()
    } finally {
      const next = first.shift() ?? ordinary.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
