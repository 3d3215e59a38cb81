/** How many commands and menus of one user run at the same time: each may hold a list of very many targets until its client has read it. */

import { createSemaphore, type WithPermit } from '../shared/concurrency/semaphore.ts'

export type LimitPerUser = <T>(user: string, work: () => Promise<T>) => Promise<T>

/** As a semaphore for each user, which rejects with `TOO_MANY_CONNECTIONS`. */
export function createLimitPerUser(permits: number, waiting: number): LimitPerUser {
  const users = new Map<string, { readonly withPermit: WithPermit; count: number }>()
  return async (user, work) => {
    const mine = users.get(user) ?? { withPermit: createSemaphore(permits, waiting), count: 0 }
    users.set(user, mine)
    mine.count++
    try {
      return await mine.withPermit(work)
    } finally {
      if (--mine.count === 0) users.delete(user)
    }
  }
}
