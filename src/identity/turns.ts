/** Two ways to wait for one's turn: a few at once of a kind, or one at a time for each key. */

import { GatewayError } from '../shared/errors.ts'

/** `ahead`: before all who wait and are not. */
export type InTurn = <T>(work: () => Promise<T>, ahead?: boolean) => Promise<T>

/**
 * Runs at most `atOnce` works at the same time and lets at most `waiting` more of either kind wait; whoever comes then is turned away with
 * `TOO_MANY_CONNECTIONS`, so that a flood takes neither the memory nor the threads of the others.
 */
export function createBoundedTurns(atOnce: number, waiting: number): InTurn {
  let running = 0
  const ordinary: (() => void)[] = []
  const first: (() => void)[] = []
  return async (work, ahead = false) => {
    const queue = ahead ? first : ordinary
    if (running >= atOnce) {
      if (queue.length >= waiting) {
        throw new GatewayError('TOO_MANY_CONNECTIONS', 'The gateway is busy with other logins; try again in a moment.')
      }
      // The one who leaves hands over its place, so `running` stays as it is.
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

export type InTurnOf = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** Runs the works of one key one after the other, in the order in which they came. */
export function createKeyedTurns(): InTurnOf {
  const last = new Map<string, Promise<void>>()
  return async (key, work) => {
    const result = (last.get(key) ?? Promise.resolve()).then(work)
    const settled = result.then(
      () => undefined,
      () => undefined,
    )
    last.set(key, settled)
    try {
      return await result
    } finally {
      if (last.get(key) === settled) last.delete(key)
    }
  }
}
