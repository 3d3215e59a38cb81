/** The rows of requests and of the decisions on them. Nobody else writes to `access_requests` and `access_decisions`. */

import type { Database } from '../database/database.ts'
import type { AccessRequestTable } from '../database/schema.ts'
import { slices } from '../database/slices.ts'
import type { ApprovedAccess } from '../policy/approved.ts'
import type { Clock } from '../shared/clock.ts'
import type { AskedAccess, RequestedAccess, RequestState, RequestStateName, RequestWish } from './request.ts'

interface ApprovedOfParts {
  readonly database: Database
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  /** How much that is ahead of the one by which policy decides, in milliseconds. */
  readonly aheadMs: () => number
}

/** Of one user: what an approval gives now, or will; what is over by the clock is not in it, whatever its state says. */
export function createApprovedOf({ database, clock, aheadMs }: ApprovedOfParts) {
  return async (user: string): Promise<ApprovedAccess[]> => {
    const rows = await database
      .selectFrom('access_requests')
      .selectAll()
      .where('user', '=', user)
      .where('state', 'in', ['approved', 'active'])
      .where('withdrawn', '=', 0)
      .execute()
    const ahead = aheadMs()
    return rows
      .flatMap(row => approvedBy(readRequest(row), clock.now()))
      .map(one => ({ ...one, startsAt: one.startsAt - ahead, endsAt: one.endsAt - ahead }))
  }
}

/** The sessions of these that rested on a request: what it had given them, at the time at which they began. By session. */
export type ApprovedThen = ReturnType<typeof createApprovedThen>

export function createApprovedThen({ database }: { database: Database }) {
  return async (
    sessions: readonly { readonly id: string; readonly request: string | null; readonly started_at: number }[],
  ): Promise<Map<string, ApprovedAccess>> => {
    const ids = [...new Set(sessions.flatMap(({ request }) => request ?? []))]
    const requests = new Map<string, RequestedAccess>()
    for (const some of slices(ids)) {
      const rows = await database.selectFrom('access_requests').selectAll().where('id', 'in', some).execute()
      for (const row of rows) requests.set(row.id, readRequest(row))
    }
    return new Map(
      sessions.flatMap(({ id, request, started_at: startsAt }) => {
        const found = requests.get(request ?? '')
        const given = found !== undefined && 'given' in found.state ? found.state.given : undefined
        if (found === undefined || given === undefined) return []
        const { targets, accounts, channels, databases, lengthMs } = given
        const { id: name, role, offer } = found
        return [
          [
            id,
            {
              request: name,
              role,
              offer,
              targets,
              accounts,
              channels,
              databases,
              startsAt,
              endsAt: startsAt + lengthMs,
            },
          ],
        ]
      }),
    )
  }
}

/** What the request gives, as policy reads it. */
export function approvedBy(request: RequestedAccess, now: number): ApprovedAccess[] {
  const { id, role, offer, state, extensionOf, kind } = request
  // More time for another request is that one's, and a permanent wish gives nothing by itself.
  if ((state.is !== 'approved' && state.is !== 'active') || extensionOf !== undefined || kind !== 'access') return []
  const { targets, accounts, channels, databases, lengthMs } = state.given
  const endsAt = endOf(state, now, lengthMs)
  if (endsAt <= now) return []
  return [{ request: id, role, offer, targets, accounts, channels, databases, startsAt: state.startsAt, endsAt }]
}

function endOf(state: Extract<RequestState, { is: 'approved' | 'active' }>, now: number, lengthMs: number): number {
  if (state.is === 'active') return state.endsAt
  if (state.begins.with === 'time') return state.begins.endsAt
  return now < state.begins.useBy ? Math.max(now, state.startsAt) + lengthMs : now
}

export function readRequest(row: AccessRequestTable): RequestedAccess {
  return {
    id: row.id,
    kind: row.kind as RequestedAccess['kind'],
    user: row.user,
    role: row.role,
    offer: row.offer,
    wish: JSON.parse(row.wish) as RequestWish,
    extensionOf: row.extension_of ?? undefined,
    askedAt: row.asked_at,
    revision: row.revision,
    state: readState(row),
  }
}

function readState(row: AccessRequestTable): RequestState {
  const is = row.state as RequestStateName
  const given = row.given === null ? undefined : (JSON.parse(row.given) as AskedAccess)
  const [startsAt, endsAt] = [row.starts_at ?? undefined, row.ends_at ?? undefined]
  switch (is) {
    case 'pending':
      return { is, stage: row.stage, stageSince: row.stage_since, expiresAt: row.expires_at }
    case 'approved': {
      const begins =
        endsAt === undefined
          ? ({ with: 'first-use', useBy: row.expires_at } as const)
          : ({ with: 'time', endsAt } as const)
      return { is, given: given!, startsAt: startsAt!, begins }
    }
    case 'active':
      return { is, given: given!, startsAt: startsAt!, endsAt: endsAt! }
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'ended':
    case 'revoked':
      return { is, given, startsAt, endsAt, at: row.ended_at!, by: row.ended_by!, words: row.words ?? undefined }
  }
}
