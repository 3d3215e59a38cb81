/** The schedule: what is to happen by itself, and when. Planning is a write to the store; `runner.ts` does what is due. */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Job, NewJob } from './job.ts'
import { createJobRows, type JobFilter, type JobRows } from './job-rows.ts'

export interface Schedule {
  /**
   * There is one job for a kind and a key: of several times the earliest counts (of several reasons that of what is urgent), unless the job says `replace`. One that runs now comes again
   * afterwards. With `on`, it is planned if that transaction is committed.
   */
  plan(job: NewJob, on?: Database): Promise<void>
  /** What has begun goes on, but does not come again. */
  cancel(kind: string, key: string, on?: Database): Promise<void>
  /** In the order of their times. */
  list(filter?: JobFilter, on?: Database): Promise<Job[]>
  get(id: string): Promise<Job | undefined>
  /** One that failed, or was given up, is due now. False where it did not fail, or runs. */
  retry(id: string, on?: Database): Promise<boolean>
}

export interface ScheduleWithRows extends Schedule {
  /** For the runner. */
  readonly rows: JobRows
  /** Calls the listener with the time of whatever is planned in this process, maybe before it is committed. */
  onPlanned(listener: (dueAt: number) => void): () => void
}

/** `clock`: the store's, where several gateways share it. */
export function createSchedule(parts: { database: Database; clock: Clock }): ScheduleWithRows {
  const rows = createJobRows(parts)
  const listeners = new Set<(dueAt: number) => void>()
  const planned = (dueAt: number) => {
    for (const listener of listeners) listener(dueAt)
  }
  return {
    rows,
    async plan(job, on) {
      await rows.plan(job, on)
      planned(job.dueAt)
    },
    cancel: rows.cancel,
    list: (filter = {}, on) => rows.list(filter, on),
    get: rows.get,
    async retry(id, on) {
      const changed = await rows.retry(id, on)
      if (changed) planned(parts.clock.now())
      return changed
    },
    onPlanned(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
