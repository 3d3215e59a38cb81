/**
 * Passwords that were verified a short time ago, so that a pool which opens many connections pays for argon2 once. What is kept is a
 * keyed hash (HMAC-SHA-256 under a random key of this process, never stored), bound to user, source and generation of the
 * factors, and it is thrown away after the time that the role gives.
 */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { BoundedMap } from '../shared/bounded-map.ts'
import type { Clock } from '../shared/clock.ts'
import type { Secret } from '../shared/secret.ts'
import { normalise } from './factors/password.ts'
import type { Holder } from './remembered-factors.ts'

export interface KnownPasswords {
  /** Whether it is the password that was verified for the holder less than `forMs` ago. */
  knows(holder: Holder, password: Secret, forMs: number): boolean
  /** It was verified just now, the slow way. */
  keep(holder: Holder, password: Secret, forMs: number): void
}

interface Known {
  readonly mac: Buffer
  readonly at: number
  readonly forMs: number
}

const MOST = 4096

export function createKnownPasswords(clock: Clock): KnownPasswords {
  const key = randomBytes(32)
  const known = new BoundedMap<Known>(MOST)
  const macOf = (text: string | Buffer) => createHmac('sha256', key).update(text).digest()
  const nameOf = (holder: Holder) => JSON.stringify([holder.user, holder.address, holder.generation])

  function macOfPassword(holder: Holder, password: Secret): Buffer | undefined {
    const text = normalise(password)
    return text === undefined ? undefined : macOf(`${nameOf(holder)}\0${text}`)
  }

  return {
    knows(holder, password, forMs) {
      const kept = known.get(nameOf(holder))
      const mac = macOfPassword(holder, password)
      if (kept === undefined || mac === undefined) return false
      const isSame = timingSafeEqual(kept.mac, mac)
      // Evaluated by the role of this login too, which may be stricter than the one it was kept for.
      return isSame && clock.now() - kept.at < Math.min(kept.forMs, forMs)
    },
    keep(holder, password, forMs) {
      const mac = macOfPassword(holder, password)
      if (forMs === 0 || mac === undefined) return
      const name = nameOf(holder)
      const kept = { mac, at: clock.now(), forMs }
      known.set(name, kept)
      setTimeout(() => {
        if (known.get(name) === kept) known.delete(name)
      }, forMs).unref()
    },
  }
}
