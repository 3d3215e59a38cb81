/**
 * Watches the clock: told are jumps (compared with what nobody can set), a difference to the store's clock, which is how gateways
 * are compared with each other, and sessions and audit events that seem to begin in the future.
 */

import { lastEventAt } from '../../audit/chain/list.ts'
import type { Audit } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { StoreTime } from '../../database/store-time.ts'
import { type Clock, elapsed } from '../../shared/clock.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { SessionStore } from '../records/session-store.ts'

const EVERY_MS = 5000
/** More than a clock that is being adjusted gains or loses in that time. */
const JUMP_MS = 2000
/** Gateways take each other for dead after 20 seconds, and one-time codes are good for 30. */
const DIFFERS_MS = 5000

/** What the clock is compared with. */
const REFERENCES = ['store', 'sessions', 'audit log'] as const
export type ClockReference = (typeof REFERENCES)[number]

export interface ClockState {
  /** How many times it was set while the gateway ran. */
  readonly jumps: number
  /** What says that the clock is wrong now. */
  readonly differs: readonly ClockReference[]
  /** How far the store's clock is ahead of this one; null where the store has none of its own (SQLite). */
  readonly storeAheadMs: number | null
}

export interface ClockWatch {
  readonly state: ClockState
  /** It happens by itself every few seconds. Throws when it cannot be audited: then it is audited the next time. */
  look(): Promise<void>
  close(): Promise<void>
}

export function createClockWatch(parts: {
  clock: Clock
  /** Undefined where the store is this gateway's alone. */
  storeTime: StoreTime | undefined
  database: Database
  sessions: Pick<SessionStore, 'lastStart'>
  audit: Audit
  metrics: Pick<Metrics, 'clockJumps' | 'clockOffset' | 'clockDiffers'>
  log: Log
}): ClockWatch {
  const { clock, storeTime, database, sessions, audit, metrics, log } = parts
  const differs = new Set<ClockReference>()
  let last = { wall: clock.now(), steady: elapsed(clock) }
  let jumps = 0
  let running: Promise<void> = Promise.resolve()

  async function lookForJump(): Promise<void> {
    const now = { wall: clock.now(), steady: elapsed(clock) }
    const byMs = Math.round(now.wall - last.wall - (now.steady - last.steady))
    if (Math.abs(byMs) >= JUMP_MS) {
      const from = new Date(now.wall - byMs).toISOString()
      log.error({ byMs, from }, 'the clock was set while the gateway ran')
      await audit.append({ kind: 'clock.jumped', actor: 'gateway', data: { byMs, from } })
      metrics.clockJumps.inc({ direction: byMs > 0 ? 'forward' : 'back' })
      jumps++
    }
    last = now
  }

  /** `aheadMs`: how far the other is ahead. Told once, until they agree again. */
  async function compare(reference: ClockReference, aheadMs: number): Promise<void> {
    metrics.clockOffset.set({ reference }, aheadMs / 1000)
    const wrong = Math.abs(aheadMs) >= DIFFERS_MS
    metrics.clockDiffers.set({ reference }, wrong ? 1 : 0)
    if (!wrong) {
      if (differs.delete(reference)) log.info({ reference, aheadMs }, 'the clock agrees again')
      return
    }
    if (differs.has(reference)) return
    log.error({ reference, aheadMs }, 'the clock differs')
    await audit.append({ kind: 'clock.differs', actor: 'gateway', data: { reference, aheadMs } })
    differs.add(reference)
  }

  async function lookOnce(): Promise<void> {
    await lookForJump()
    if (storeTime !== undefined) await compare('store', await storeTime.measure())
    const future = (at: number | undefined) => Math.max(0, (at ?? 0) - clock.now())
    await compare('sessions', future(await sessions.lastStart()))
    await compare('audit log', future(await lastEventAt(database)))
  }

  function look(): Promise<void> {
    const looked = running.then(lookOnce)
    running = looked.catch(() => undefined)
    return looked
  }

  const timer = setInterval(() => {
    look().catch(error => log.warn({ err: error }, 'the clock could not be compared; trying again'))
  }, EVERY_MS).unref()

  return {
    get state() {
      return { jumps, differs: [...differs], storeAheadMs: storeTime?.aheadMs ?? null }
    },
    look,
    async close() {
      clearInterval(timer)
      await running
    },
  }
}
