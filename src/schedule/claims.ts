/** The claims of a gateway on the jobs that it runs: renewed while they run, and given up for lost before somebody else may have them. */

import { type Clock, elapsed } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import type { ScheduleWithRows } from './schedule.ts'

/** How long a claim holds: a job of a gateway that died waits so long for another one. */
export const CLAIM_MS = 20_000

export interface HeldClaim {
  /** Aborts where the claim is lost, or the gateway stops. */
  readonly signal: AbortSignal
  lost(): boolean
  end(): void
}

export function createClaims(parts: {
  readonly schedule: Pick<ScheduleWithRows, 'rows'>
  readonly gateway: string
  readonly clock: Clock
  readonly claimMs: number
  readonly log: Log
}) {
  const { schedule, gateway, clock, claimMs, log } = parts
  const renewEveryMs = claimMs / 4
  const { rows } = schedule
  const held = new Map<string, { claim: string; renewedAt: number; lose: AbortController }>()
  /** Claims that seem to last too long, and since when they are known. */
  const beyond = new Map<string, { claim: string; since: number }>()
  let count = 0
  let renewing: Promise<void> = Promise.resolve()

  async function renew(): Promise<void> {
    const before = new Map(held)
    if (before.size === 0) return
    const at = elapsed(clock)
    try {
      const ours = await rows.renew([...new Set([...before.values()].map(({ claim }) => claim))], claimMs)
      for (const [id, one] of before) {
        if (ours.has(id)) one.renewedAt = at
        else if (held.get(id) === one) one.lose.abort()
      }
    } catch (error) {
      log.warn({ err: error }, 'the claims of running jobs could not be renewed; trying again')
    }
    // What was not renewed may be another gateway's soon.
    const lostSince = elapsed(clock) - (claimMs - renewEveryMs)
    for (const { renewedAt, lose } of held.values()) if (renewedAt <= lostSince) lose.abort()
  }

  const timer = setInterval(() => {
    renewing = renewing.then(renew)
  }, renewEveryMs).unref()

  return {
    /** A text for a new claim. */
    next: () => `${gateway}#${count++}`,
    hold(id: string, claim: string, stop: AbortSignal): HeldClaim {
      const one = { claim, renewedAt: elapsed(clock), lose: new AbortController() }
      held.set(id, one)
      return {
        signal: AbortSignal.any([stop, one.lose.signal]),
        lost: () => one.lose.signal.aborted,
        end() {
          if (held.get(id) === one) held.delete(id)
        },
      }
    },
    /** Renews now; it happens by itself, too. */
    renew,
    /**
     * Ends those that were made before the clock was set back, and would hold for long: whoever lives renews theirs. By a time that nobody
     * sets, and so once they are known for as long as a claim lasts.
     */
    async endForgotten(): Promise<void> {
      const seen = await rows.claimsBeyond(2 * claimMs)
      for (const id of beyond.keys()) if (!seen.some(each => each.id === id)) beyond.delete(id)
      for (const each of seen) {
        const claim = `${each.claimed_by} ${each.claimed_until}`
        const known = beyond.get(each.id)
        if (held.has(each.id)) continue
        if (known?.claim !== claim) beyond.set(each.id, { claim, since: elapsed(clock) })
        else if (elapsed(clock) - known.since > claimMs) await rows.expire(each)
      }
    },
    async close(): Promise<void> {
      clearInterval(timer)
      await renewing
    },
  }
}
