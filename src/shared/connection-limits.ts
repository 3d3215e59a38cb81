/** How many connections may be open from one source, and how many may be there without having logged in. */

import { networkOf } from './source-network.ts'

export interface ConnectionLimits {
  /** The refusal, in words for the log, when there are too many already. */
  enter(address: string): Place | string
}

export interface Place {
  /** The connection has logged in: it no longer counts as unauthenticated. */
  authenticated(): void
  leave(): void
}

interface Count {
  open: number
  unauthenticated: number
}

/** Of the places for those who have not logged in, one source may hold this share: it alone cannot shut the others out. */
const SHARE_OF_ONE_SOURCE = 4

export function createConnectionLimits(limits: { maxPerSource: number; maxUnauthenticated: number }): ConnectionLimits {
  const bySource = new Map<string, Count>()
  const waitingFromOne = Math.ceil(limits.maxUnauthenticated / SHARE_OF_ONE_SOURCE)
  let unauthenticated = 0
  return {
    enter(address) {
      const network = networkOf(address)
      const here = bySource.get(network) ?? { open: 0, unauthenticated: 0 }
      if (here.open >= limits.maxPerSource) return 'from one source'
      if (here.unauthenticated >= waitingFromOne) return 'without a login from one source'
      if (unauthenticated >= limits.maxUnauthenticated) return 'without a login in all'
      bySource.set(network, here)
      here.open++
      here.unauthenticated++
      unauthenticated++
      let known = false
      let left = false
      const authenticated = () => {
        if (known) return
        known = true
        here.unauthenticated--
        unauthenticated--
      }
      return {
        authenticated,
        leave() {
          if (left) return
          left = true
          authenticated()
          here.open--
          if (here.open === 0) bySource.delete(network)
        },
      }
    },
  }
}
