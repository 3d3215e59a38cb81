/** How many connections may be open from one source, and how many may be there without having logged in. */

export interface ConnectionLimits {
  /** Undefined when there are too many already. */
  enter(address: string): Place | undefined
}

export interface Place {
  /** The connection has logged in: it no longer counts as unauthenticated. */
  authenticated(): void
  leave(): void
}

export function createConnectionLimits(limits: { maxPerSource: number; maxUnauthenticated: number }): ConnectionLimits {
  const bySource = new Map<string, number>()
  let unauthenticated = 0
  return {
    enter(address) {
      const fromHere = bySource.get(address) ?? 0
      if (fromHere >= limits.maxPerSource || unauthenticated >= limits.maxUnauthenticated) return undefined
      bySource.set(address, fromHere + 1)
      unauthenticated++
      let known = false
      let left = false
      const authenticated = () => {
        if (!known) unauthenticated--
        known = true
      }
      return {
        authenticated,
        leave() {
          if (left) return
          left = true
          authenticated()
          const rest = bySource.get(address)! - 1
          if (rest === 0) bySource.delete(address)
          else bySource.set(address, rest)
        },
      }
    },
  }
}
