/** Does what is due: claims jobs, runs their handlers, and notes what came of them. One in a gateway, in its own process. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, elapsed } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { printable } from '../shared/text/printable.ts'
import { CLAIM_MS, createClaims } from './claims.ts'
import {
  FIRST_PAUSE_MS,
  type GiveUp,
  type Job,
  JobFailed,
  type JobHandler,
  JobRefused,
  LONGEST_PAUSE_MS,
  pauseAfter,
} from './job.ts'
import type { ScheduleWithRows } from './schedule.ts'

export interface ScheduleRunner {
  /** Claims what is due now and may begin now; resolves when that has begun. It happens by itself, too. */
  look(): Promise<void>
  /** Nothing more begins; what runs is told to stop, and waited for. */
  close(): Promise<void>
}

export interface RunnerParts {
  readonly schedule: ScheduleWithRows
  readonly handlers: Readonly<Record<string, JobHandler>>
  readonly gateway: string
  /** Whether the store is this gateway's alone: then nobody else has a claim. */
  readonly alone: boolean
  /** As the schedule's. */
  readonly clock: Clock
  readonly giveUp: GiveUp
  /** How long a claim holds that nobody renews. */
  readonly claimMs?: number
  readonly metrics: Pick<Metrics, 'jobs' | 'jobsRun' | 'jobLateness'>
  readonly log: Log
}

/** What other gateways plan is seen after so long, at most. */
const LONGEST_SLEEP_MS = 3000
/** Between two looks: what is due at once is not claimed in one go. */
const SHORTEST_SLEEP_MS = 20
/** A job that was planned in a transaction is there when that is committed: looked for more often for so long. */
const COMMITTED_WITHIN_MS = 1000
const SLEEP_THEN_MS = 100
const COUNT_EVERY_MS = 15_000
/** More than a clock that is being adjusted loses between two counts. */
const SET_BACK_MS = 5000
const CLOSE_MS = 10_000

export function createScheduleRunner(parts: RunnerParts): ScheduleRunner {
  const { schedule, handlers, alone, clock, giveUp, claimMs = CLAIM_MS, metrics, log } = parts
  const { rows } = schedule
  const kinds = Object.keys(handlers)
  const claims = createClaims({ ...parts, claimMs })
  const running = new Set<Promise<void>>()
  const runningOf = new Map(kinds.map(kind => [kind, 0]))
  /** By `elapsed`: when the next of a kind may begin. */
  const notBefore = new Map<string, number>()
  const stop = new AbortController()
  const released = alone ? rows.releaseAll() : Promise.resolve()
  let looking: Promise<void> | undefined
  let lookAgain = false
  let failures = 0
  let wakeAt = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let plannedUntil = Number.NEGATIVE_INFINITY
  let countedAt = Number.NEGATIVE_INFINITY
  let lastTime: { readonly wall: number; readonly steady: number } | undefined

  /** How many of the kind may begin now. */
  function roomOf(kind: string): number {
    const { limit, paceMs } = handlers[kind]!
    const room = limit - runningOf.get(kind)!
    if (paceMs === undefined) return room
    return elapsed(clock) >= (notBefore.get(kind) ?? 0) ? Math.min(room, 1) : 0
  }

  function begin(job: Job, claim: string): void {
    const { paceMs } = handlers[job.kind]!
    if (paceMs !== undefined) notBefore.set(job.kind, elapsed(clock) + paceMs * (0.5 + Math.random()))
    runningOf.set(job.kind, runningOf.get(job.kind)! + 1)
    metrics.jobLateness.observe({ kind: job.kind }, Math.max(0, clock.now() - job.dueAt) / 1000)
    const done = run(job, claim).finally(() => {
      runningOf.set(job.kind, runningOf.get(job.kind)! - 1)
      metrics.jobs.set({ kind: job.kind, state: 'running' }, runningOf.get(job.kind)!)
      running.delete(done)
      wake(SHORTEST_SLEEP_MS)
    })
    metrics.jobs.set({ kind: job.kind, state: 'running' }, runningOf.get(job.kind)!)
    running.add(done)
  }

  async function run(job: Job, claim: string): Promise<void> {
    const held = claims.hold(job.id, claim, stop.signal)
    const { kind, key } = job
    try {
      const result = await outcomeOf(job, held.signal)
      // Another gateway may have it by now, and what it notes counts.
      const noted = held.lost() ? 'lost' : await note(job, claim, result)
      metrics.jobsRun.inc({ kind, result: noted })
    } catch (error) {
      // The claim runs out, and the job is done again.
      log.error({ err: error, kind, key }, 'what came of a job could not be noted; it is done again')
      metrics.jobsRun.inc({ kind, result: 'lost' })
    } finally {
      held.end()
    }
  }

  type Outcome = { readonly again: number | undefined } | { readonly thrown: unknown }

  async function outcomeOf(job: Job, signal: AbortSignal): Promise<Outcome> {
    try {
      return { again: (await handlers[job.kind]!.run(job, signal))?.again }
    } catch (thrown) {
      return { thrown }
    }
  }

  async function note(job: Job, claim: string, outcome: Outcome): Promise<'done' | 'stopped' | 'failed' | 'given-up'> {
    if ('again' in outcome) {
      await rows.finish(job, claim, outcome.again)
      return 'done'
    }
    const { kind, key, attempts } = job
    const { thrown } = outcome
    if (stop.signal.aborted || (thrown instanceof GatewayError && thrown.code === 'GATEWAY_STOPPING')) {
      await rows.release(job, claim)
      return 'stopped'
    }
    const words = wordsOf(thrown)
    const { attempts: most = Number.POSITIVE_INFINITY, firstPauseMs = FIRST_PAUSE_MS } = handlers[kind]!
    log.warn({ err: thrown, kind, key, attempts: attempts + 1 }, 'a job failed')
    if (thrown instanceof JobRefused || attempts + 1 >= most) {
      if (await giveUp(job, words, on => rows.giveUp(job, claim, words, on))) return 'given-up'
    }
    const asked = thrown instanceof JobFailed ? Math.min(thrown.retryAfterMs, LONGEST_PAUSE_MS) : 0
    await rows.fail(job, claim, words, clock.now() + Math.max(pauseAfter(attempts + 1, firstPauseMs), asked))
    return 'failed'
  }

  async function lookOnce(): Promise<void> {
    await released
    wakeAt = Number.POSITIVE_INFINITY
    for (const kind of kinds) {
      const room = roomOf(kind)
      if (room <= 0) continue
      const claim = claims.next()
      for (const job of await rows.claim(kind, room, claim, claimMs)) begin(job, claim)
    }
    if (elapsed(clock) - countedAt >= COUNT_EVERY_MS) await count()
    wake(await untilNext())
  }

  /** Until a job is due that may begin then. The end of one that runs wakes us as well. */
  async function untilNext(): Promise<number> {
    const free = kinds.filter(kind => runningOf.get(kind)! < handlers[kind]!.limit)
    const [paced, ready] = [free.filter(kind => roomOf(kind) === 0), free.filter(kind => roomOf(kind) > 0)]
    const next = await rows.nextDue(ready)
    const waits = paced.map(kind => notBefore.get(kind)! - elapsed(clock))
    return Math.min(next === undefined ? LONGEST_SLEEP_MS : next - clock.now(), ...waits)
  }

  async function count(): Promise<void> {
    countedAt = elapsed(clock)
    for (const [kind, counts] of await rows.counts(kinds)) {
      for (const state of ['due', 'failed', 'given-up'] as const) metrics.jobs.set({ kind, state }, counts[state])
    }
    await claims.endForgotten()
    if (wasSetBack()) await bringBack()
  }

  /** Also true at the first look: nobody was there to see it. */
  function wasSetBack(): boolean {
    const before = lastTime
    lastTime = { wall: clock.now(), steady: elapsed(clock) }
    return before === undefined || lastTime.wall - before.wall - (lastTime.steady - before.steady) < -SET_BACK_MS
  }

  async function bringBack(): Promise<void> {
    const jobs = await rows.bringBack()
    if (jobs === 0) return
    log.warn({ jobs }, 'the clock was set back: jobs that were planned by it come after as long as they were to wait')
  }

  function look(): Promise<void> {
    if (stop.signal.aborted) return Promise.resolve()
    if (looking !== undefined) lookAgain = true
    looking ??= (async () => {
      do {
        lookAgain = false
        try {
          await lookOnce()
          failures = 0
        } catch (error) {
          if (failures++ === 0) log.warn({ err: error }, 'the schedule cannot be read now; trying again')
          wake(Math.min(LONGEST_SLEEP_MS * failures, 30_000))
        }
      } while (lookAgain && !stop.signal.aborted)
    })().finally(() => {
      looking = undefined
    })
    return looking
  }

  /** Has it looked in so many milliseconds, or before. */
  function wake(inMs: number): void {
    if (stop.signal.aborted) return
    const now = performance.now()
    const longest = failures > 0 ? inMs : now < plannedUntil ? SLEEP_THEN_MS : LONGEST_SLEEP_MS
    const ms = Math.max(SHORTEST_SLEEP_MS, Math.min(inMs, longest))
    const at = now + ms
    if (at >= wakeAt) return
    wakeAt = at
    clearTimeout(timer)
    timer = setTimeout(() => void look(), ms).unref()
  }

  const forget = schedule.onPlanned(dueAt => {
    const inMs = Math.max(0, dueAt - clock.now())
    if (inMs > LONGEST_SLEEP_MS) return
    plannedUntil = Math.max(plannedUntil, performance.now() + inMs + COMMITTED_WITHIN_MS)
    wake(inMs)
  })
  wake(0)

  return {
    look,
    async close() {
      stop.abort()
      forget()
      clearTimeout(timer)
      await looking
      await Promise.race([Promise.allSettled(running), sleep(CLOSE_MS, undefined, { ref: false })])
      await claims.close()
    },
  }
}

const MOST_WORDS = 500

/** Only what we said ourselves is shown: an error of a library might hold anything. The log has it all. */
function wordsOf(thrown: unknown): string {
  const ours = thrown instanceof GatewayError || thrown instanceof JobFailed
  const words = ours ? thrown.message : "An unexpected error: the gateway's log has it."
  return printable(words).slice(0, MOST_WORDS)
}
