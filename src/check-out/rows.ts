/** Check-outs, the queue for them and its turns in the store. Nobody else writes to these tables. */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { CheckOutQueueTable, CheckOutTable } from '../database/schema.ts'
import type { Factor } from '../shared/factors.ts'
import { type AccountAddress, formatAccountAddress, parseAccountAddress } from '../shared/names.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import { after, type CheckOut, type CheckOutAct, type CheckOutEnd } from './check-out.ts'
import type { Waiting } from './take.ts'

export interface CheckOutQuery {
  readonly state?: 'open' | 'ended'
  readonly user?: string
  readonly target?: string
  readonly account?: string
  /** Those that began by this approved request. */
  readonly request?: string
  /** Those that come after this one in the list. */
  readonly before?: Pick<CheckOut, 'id' | 'startedAt'>
  readonly limit: number
}

export type QueueEntry = Waiting & AccountAddress

export type CheckOutRows = ReturnType<typeof createCheckOutRows>

export function createCheckOutRows(database: Database) {
  return {
    /** First in every transaction on check-outs of accounts that are one: others on them wait until it is over. Always in the same order. */
    async takeTurn(accounts: readonly AccountAddress[], on: Database): Promise<void> {
      await on
        .insertInto('check_out_turns')
        .values(accounts.map(({ account, target }) => ({ account, target, turn: 1 })))
        .onConflict(conflict =>
          conflict
            .columns(['account', 'target'])
            .doUpdateSet(({ ref, eb }) => ({ turn: eb(ref('check_out_turns.turn'), '+', 1) })),
        )
        .execute()
    },

    async insert(checkOut: CheckOut, on: Database): Promise<void> {
      await on.insertInto('check_outs').values(rowOf(checkOut)).execute()
    },

    /** Undefined where it had ended already, or the act is none for it. */
    async act(checkOut: CheckOut, act: CheckOutAct, on: Database): Promise<CheckOut | undefined> {
      const changed = after(checkOut, act)
      if (changed === undefined) return undefined
      const { until, revealed_at, ended_at, end_reason, ended_by } = rowOf(changed)
      const { numUpdatedRows } = await on
        .updateTable('check_outs')
        .set({ until, revealed_at, ended_at, end_reason, ended_by })
        .where('id', '=', checkOut.id)
        .where('ended_at', 'is', null)
        .where('until', '=', checkOut.until)
        .executeTakeFirst()
      return numUpdatedRows > 0n ? changed : undefined
    },

    async get(id: string, on = database): Promise<CheckOut | undefined> {
      const row = await on.selectFrom('check_outs').selectAll().where('id', '=', id).executeTakeFirst()
      return row && readRow(row)
    },

    /** Those of these accounts that are not written down as ended. */
    async openOf(accounts: readonly AccountAddress[], on = database): Promise<CheckOut[]> {
      const open = on.selectFrom('check_outs').selectAll().where('ended_at', 'is', null)
      const rows = await open.where(isOneOf(accounts)).orderBy('started_at').execute()
      return rows.map(readRow)
    },

    /** What is open of these targets' accounts, or of others that may be the same login, and what of these targets' has ended since then. */
    async openOrEndedSince(targets: readonly string[], since: number): Promise<CheckOut[]> {
      const all = database.selectFrom('check_outs').selectAll()
      const wanted = new Set(targets)
      const ended = await all.where('ended_at', '>=', since).execute()
      const several = await all.where('ended_at', 'is', null).where('also', 'is not', null).execute()
      const found = [
        ...ended.filter(({ target }) => wanted.has(target)),
        ...several.filter(({ target }) => !wanted.has(target)),
      ].map(readRow)
      for (let from = 0; from < targets.length; from += 500) {
        const some = targets.slice(from, from + 500)
        const open = await all.where('ended_at', 'is', null).where('target', 'in', some).execute()
        found.push(...open.map(readRow))
      }
      return found
    },

    /** The first of those that somebody has alone now. */
    async exclusive(now: number, limit: number): Promise<CheckOut[]> {
      const select = database
        .selectFrom('check_outs')
        .selectAll()
        .where('ended_at', 'is', null)
        .where('exclusive', '=', 1)
      return (await select.where('until', '>', now).orderBy('until', 'desc').limit(limit).execute()).map(readRow)
    },

    /** All that are open, so many at a time. */
    async *open(size = 1000): AsyncIterable<CheckOut[]> {
      let last = ''
      for (;;) {
        const select = database
          .selectFrom('check_outs')
          .selectAll()
          .where('ended_at', 'is', null)
          .where('id', '>', last)
        const rows = await select.orderBy('id').limit(size).execute()
        if (rows.length > 0) yield rows.map(readRow)
        if (rows.length < size) return
        last = rows.at(-1)!.id
      }
    },

    /** Newest first. */
    async list({ state, before, limit, ...equal }: CheckOutQuery): Promise<CheckOut[]> {
      let select = database.selectFrom('check_outs').selectAll().orderBy('started_at', 'desc').orderBy('id', 'desc')
      if (state === 'open') select = select.where('ended_at', 'is', null)
      if (state === 'ended') select = select.where('ended_at', 'is not', null)
      for (const column of ['user', 'target', 'account', 'request'] as const) {
        if (equal[column] !== undefined) select = select.where(column, '=', equal[column])
      }
      if (before !== undefined) {
        select = select.where(({ or, and, eb }) =>
          or([
            eb('started_at', '<', before.startedAt),
            and([eb('started_at', '=', before.startedAt), eb('id', '<', before.id)]),
          ]),
        )
      }
      return (await select.limit(limit).execute()).map(readRow)
    },

    /** Who waits for accounts that are one; the first is next: who has it offered, then who asked first. */
    async queueOf(accounts: readonly AccountAddress[], on = database): Promise<QueueEntry[]> {
      const all = on.selectFrom('check_out_queue').selectAll().where(isOneOf(accounts))
      const rows = await all.orderBy('asked_at').orderBy('id').execute()
      return rows
        .map(readEntry)
        .sort((a, b) => Number(a.offeredUntil === undefined) - Number(b.offeredUntil === undefined))
    },

    /** The accounts that somebody waits for. */
    async waitedFor(): Promise<AccountAddress[]> {
      return database.selectFrom('check_out_queue').select(['account', 'target']).distinct().execute()
    },

    async waitingOf(user: string): Promise<QueueEntry[]> {
      const all = database.selectFrom('check_out_queue').selectAll().where('user', '=', user)
      return (await all.orderBy('asked_at').execute()).map(readEntry)
    },

    async enqueue({ id, user, account, target, askedAt }: QueueEntry, on: Database): Promise<void> {
      await on
        .insertInto('check_out_queue')
        .values({ id, user, account, target, asked_at: askedAt, offered_until: null })
        .execute()
    },

    async offer(id: string, until: number, on: Database): Promise<void> {
      await on.updateTable('check_out_queue').set({ offered_until: until }).where('id', '=', id).execute()
    },

    async leaveQueue(id: string, on: Database): Promise<void> {
      await on.deleteFrom('check_out_queue').where('id', '=', id).execute()
    },
  }
}

function isOneOf(accounts: readonly AccountAddress[]) {
  const each = accounts.map(({ account, target }) => sql`(target = ${target} and account = ${account})`)
  return sql<boolean>`(${sql.join(each, sql` or `)})`
}

function rowOf(checkOut: CheckOut): CheckOutTable {
  const { id, user, account, target, way, source, gateway, until, state } = checkOut
  return {
    ...{ id, user, account, target, way, source, gateway, until },
    also: checkOut.also.length === 0 ? null : checkOut.also.map(formatAccountAddress).join(' '),
    exclusive: checkOut.exclusive ? 1 : 0,
    open_sessions: checkOut.openSessions,
    request: checkOut.request ?? null,
    reason: checkOut.reason ?? null,
    ticket: checkOut.ticket ?? null,
    proven: [...checkOut.proven].join(','),
    started_at: checkOut.startedAt,
    revealed_at: checkOut.revealedAt ?? null,
    ended_at: state.is === 'ended' ? state.at : null,
    end_reason: state.is === 'ended' ? state.reason : null,
    ended_by: state.is === 'ended' ? state.by : null,
  }
}

function readRow(row: CheckOutTable): CheckOut {
  const { id, user, account, target, source, gateway, until, ended_at: endedAt } = row
  return {
    ...{ id, user, account, target, source, gateway, until },
    also: (row.also ?? '').split(' ').flatMap(name => parseAccountAddress(name) ?? []),
    exclusive: row.exclusive === 1,
    way: row.way as CheckOutWay,
    openSessions: row.open_sessions as CheckOut['openSessions'],
    request: row.request ?? undefined,
    reason: row.reason ?? undefined,
    ticket: row.ticket ?? undefined,
    proven: new Set(row.proven.split(',').filter(word => word !== '') as Factor[]),
    startedAt: row.started_at,
    revealedAt: row.revealed_at ?? undefined,
    state:
      endedAt === null
        ? { is: 'open' }
        : { is: 'ended', at: endedAt, reason: row.end_reason as CheckOutEnd, by: row.ended_by ?? 'gateway' },
  }
}

function readEntry({ id, user, account, target, asked_at, offered_until }: CheckOutQueueTable): QueueEntry {
  return { ...{ id, user, account, target }, askedAt: asked_at, offeredUntil: offered_until ?? undefined }
}
