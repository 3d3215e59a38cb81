/** The one place with SQL on `rotation_batches` and `rotation_batch_entries`. */

import { sql } from 'kysely'
import type { Database } from '../../database/database.ts'
import type { RotationBatchEntryTable, RotationBatchTable } from '../../database/schema.ts'
import type { Clock } from '../../shared/clock.ts'
import { newId } from '../../shared/ids.ts'
import type { AccountAddress } from '../../shared/names.ts'
import {
  type Batch,
  type BatchCounts,
  type BatchEntry,
  type BatchState,
  ENTRY_STATES,
  type EntryState,
} from './batch.ts'

const ROWS_AT_ONCE = 200

export type BatchRows = ReturnType<typeof createBatchRows>

export function createBatchRows({ database, clock }: { database: Database; clock: Clock }) {
  const entry = (id: string, { account, target }: AccountAddress, on = database) =>
    on
      .updateTable('rotation_batch_entries')
      .where('batch', '=', id)
      .where('account', '=', account)
      .where('target', '=', target)

  return {
    async add(
      { by, selection, parallel, stopAfter }: Pick<Batch, 'by' | 'selection' | 'parallel' | 'stopAfter'>,
      accounts: readonly AccountAddress[],
      on: Database,
    ): Promise<string> {
      const now = clock.now()
      const id = newId('bat', now)
      await on
        .insertInto('rotation_batches')
        .values({
          ...{ id, by, selection: JSON.stringify(selection), parallel, stop_after: stopAfter ?? null },
          ...{ state: 'running', words: '', started_at: now },
        })
        .execute()
      for (let from = 0; from < accounts.length; from += ROWS_AT_ONCE) {
        const rows = accounts.slice(from, from + ROWS_AT_ONCE).map(({ account, target }) => ({
          ...{ batch: id, account, target, state: 'waiting', words: '' },
        }))
        await on.insertInto('rotation_batch_entries').values(rows).execute()
      }
      return id
    },

    async get(id: string): Promise<Batch | undefined> {
      const row = await database.selectFrom('rotation_batches').selectAll().where('id', '=', id).executeTakeFirst()
      return row && batchOf(row)
    },

    /** The newest first. */
    async list(limit: number): Promise<Batch[]> {
      const all = database.selectFrom('rotation_batches').selectAll()
      return (await all.orderBy('id', 'desc').limit(limit).execute()).map(batchOf)
    },

    async counts(id: string): Promise<BatchCounts> {
      const rows = await database
        .selectFrom('rotation_batch_entries')
        .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
        .where('batch', '=', id)
        .groupBy('state')
        .execute()
      const counts = new Map(rows.map(({ state, count }) => [state, Number(count)]))
      return Object.fromEntries(ENTRY_STATES.map(state => [state, counts.get(state) ?? 0])) as BatchCounts
    },

    /** Those that came to an end behind this place, in their order. */
    async ended(id: string, afterPlace: number, limit: number): Promise<BatchEntry[]> {
      const rows = await database
        .selectFrom('rotation_batch_entries')
        .selectAll()
        .where('batch', '=', id)
        .where('place', '>', afterPlace)
        .orderBy('place')
        .limit(limit)
        .execute()
      return rows.map(entryOf)
    },

    /** Those that were begun and did not come to an end: a gateway was killed, or stopped, meanwhile. Then those that wait. */
    async next(id: string, limit: number): Promise<BatchEntry[]> {
      const rows = await database
        .selectFrom('rotation_batch_entries')
        .selectAll()
        .where('batch', '=', id)
        .where('place', 'is', null)
        .orderBy(sql`case when state = 'running' then 0 else 1 end`)
        .orderBy('target')
        .orderBy('account')
        .limit(limit)
        .execute()
      return rows.map(entryOf)
    },

    /** False where the batch has been stopped: then it does not begin. */
    async begin(id: string, address: AccountAddress): Promise<boolean> {
      const { numUpdatedRows } = await entry(id, address)
        .set({ state: 'running', started_at: clock.now() })
        .where(({ exists, selectFrom }) =>
          exists(selectFrom('rotation_batches').select('id').where('id', '=', id).where('state', '=', 'running')),
        )
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    async end(id: string, address: AccountAddress, state: EntryState, words: string, place: number): Promise<void> {
      await entry(id, address).set({ state, words, place }).execute()
    },

    /** False where it is over already. */
    async close(id: string, state: Exclude<BatchState, 'running'>, words: string, on: Database): Promise<boolean> {
      const { numUpdatedRows } = await on
        .updateTable('rotation_batches')
        .set({ state, words, ended_at: clock.now() })
        .where('id', '=', id)
        .where('state', '=', 'running')
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
  }
}

function batchOf(row: RotationBatchTable): Batch {
  return {
    ...{ id: row.id, by: row.by, selection: JSON.parse(row.selection), parallel: row.parallel },
    ...{ stopAfter: row.stop_after ?? undefined, state: row.state as BatchState, words: row.words },
    ...{ startedAt: row.started_at, endedAt: row.ended_at ?? undefined },
  }
}

function entryOf(row: RotationBatchEntryTable): BatchEntry {
  return {
    ...{ account: row.account, target: row.target, state: row.state as EntryState, words: row.words },
    ...{ startedAt: row.started_at ?? undefined, place: row.place ?? undefined },
  }
}
