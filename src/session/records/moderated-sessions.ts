/** The rows of sessions that somebody must watch, from their waiting to their end: where moderators find them, on every gateway. */

import { z } from 'zod'
import type { Database } from '../../database/database.ts'
import type { ModeratedSessionTable } from '../../database/schema.ts'
import type { Grant } from '../../policy/grant.ts'
import type { Moderation, ModeratorDemand } from '../../policy/session-conditions.ts'
import type { Clock } from '../../shared/clock.ts'

export type ModeratedSession = Omit<ModeratedSessionTable, 'demands' | 'state'> & {
  readonly demands: readonly ModeratorDemand[]
  readonly state: 'waiting' | 'begun'
}

const demandsSchema = z.array(z.object({ role: z.string(), of: z.array(z.string()) }))
const MOST_LISTED = 1000

export type ModeratedSessions = ReturnType<typeof createModeratedSessions>

/** `gateway`: whose sessions it opens. */
export function createModeratedSessions({
  database,
  clock,
  gateway,
}: {
  readonly database: Database
  readonly clock: Clock
  readonly gateway: string
}) {
  return {
    async open(grant: Grant, { demands, waitMs }: Moderation, source: string): Promise<ModeratedSession> {
      const now = clock.now()
      const row = {
        ...{ id: grant.session, gateway, protocol: grant.target.protocol, user: grant.user, source },
        ...{ account: grant.account.name, target: grant.target.name, role: grant.role },
        ...{ request: grant.request ?? null, since_ms: now, waits_until_ms: now + waitMs },
      }
      const stored = { ...row, demands: JSON.stringify(demands), state: 'waiting' }
      await database.insertInto('moderated_sessions').values(stored).execute()
      return { ...row, demands, state: 'waiting' }
    },

    async begun(id: string): Promise<void> {
      await database.updateTable('moderated_sessions').set({ state: 'begun' }).where('id', '=', id).execute()
    },

    async remove(id: string): Promise<void> {
      await database.deleteFrom('moderated_sessions').where('id', '=', id).execute()
    },

    /** Of gateways that do not live any more. */
    async removeLeft(living: ReadonlySet<string>): Promise<void> {
      await database
        .deleteFrom('moderated_sessions')
        .where('gateway', 'not in', [...living])
        .execute()
    },

    async get(id: string): Promise<ModeratedSession | undefined> {
      const row = await database.selectFrom('moderated_sessions').selectAll().where('id', '=', id).executeTakeFirst()
      return row && readRow(row)
    },

    /** The oldest first. */
    async list(): Promise<ModeratedSession[]> {
      const rows = database.selectFrom('moderated_sessions').selectAll().orderBy('since_ms').limit(MOST_LISTED)
      return (await rows.execute()).map(readRow)
    },
  }
}

function readRow(row: ModeratedSessionTable): ModeratedSession {
  return {
    ...row,
    demands: demandsSchema.parse(JSON.parse(row.demands)),
    state: row.state === 'begun' ? 'begun' : 'waiting',
  }
}
