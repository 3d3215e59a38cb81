/** A job: something that must happen by itself, at a time, whatever becomes of the gateway that planned it. */

import type { Database } from '../database/database.ts'

/** `failed` is tried again when it is due; `given-up` is not, until somebody plans or retries it. */
export const JOB_STATES = ['waiting', 'due', 'running', 'failed', 'given-up'] as const
export type JobState = (typeof JOB_STATES)[number]

export interface Job {
  readonly id: string
  /** What is done: the name of a handler. */
  readonly kind: string
  /** For what: there is at most one job for a kind and a key. */
  readonly key: string
  /** What was planned with it. It comes from the store: parse it. */
  readonly payload: unknown
  readonly state: JobState
  /** Milliseconds since the epoch, as all times here. */
  readonly dueAt: number
  readonly plannedAt: number
  /** How often in a row it has failed. */
  readonly attempts: number
  readonly lastError: string | undefined
  readonly failedAt: number | undefined
  /** The gateway that runs it. */
  readonly gateway: string | undefined
}

export interface NewJob {
  readonly kind: string
  readonly key: string
  readonly dueAt: number
  /** JSON, and no secret: it is shown. */
  readonly payload?: Readonly<Record<string, unknown>>
  /** It comes at most so much later, by chance: so that what falls due together does not run together. */
  readonly jitterMs?: number
  /** Once it is due, it comes before all of its kind that are not. */
  readonly urgent?: boolean
  /** This time counts, also where the job is planned for an earlier one; what failed before is forgotten. */
  readonly replace?: boolean
}

export interface JobHandler {
  /**
   * Must be idempotent: after the death of a gateway, or of its connection to the store, a job is done again. It stops soon when the signal
   * aborts: the gateway stops, or another one may be at the job. With `again` the job comes again at that time; without, it is over. What
   * it throws is a failure, and the job comes again after a pause; a `JobRefused` is not tried again.
   */
  run(job: Job, signal: AbortSignal): Promise<{ readonly again: number } | undefined>
  /** How many of the kind run at the same time in one gateway. */
  readonly limit: number
  /** Between the beginnings of two in one gateway, on average: so that many that are due at once leave room for other work. */
  readonly paceMs?: number
  /** After the first failure; not given: 5 seconds. */
  readonly firstPauseMs?: number
  /** After so many failures in a row it is given up. Not given: never. */
  readonly attempts?: number
}

/** It failed, in words that may be shown. */
export class JobFailed extends Error {
  /** The other side asks not to be tried sooner; an hour of it counts at most. */
  readonly retryAfterMs: number

  constructor(message: string, { retryAfterMs = 0 }: { readonly retryAfterMs?: number | undefined } = {}) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

/** It failed, and to be tried again it would need somebody to change something first. */
export class JobRefused extends JobFailed {}

/** Writes that a job is given up, together with the audit event that says so; what `write` gives. */
export type GiveUp = (job: Job, words: string, write: (on: Database) => Promise<boolean>) => Promise<boolean>

export const FIRST_PAUSE_MS = 5000
export const LONGEST_PAUSE_MS = 3_600_000

/** Before the next try, after so many failures in a row: twice as long each time, an hour at most; a quarter more or less. */
export function pauseAfter(attempts: number, firstMs: number, random = Math.random()): number {
  const pause = Math.min(firstMs * 2 ** Math.min(attempts - 1, 20), LONGEST_PAUSE_MS)
  return Math.round(pause * (0.75 + random / 2))
}
