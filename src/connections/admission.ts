/** Admission control: gives connections their slots. Where a source fills its share, its next ones wait a moment: a pool opens many at once. */

import { networkOf } from '../shared/network/source-network.ts'
import type { ConnectionLimits, ConnectionSlot, NoSlot } from './connection-limits.ts'

export interface Admission {
  /** `cut` closes the connection. Resolves with its slot, or with why there is none. */
  acquire(address: string, cut: () => void): Promise<ConnectionSlot | NoSlot>
  /** Ends all waiting: there is no slot. */
  close(): void
}

export interface AdmissionOptions {
  /** How many may wait, of unknown sources and as many of known ones, and of one source; and how long. */
  readonly mostWaiting: number
  readonly mostOfOneSource: number
  readonly patienceMs?: number
}

interface Waiting {
  readonly network: string
  readonly known: boolean
  /** Tries again; true when it waits no longer. */
  readonly settle: () => boolean
  readonly giveUp: () => void
}

const PATIENCE_MS = 10_000

export function createAdmission(
  limits: ConnectionLimits,
  { mostWaiting, mostOfOneSource, patienceMs = PATIENCE_MS }: AdmissionOptions,
): Admission {
  const waiting = new Set<Waiting>()
  let trying = false

  /** Later, all at once: many slots become free in one go when a source becomes known. */
  function tryAgain(): void {
    if (trying || waiting.size === 0) return
    trying = true
    setImmediate(() => {
      trying = false
      const stillFull = new Set<string>()
      for (const one of waiting) {
        if (!stillFull.has(one.network) && !one.settle()) stillFull.add(one.network)
      }
    })
  }

  function retryOnRelease(slot: ConnectionSlot): ConnectionSlot {
    return {
      ...slot,
      authenticated() {
        slot.authenticated()
        tryAgain()
      },
      releaseInner() {
        slot.releaseInner()
        tryAgain()
      },
      release() {
        slot.release()
        tryAgain()
      },
    }
  }

  return {
    async acquire(address, cut) {
      const first = limits.acquire(address, cut)
      if (!('full' in first)) return retryOnRelease(first)
      const network = networkOf(address)
      const { because, known = false } = first
      const count = (alike: (one: Waiting) => boolean) => [...waiting].filter(alike).length
      if (because !== 'crowd' || count(one => one.known === known) >= mostWaiting) return first
      if (count(one => one.network === network) >= mostOfOneSource) return first
      return new Promise(resolve => {
        const end = (answer: ConnectionSlot | NoSlot) => {
          clearTimeout(timer)
          waiting.delete(one)
          resolve(answer)
        }
        const one: Waiting = {
          network,
          known,
          settle() {
            const again = limits.acquire(address, cut)
            if ('full' in again && again.because === 'crowd') return false
            end('full' in again ? again : retryOnRelease(again))
            return true
          },
          giveUp: () => end(first),
        }
        const timer = setTimeout(one.giveUp, patienceMs)
        waiting.add(one)
      })
    },
    close() {
      for (const one of [...waiting]) one.giveUp()
    },
  }
}
