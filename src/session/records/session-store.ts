/** The sessions' rows: one from the grant to the end and kept afterwards. Nobody else writes to `sessions`. */

import type { Database } from '../../database/database.ts'
import type { SessionTable } from '../../database/schema.ts'
import { slices } from '../../database/slices.ts'
import { type Grant, loginDetail } from '../../policy/grant.ts'
import type { SealedRecording } from '../../recording/writing/recorder.ts'
import type { Clock } from '../../shared/clock.ts'
import type { KnownAtTarget } from '../protocol.ts'
import type { EndReason } from '../state.ts'

export interface SessionRow extends Omit<SessionTable, 'details' | 'at_target' | 'closed'> {
  readonly details: Record<string, string>
  readonly at_target: KnownAtTarget
  /** Null: nobody has looked, or it is not over. */
  readonly closed: ClosedSides | null
}

export interface SessionQuery {
  readonly state?: 'live' | 'ended'
  readonly user?: string
  readonly target?: string
  readonly protocol?: string
  /** Those that rest on this approved request. */
  readonly request?: string
  /** Milliseconds since the epoch: started at or after. */
  readonly since?: number
  /** Started before. */
  readonly until?: number
  /** Those that come after this one in the list. */
  readonly before?: Pick<SessionRow, 'id' | 'started_at'>
  /** At most this many, newest first; 100 unless told. */
  readonly limit?: number
}

export interface Ending {
  readonly reason: EndReason
  /** Where it was recorded and sealed. */
  readonly sealed?: SealedRecording | undefined
  /** Somebody changed the recording while it was being written: it is never sealed. */
  readonly tampered?: { readonly file: string; readonly why: string } | undefined
  /** As its own process saw them; not given: nobody has looked. */
  readonly closed?: ClosedSides | undefined
  /** Milliseconds since the epoch; now, unless told. */
  readonly at?: number
}

/** Which sides' sockets were closed when the session was written down as ended. */
export interface ClosedSides {
  readonly client: boolean
  readonly target: boolean
}

/** All states but `ended`. */
const LIVE = ['connecting', 'active']

export type SessionStore = ReturnType<typeof createSessionStore>

export function createSessionStore({
  database,
  clock,
  gateway,
}: {
  database: Database
  clock: Clock
  gateway: string
}) {
  return {
    async open(
      grant: Grant,
      source: string,
      recording: string,
      details: Record<string, string>,
      on: Database = database,
    ): Promise<void> {
      await on
        .insertInto('sessions')
        .values({
          id: grant.session,
          gateway,
          protocol: grant.target.protocol,
          user: grant.user,
          account: grant.account.name,
          target: grant.target.name,
          role: grant.role,
          request: grant.request ?? null,
          source,
          state: 'connecting',
          started_at: clock.now(),
          ended_at: null,
          end_reason: null,
          recording,
          recording_hash: null,
          recording_bytes: 0,
          details: JSON.stringify({ ...details, ...loginDetail(grant) }),
          at_target: null,
          closed: null,
        })
        .execute()
    },

    /** False when the session has ended meanwhile. */
    async activate(id: string, atTarget: KnownAtTarget, on: Database = database): Promise<boolean> {
      const result = await on
        .updateTable('sessions')
        .set({ state: 'active', at_target: JSON.stringify(atTarget) })
        .where('id', '=', id)
        .where('state', '=', 'connecting')
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },

    /** Ends a session once: false when it had ended already. */
    async end(
      id: string,
      { reason, sealed, closed, at = clock.now() }: Ending,
      on: Database = database,
    ): Promise<boolean> {
      const result = await on
        .updateTable('sessions')
        .set(({ eb }) => ({
          state: 'ended',
          // Also where the clock was set back meanwhile.
          ended_at: eb.case().when('started_at', '>', at).then(eb.ref('started_at')).else(at).end(),
          end_reason: reason,
          closed: closed === undefined ? null : JSON.stringify(closed),
          ...sealedColumns(sealed),
        }))
        .where('id', '=', id)
        .where('state', '<>', 'ended')
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },

    /** Notes the seal of a recording that was sealed after its session had ended. Once: false when a seal is noted already. */
    async noteSeal(id: string, sealed: SealedRecording, reason?: EndReason, on: Database = database): Promise<boolean> {
      const result = await on
        .updateTable('sessions')
        .set(sealedColumns(sealed))
        // Who ended it knew no better.
        .$if(reason !== undefined, update =>
          update.set(({ eb }) => ({
            end_reason: eb.case().when('end_reason', '=', 'interrupted').then(reason!).else(eb.ref('end_reason')).end(),
          })),
        )
        .where('id', '=', id)
        .where('recording_hash', 'is', null)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },

    /** First in every transaction that begins a session whose user may have one at a time: others of the user wait until it is over. */
    async takeTurn(user: string, on: Database): Promise<void> {
      await on
        .insertInto('session_turns')
        .values({ user, turn: 1 })
        .onConflict(conflict =>
          conflict.column('user').doUpdateSet(({ ref, eb }) => ({ turn: eb(ref('session_turns.turn'), '+', 1) })),
        )
        .execute()
    },

    /** The user's sessions that have not ended, on whichever gateway. */
    async liveOf(user: string, on: Database = database): Promise<SessionRow[]> {
      const rows = await on
        .selectFrom('sessions')
        .selectAll()
        .where('user', '=', user)
        .where('ended_at', 'is', null)
        .orderBy('started_at')
        .execute()
      return rows.map(readRow)
    },

    async get(id: string): Promise<SessionRow | undefined> {
      const row = await database.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst()
      return row && readRow(row)
    },

    async list(query: SessionQuery = {}): Promise<SessionRow[]> {
      let select = database.selectFrom('sessions').selectAll().orderBy('started_at', 'desc').orderBy('id', 'desc')
      // As a range of the index on states; of the ended there are so many that the one on their starts is the better road.
      if (query.state === 'live') select = select.where('state', 'in', LIVE)
      if (query.state === 'ended') select = select.where('state', 'not in', LIVE)
      for (const column of ['user', 'target', 'protocol', 'request'] as const) {
        if (query[column] !== undefined) select = select.where(column, '=', query[column])
      }
      const { since, until, before } = query
      if (since !== undefined) select = select.where('started_at', '>=', since)
      if (until !== undefined) select = select.where('started_at', '<', until)
      if (before !== undefined) {
        // Twice, so that the index begins there and not at the newest.
        select = select
          .where('started_at', '<=', before.started_at)
          .where(({ or, and, eb }) =>
            or([
              eb('started_at', '<', before.started_at),
              and([eb('started_at', '=', before.started_at), eb('id', '<', before.id)]),
            ]),
          )
      }
      return (await select.limit(query.limit ?? 100).execute()).map(readRow)
    },

    /** The addresses from which sessions began since then, the latest last. */
    async sourcesSince(since: number): Promise<string[]> {
      const rows = await database
        .selectFrom('sessions')
        .select('source')
        .where('started_at', '>=', since)
        .groupBy('source')
        .orderBy(({ fn }) => fn.max('started_at'))
        .execute()
      return rows.map(({ source }) => source)
    },

    /** When the session that began last did so; undefined while there is none. */
    async lastStart(): Promise<number | undefined> {
      const last = database.selectFrom('sessions').select('started_at').orderBy('started_at', 'desc').limit(1)
      return (await last.executeTakeFirst())?.started_at
    },

    /** Those of these sessions that have ended. */
    async endedAmong(ids: readonly string[]): Promise<string[]> {
      const ended: string[] = []
      for (const some of slices(ids)) {
        const rows = await database
          .selectFrom('sessions')
          .select('id')
          .where('id', 'in', some)
          .where('state', '=', 'ended')
          .execute()
        ended.push(...rows.map(row => row.id))
      }
      return ended
    },

    /** Of these sessions those that there are. */
    async getAll(ids: readonly string[], on: Database = database): Promise<SessionRow[]> {
      if (ids.length === 0) return []
      return (await on.selectFrom('sessions').selectAll().where('id', 'in', ids).execute()).map(readRow)
    },

    /** The sessions that are not ended and belong to none of these gateways. */
    async orphans(living: ReadonlySet<string>): Promise<SessionRow[]> {
      const rows = await database
        .selectFrom('sessions')
        .selectAll()
        .where('state', 'in', LIVE)
        .where('gateway', 'not in', [...living])
        .execute()
      return rows.map(readRow)
    },
  }
}

function sealedColumns(sealed: SealedRecording | undefined) {
  return sealed === undefined ? {} : { recording_hash: sealed.hash, recording_bytes: sealed.bytes }
}

function readRow(row: SessionTable): SessionRow {
  const { details, at_target: atTarget, closed } = row
  return {
    ...row,
    details: JSON.parse(details),
    at_target: atTarget === null ? {} : JSON.parse(atTarget),
    closed: closed === null ? null : JSON.parse(closed),
  }
}
