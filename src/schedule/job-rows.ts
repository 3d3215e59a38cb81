/** The one place with SQL on `jobs`. A claim is a text that nobody else has: what a gateway does to a row holds only while its claim does. */

import { type SqlBool, sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { JobTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import { newId } from '../shared/ids.ts'
import type { Job, JobState, NewJob } from './job.ts'

export interface JobFilter {
  readonly kind?: string | undefined
  readonly key?: string | undefined
  /** Of these; in the order of the keys. */
  readonly keys?: readonly string[] | undefined
  /** Those whose key comes after this one; in the order of the keys. */
  readonly afterKey?: string | undefined
  /** Due by then. */
  readonly dueBy?: number | undefined
  readonly state?: JobState | undefined
  readonly limit?: number | undefined
}

const MOST_LISTED = 1000
/** No two clocks of what writes here differ by more. */
const SAME_TIME_MS = 60_000
const MOST_COUNTED = 10_000

export type JobRows = ReturnType<typeof createJobRows>

export function createJobRows({ database, clock }: { database: Database; clock: Clock }) {
  const held = (id: string, claim: string, on = database) =>
    on.updateTable('jobs').where('id', '=', id).where('claimed_by', '=', claim)

  return {
    /** Adds it, or changes the one that there is for its kind and key. */
    async plan(job: NewJob, on = database): Promise<void> {
      const now = clock.now()
      const planned: Planned = {
        due_at: Math.round(job.dueAt + Math.random() * (job.jitterMs ?? 0)),
        planned_at: now,
        urgent: job.urgent === true ? 1 : 0,
        payload: JSON.stringify(job.payload ?? {}),
      }
      const row = { id: newId('job', now), kind: job.kind, key: job.key, ...planned, attempts: 0, claimed_until: 0 }
      const write = async (on: Database) => {
        // What there is is read and locked by this, so that it neither ends nor begins before it is changed.
        const there = await on
          .insertInto('jobs')
          .values(row)
          .onConflict(conflict => conflict.columns(['kind', 'key']).doUpdateSet({ kind: job.kind }))
          .returningAll()
          .executeTakeFirstOrThrow()
        if (there.id === row.id) return
        const change = replanned(there, planned, job.replace ?? false)
        if (change !== undefined) await on.updateTable('jobs').set(change).where('id', '=', there.id).execute()
      }
      await (on.isTransaction ? write(on) : on.transaction().execute(write))
    },

    /** What has begun goes on, and does not come again. */
    async cancel(kind: string, key: string, on = database): Promise<void> {
      await on
        .deleteFrom('jobs')
        .where('kind', '=', kind)
        .where('key', '=', key)
        .where('claimed_by', 'is', null)
        .execute()
      await on
        .updateTable('jobs')
        .set({ again_at: null, again_payload: null })
        .where('kind', '=', kind)
        .where('key', '=', key)
        .execute()
    },

    async list(filter: JobFilter, on = database): Promise<Job[]> {
      const { kind, key, keys, afterKey, dueBy, state, limit = MOST_LISTED } = filter
      const now = clock.now()
      let select = on.selectFrom('jobs').selectAll().limit(limit)
      // By key where they are asked for by key: so they are found by it.
      const byKey = afterKey !== undefined || keys !== undefined
      select = byKey ? select.orderBy('kind').orderBy('key') : select.orderBy('due_at').orderBy('id')
      if (afterKey !== undefined) select = select.where('key', '>', afterKey)
      if (keys !== undefined) select = select.where('key', 'in', keys.length > 0 ? [...keys] : [''])
      if (kind !== undefined) select = select.where('kind', '=', kind)
      if (key !== undefined) select = select.where('key', '=', key)
      if (dueBy !== undefined) select = select.where('due_at', '<=', dueBy)
      if (state !== undefined) select = select.where(isInState(state, now))
      return (await select.execute()).map(row => jobOf(row, now))
    },

    async get(id: string): Promise<Job | undefined> {
      const row = await database.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
      return row && jobOf(row, clock.now())
    },

    /** One that failed, or was given up, is due now. False where there is none. */
    async retry(id: string, on = database): Promise<boolean> {
      const { numUpdatedRows } = await on
        .updateTable('jobs')
        .set({ due_at: clock.now(), given_up_at: null })
        .where('id', '=', id)
        .where('claimed_by', 'is', null)
        .where('failed_at', 'is not', null)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    /** Takes those of the kind that are due and nobody else has, in the order of their times. */
    async claim(kind: string, atMost: number, claim: string, forMs: number): Promise<Job[]> {
      const now = clock.now()
      const found: { id: string }[] = []
      // One after the other: so each is read in the order of an index, however many are due.
      for (const urgent of [1, 0]) {
        if (found.length === atMost) break
        const due = database
          .selectFrom('jobs')
          .select('id')
          .where('kind', '=', kind)
          .where('urgent', '=', urgent)
          .where('due_at', '<=', now)
          .where('given_up_at', 'is', null)
          .where(isFree(now))
          .orderBy('due_at')
          .orderBy('id')
          .limit(atMost - found.length)
        found.push(...(await due.execute()))
      }
      if (found.length === 0) return []
      const rows = await database
        .updateTable('jobs')
        .set({ claimed_by: claim, claimed_until: now + forMs })
        .where(
          'id',
          'in',
          found.map(({ id }) => id),
        )
        .where('due_at', '<=', now)
        .where('given_up_at', 'is', null)
        .where(isFree(now))
        .returningAll()
        .execute()
      return rows
        .sort((a, b) => b.urgent - a.urgent || a.due_at - b.due_at || (a.id < b.id ? -1 : 1))
        .map(row => jobOf(row, now))
    },

    /** Those of the claims' jobs that are still theirs. */
    async renew(claims: readonly string[], forMs: number): Promise<Set<string>> {
      const rows = await database
        .updateTable('jobs')
        .set({ claimed_until: clock.now() + forMs })
        .where('claimed_by', 'in', [...claims])
        .returning('id')
        .execute()
      return new Set(rows.map(({ id }) => id))
    },

    /** It is done, and gone where nobody planned it again meanwhile. */
    async finish({ id }: Job, claim: string, again?: number): Promise<void> {
      const over = { claimed_by: null, claimed_until: 0, attempts: 0, last_error: null, failed_at: null }
      if (again === undefined) {
        await database
          .deleteFrom('jobs')
          .where('id', '=', id)
          .where('claimed_by', '=', claim)
          .where('again_at', 'is', null)
          .execute()
        again = Number.MAX_SAFE_INTEGER
      }
      await held(id, claim)
        .set({
          ...over,
          due_at: sql<number>`case when again_at is not null and again_at < ${again} then again_at else ${again} end`,
          payload: sql<string>`case when again_at is not null and again_at < ${again} then again_payload else payload end`,
          planned_at: clock.now(),
          again_at: null,
          again_payload: null,
        })
        .execute()
    },

    async fail({ id, attempts }: Job, claim: string, words: string, dueAt: number): Promise<void> {
      await held(id, claim)
        .set({
          ...{ claimed_by: null, claimed_until: 0, attempts: attempts + 1, last_error: words, failed_at: clock.now() },
          due_at: sql<number>`case when again_at is not null and again_at < ${dueAt} then again_at else ${dueAt} end`,
          payload: sql<string>`case when again_at is not null then again_payload else payload end`,
          again_at: null,
          again_payload: null,
        })
        .execute()
    },

    /** False where it is not this claim's any more, or was planned again: then it is tried again. */
    async giveUp({ id, attempts }: Job, claim: string, words: string, on: Database): Promise<boolean> {
      const now = clock.now()
      const { numUpdatedRows } = await held(id, claim, on)
        .where('again_at', 'is', null)
        .set({
          ...{ claimed_by: null, claimed_until: 0, attempts: attempts + 1, last_error: words },
          ...{ failed_at: now, given_up_at: now },
        })
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    /** Nobody has it any more, and it is due as before. */
    async release({ id }: Job, claim: string): Promise<void> {
      await held(id, claim).set({ claimed_by: null, claimed_until: 0 }).execute()
    },

    /** Of a store that only one gateway uses, at its start. */
    async releaseAll(): Promise<void> {
      await database
        .updateTable('jobs')
        .set({ claimed_by: null, claimed_until: 0 })
        .where('claimed_by', 'is not', null)
        .execute()
    },

    /** Claims that end later than any claim made now would: the clock was set back. */
    async claimsBeyond(ms: number): Promise<{ id: string; claimed_by: string | null; claimed_until: number }[]> {
      return database
        .selectFrom('jobs')
        .select(['id', 'claimed_by', 'claimed_until'])
        .where('claimed_by', 'is not', null)
        .where('claimed_until', '>', clock.now() + ms)
        .limit(MOST_LISTED)
        .execute()
    },

    /** Ends a claim that nobody renewed. */
    async expire(seen: { id: string; claimed_by: string | null; claimed_until: number }): Promise<void> {
      await database
        .updateTable('jobs')
        .set({ claimed_by: null, claimed_until: 0 })
        .where('id', '=', seen.id)
        .where('claimed_by', '=', seen.claimed_by)
        .where('claimed_until', '=', seen.claimed_until)
        .execute()
    },

    /**
     * What was planned, or failed, later than now was so by a clock that has been set back: it comes after as long as it was to wait then. A
     * difference of gateways' clocks is none. Gives how many there were.
     */
    async bringBack(): Promise<number> {
      const now = clock.now()
      const soonest = now + SAME_TIME_MS
      const last = sql<number>`case when failed_at > planned_at then failed_at else planned_at end`
      const { numUpdatedRows } = await database
        .updateTable('jobs')
        .set({
          due_at: sql<number>`due_at - (${last} - ${now})`,
          planned_at: sql<number>`case when planned_at > ${now} then ${now} else planned_at end`,
          failed_at: sql<number | null>`case when failed_at > ${now} then ${now} else failed_at end`,
        })
        .where(({ eb, or }) => or([eb('planned_at', '>', soonest), eb('failed_at', '>', soonest)]))
        .where('due_at', '>', now)
        .where('claimed_by', 'is', null)
        .executeTakeFirst()
      return Number(numUpdatedRows)
    },

    /** When the next job of these kinds that nobody has is due. */
    async nextDue(kinds: readonly string[]): Promise<number | undefined> {
      if (kinds.length === 0) return undefined
      const row = await database
        .selectFrom('jobs')
        .select('due_at')
        .where('kind', 'in', [...kinds])
        .where('given_up_at', 'is', null)
        .where('claimed_by', 'is', null)
        .orderBy('due_at')
        .limit(1)
        .executeTakeFirst()
      return row?.due_at
    },

    /** How many of these kinds are due, have failed, and were given up. */
    async counts(kinds: readonly string[]): Promise<Map<string, { due: number; failed: number; 'given-up': number }>> {
      const now = clock.now()
      const counts = new Map(kinds.map(kind => [kind, { due: 0, failed: 0, 'given-up': 0 }]))
      if (kinds.length === 0) return counts
      const due = await database
        .selectFrom('jobs')
        .select(({ fn }) => ['kind', fn.countAll<number>().as('count')])
        .where('kind', 'in', [...kinds])
        .where(isInState('due', now))
        .groupBy('kind')
        .execute()
      for (const { kind, count } of due) counts.get(kind)!.due = Number(count)
      // By nothing but that: so those few are found without all others.
      const failed = await database
        .selectFrom('jobs')
        .selectAll()
        .where('attempts', '>', 0)
        .limit(MOST_COUNTED)
        .execute()
      for (const row of failed) {
        const state = stateOf(row, now)
        const count = counts.get(row.kind)
        if (count !== undefined && (state === 'failed' || state === 'given-up')) count[state]++
      }
      return counts
    },
  }
}

type Planned = Pick<JobTable, 'due_at' | 'planned_at' | 'payload' | 'urgent'>

/** What a further plan changes of a job: the earlier time counts, unless the new one replaces it. One that runs is done anew afterwards. */
function replanned(there: JobTable, planned: Planned, replace: boolean): Partial<JobTable> | undefined {
  if (there.claimed_by !== null) {
    const isFirst = there.again_at === null || planned.due_at < there.again_at
    // How urgent it was does not count any more: it has begun.
    const urgent = there.again_at === null ? planned.urgent : Math.max(planned.urgent, there.urgent)
    return replace || isFirst ? { again_at: planned.due_at, again_payload: planned.payload, urgent } : { urgent }
  }
  // One that was given up begins anew, whenever it was due.
  if (replace || there.given_up_at !== null) {
    return { ...planned, attempts: 0, last_error: null, failed_at: null, given_up_at: null }
  }
  if (planned.urgent > there.urgent) return { ...planned, due_at: Math.min(planned.due_at, there.due_at) }
  return planned.due_at < there.due_at ? { ...planned, urgent: there.urgent } : undefined
}

function jobOf(row: JobTable, now: number): Job {
  return {
    id: row.id,
    kind: row.kind,
    key: row.key,
    payload: JSON.parse(row.payload),
    state: stateOf(row, now),
    dueAt: row.due_at,
    plannedAt: row.planned_at,
    attempts: row.attempts,
    lastError: row.last_error ?? undefined,
    failedAt: row.failed_at ?? undefined,
    gateway: row.claimed_by?.split('#')[0],
  }
}

function stateOf({ claimed_by, claimed_until, given_up_at, attempts, due_at }: JobTable, now: number): JobState {
  if (claimed_by !== null && claimed_until > now) return 'running'
  if (given_up_at !== null) return 'given-up'
  if (attempts > 0) return 'failed'
  return due_at <= now ? 'due' : 'waiting'
}

/** The same, in SQL. */
function isInState(state: JobState, now: number) {
  const idle = sql<SqlBool>`${isFree(now)} and given_up_at is null`
  switch (state) {
    case 'running':
      return sql<SqlBool>`not ${isFree(now)}`
    case 'given-up':
      return sql<SqlBool>`${isFree(now)} and given_up_at is not null`
    case 'failed':
      return sql<SqlBool>`${idle} and attempts > 0`
    case 'due':
      return sql<SqlBool>`${idle} and attempts = 0 and due_at <= ${now}`
    case 'waiting':
      return sql<SqlBool>`${idle} and attempts = 0 and due_at > ${now}`
  }
}

/** Nobody has it, or whoever had it did not renew the claim. */
function isFree(now: number) {
  return sql<SqlBool>`(claimed_by is null or claimed_until <= ${now})`
}
