/** The rows of requests and of the decisions on them. Nobody else writes to `access_requests` and `access_decisions`. */

import { type ExpressionBuilder, sql } from 'kysely'
import type { Database } from '../database/database.ts'
import { locksRows } from '../database/policy-lock.ts'
import { holdRequests, holdThoseRequests, type ThoseRequests } from '../database/request-lock.ts'
import type { AccessRequestTable, Schema } from '../database/schema.ts'
import { slices } from '../database/slices.ts'
import type { ApprovedAccess } from '../policy/approved.ts'
import type { Clock } from '../shared/clock.ts'
import {
  type AskedAccess,
  isOpen,
  OPEN_STATES,
  type RequestedAccess,
  type RequestState,
  type RequestStateName,
  type RequestWish,
} from './request.ts'
import type { Review } from './review/evaluate.ts'
import { createSteadyEnds } from './steady-ends.ts'
import { plannedEnd, plannedEndOf } from './transition.ts'

export interface RequestQuery {
  readonly user?: string | undefined
  readonly states?: readonly RequestStateName[] | undefined
  /** By these, or with a further step that a review asked for. */
  readonly roles?: readonly string[] | undefined
  /** Not given: the newest first. */
  readonly order?: 'oldest-first' | undefined
  /** Those that come after this one in the list. */
  readonly before?: Pick<RequestedAccess, 'id' | 'askedAt'> | undefined
  readonly limit: number
}

/** Names of what requests rest on. */
export interface RequestGround {
  readonly users: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly targets: ReadonlySet<string>
}

export interface Decision {
  readonly approver: string
  readonly stage: number
  readonly decision: 'approve' | 'deny'
  readonly reason: string | undefined
  /** By which approver of the offer they might. */
  readonly rule: string
  /** What was proven anew for it. */
  readonly factors: string
  readonly at: number
}

export type RequestRows = ReturnType<typeof createRequestRows>

export function createRequestRows(database: Database) {
  return {
    async insert(request: RequestedAccess, on: Database): Promise<void> {
      await on
        .insertInto('access_requests')
        .values({ ...rowOf(request), withdrawn: 0 })
        .execute()
    },

    async get(id: string, on: Database = database): Promise<RequestedAccess | undefined> {
      const row = await on.selectFrom('access_requests').selectAll().where('id', '=', id).executeTakeFirst()
      return row && readRequest(row)
    },

    /** Those of these that there are, by id. */
    async getAll(ids: readonly string[]): Promise<RequestedAccess[]> {
      const found: RequestedAccess[] = []
      for (const some of slices(ids)) {
        const rows = await database.selectFrom('access_requests').selectAll().where('id', 'in', some).execute()
        found.push(...rows.map(readRequest))
      }
      return found.sort((a, b) => (a.id < b.id ? -1 : 1))
    },

    /** False where somebody else has changed it since `before` was read, or it is to go on and its ground is gone. */
    async change(before: RequestedAccess, after: RequestedAccess, on: Database): Promise<boolean> {
      await holdRequests('change', [before.id], on)
      let update = on
        .updateTable('access_requests')
        .set(rowOf(after))
        .where('id', '=', before.id)
        .where('revision', '=', before.revision)
      if (isOpen(after)) update = update.where('withdrawn', '=', 0)
      const { numUpdatedRows } = await update.executeTakeFirst()
      return numUpdatedRows > 0n
    },

    /** What it rests on is gone: it gives nothing from the end of this transaction on, and ends for that reason. */
    async withdraw(ids: readonly string[], words: string, on: Database): Promise<void> {
      await holdRequests('change', ids, on)
      for (const some of slices(ids)) {
        const update = on.updateTable('access_requests').set({ withdrawn: 1, words })
        await update.where('id', 'in', some).where('state', 'in', OPEN_STATES).where('withdrawn', '=', 0).execute()
      }
    },

    /**
     * Whether it gives something still: whoever changes it in this moment comes before, or after this transaction. `use`: others use it at the
     * same time; `begin`: nobody else, since its state will be changed.
     */
    async hold(id: string, how: 'use' | 'begin', on: Database): Promise<RequestedAccess | undefined> {
      await holdRequests(how === 'use' ? 'use' : 'change', [id], on)
      const select = on
        .selectFrom('access_requests')
        .selectAll()
        .where('id', '=', id)
        .where('state', 'in', ['approved', 'active'])
        .where('withdrawn', '=', 0)
      const locking = how === 'use' ? select.forShare() : select.forUpdate()
      const row = await (locksRows(on) ? locking : select).executeTakeFirst()
      return row && readRequest(row)
    },

    /**
     * What this user asked for, and these requests, are as they are until the transaction is over. Taken in one order: two approvers who hold what
     * the other one wants would wait for each other.
     */
    async holdOf(user: string, ids: readonly string[], on: Database): Promise<void> {
      if (!locksRows(on)) return
      const those: ThoseRequests = ({ or, and, eb }) =>
        or([eb('id', 'in', ids), and([eb('user', '=', user), eb('state', 'in', OPEN_STATES)])])
      await holdThoseRequests(those, on)
      await on.selectFrom('access_requests').select('id').where(those).orderBy('id').forUpdate().execute()
    },

    async list(
      { user, states, roles, order, before, limit }: RequestQuery,
      on: Database = database,
    ): Promise<RequestedAccess[]> {
      const [direction, further] = order === 'oldest-first' ? (['asc', '>'] as const) : (['desc', '<'] as const)
      let select = on.selectFrom('access_requests').selectAll().orderBy('asked_at', direction).orderBy('id', direction)
      if (user !== undefined) select = select.where('user', '=', user)
      if (states !== undefined) select = select.where('state', 'in', states)
      if (roles !== undefined)
        select = select.where(({ or, eb }) =>
          or([eb('role', 'in', roles.length > 0 ? roles : ['']), eb('asks_more', '=', 1)]),
        )
      if (before !== undefined)
        select = select.where(({ or, and, eb }) =>
          or([
            eb('asked_at', further, before.askedAt),
            and([eb('asked_at', '=', before.askedAt), eb('id', further, before.id)]),
          ]),
        )
      return (await select.limit(limit).execute()).map(readRequest)
    },

    /** Of these, those of which nothing can become any more. */
    async overAmong(ids: readonly string[]): Promise<string[]> {
      const over: string[] = []
      for (const some of slices(ids)) {
        const rows = await database
          .selectFrom('access_requests')
          .select('id')
          .where('id', 'in', some)
          .where('state', 'not in', OPEN_STATES)
          .execute()
        over.push(...rows.map(({ id }) => id))
      }
      return over
    },

    /** Those that something can still become of, so many at a time; `about`: at least all that are by one of these, or name one. */
    async *open(size: number, on: Database = database, about?: RequestGround): AsyncGenerator<RequestedAccess[]> {
      let after = ''
      for (;;) {
        let select = on
          .selectFrom('access_requests')
          .selectAll()
          .where('state', 'in', OPEN_STATES)
          .where('id', '>', after)
          .orderBy('id')
          .limit(size)
        if (about !== undefined) select = select.where(naming(about))
        const rows = await select.execute()
        if (rows.length === 0) return
        yield rows.map(readRequest)
        after = rows.at(-1)!.id
      }
    },

    /** Nobody else asks for something in this user's name before the transaction is over. */
    async holdAskingOf(user: string, on: Database): Promise<void> {
      if (locksRows(on)) await sql`select pg_advisory_xact_lock(hashtext(${`access-requests of ${user}`}))`.execute(on)
    },

    /** Of one user: how many are open, and how many were asked for since. */
    async countOf(user: string, since: number, on: Database = database): Promise<{ open: number; since: number }> {
      const rows = await on
        .selectFrom('access_requests')
        .select(['state', 'asked_at'])
        .where('user', '=', user)
        .where(({ or, eb }) => or([eb('state', 'in', OPEN_STATES), eb('asked_at', '>=', since)]))
        .execute()
      return {
        open: rows.filter(({ state }) => OPEN_STATES.some(open => open === state)).length,
        since: rows.filter(({ asked_at }) => asked_at >= since).length,
      }
    },

    async decide(request: string, decision: Decision, on: Database): Promise<void> {
      const { approver, stage, reason, rule, factors, at } = decision
      await on
        .insertInto('access_decisions')
        .values({
          ...{ request, approver, stage, factors },
          ...{ decision: decision.decision, reason: reason ?? null, by_rule: rule, decided_at: at },
        })
        .execute()
    },

    /** In their order. */
    async decisionsOn(request: string, on: Database = database): Promise<Decision[]> {
      const rows = await on
        .selectFrom('access_decisions')
        .selectAll()
        .where('request', '=', request)
        .orderBy('decided_at')
        .orderBy('approver')
        .execute()
      return rows.map(({ approver, stage, decision, reason, by_rule, factors, decided_at }) => ({
        ...{ approver, stage, factors },
        decision: decision as Decision['decision'],
        ...{ reason: reason ?? undefined, rule: by_rule, at: decided_at },
      }))
    },

    /** Who has approved what so far, of these requests; by request, in their order. */
    async approvalsOf(requests: readonly string[]): Promise<Map<string, { approver: string; stage: number }[]>> {
      const found: { request: string; approver: string; stage: number }[] = []
      for (const some of slices(requests)) {
        const select = database.selectFrom('access_decisions').select(['request', 'approver', 'stage'])
        const approvals = select.where('request', 'in', some).where('decision', '=', 'approve')
        found.push(...(await approvals.orderBy('decided_at').orderBy('approver').execute()))
      }
      return Map.groupBy(found, ({ request }) => request)
    },

    /** Who has now, or will, what each of these has approved; by approver. */
    async approvedBy(approvers: readonly string[]): Promise<Map<string, string[]>> {
      const found: { user: string; approver: string }[] = []
      for (const some of slices(approvers)) {
        const select = database
          .selectFrom('access_decisions')
          .innerJoin('access_requests', 'access_requests.id', 'access_decisions.request')
          .select(['access_requests.user', 'access_decisions.approver'])
          .distinct()
          .where('access_decisions.approver', 'in', some)
          .where('access_decisions.decision', '=', 'approve')
          .where('access_requests.state', 'in', ['approved', 'active'])
        found.push(...(await select.execute()))
      }
      const byApprover = Map.groupBy(found, ({ approver }) => approver)
      return new Map([...byApprover].map(([approver, those]) => [approver, those.map(({ user }) => user)]))
    },

    /** Who has approved what each of these users has now, or will; by user, sorted. */
    async approversOf(users: readonly string[], on: Database = database): Promise<Map<string, string[]>> {
      const found: { user: string; approver: string }[] = []
      for (const some of slices(users)) {
        const select = on
          .selectFrom('access_requests')
          .innerJoin('access_decisions', 'access_decisions.request', 'access_requests.id')
          .select(['access_requests.user', 'access_decisions.approver'])
          .distinct()
          .where('access_requests.user', 'in', some)
          .where('access_requests.state', 'in', ['approved', 'active'])
          .where('access_decisions.decision', '=', 'approve')
        found.push(...(await select.execute()))
      }
      const byUser = Map.groupBy(found, ({ user }) => user)
      return new Map([...byUser].map(([user, those]) => [user, those.map(({ approver }) => approver).sort()]))
    },
  }
}

/** More names than that are not looked for one by one: all requests are read. */
const MOST_NAMES = 100

function naming({ users, roles, targets }: RequestGround) {
  return ({ or, eb, lit }: ExpressionBuilder<Schema, 'access_requests'>) => {
    if (users.size + roles.size + targets.size > MOST_NAMES) return lit(true)
    // As JSON: in a name `_` stands for itself, and here for anything, which finds more.
    const named = [...targets].flatMap(name => {
      const pattern = `%${JSON.stringify(name)}%`
      return [eb('wish', 'like', pattern), eb('given', 'like', pattern)]
    })
    const among = (column: 'user' | 'role', names: ReadonlySet<string>) =>
      names.size === 0 ? [] : [eb(column, 'in', [...names])]
    return or([...among('user', users), ...among('role', roles), ...named])
  }
}

interface ApprovedOfParts {
  readonly database: Database
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  /** How much that is ahead of the one by which policy decides, in milliseconds. */
  readonly aheadMs: () => number
  /** The clock of this process; not given: `clock`. */
  readonly steady?: Clock
}

/** Of one user: what an approval gives now, or will; what is over by the clock is not in it, whatever its state says. */
export function createApprovedOf({ database, clock, aheadMs, steady = clock }: ApprovedOfParts) {
  const steadyEnd = createSteadyEnds(steady)
  return async (user: string): Promise<ApprovedAccess[]> => {
    const rows = await database
      .selectFrom('access_requests')
      .selectAll()
      .where('user', '=', user)
      .where('state', 'in', ['approved', 'active'])
      .where('withdrawn', '=', 0)
      .execute()
    const ahead = aheadMs()
    const now = clock.now()
    return rows.flatMap(row => {
      const request = readRequest(row)
      // What is not used yet has no end that could be missed.
      const end = plannedEndOf(request)
      const until = end === undefined ? Number.POSITIVE_INFINITY : steadyEnd(request.id, end, now)
      return approvedBy(request, now).flatMap(one => {
        const endsAt = Math.min(one.endsAt, until)
        return endsAt <= now ? [] : [{ ...one, startsAt: one.startsAt - ahead, endsAt: endsAt - ahead }]
      })
    })
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
        const { targets, accounts, opens, channels, databases, lengthMs } = given
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
              opens,
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
  const { id, role, offer, state, extensionOf, kind, withdrawn } = request
  if (withdrawn !== undefined) return []
  // More time for another request is that one's, and a permanent wish gives nothing by itself.
  if ((state.is !== 'approved' && state.is !== 'active') || extensionOf !== undefined || kind !== 'access') return []
  const { startsAt, given } = state
  const { targets, accounts, opens, channels, databases } = given
  const endsAt = endOf(state, now, given.lengthMs)
  if (endsAt <= now) return []
  return [{ request: id, role, offer, targets, accounts, opens, channels, databases, startsAt, endsAt }]
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
    ...(row.review === null ? {} : { review: JSON.parse(row.review) as Review }),
    revision: row.revision,
    state: readState(row),
    ...(row.withdrawn === 1 ? { withdrawn: row.words ?? 'its user, its role or its target was removed' } : {}),
  }
}

/** All but whether what it rests on is gone: that is never taken back. */
function rowOf(request: RequestedAccess): Omit<AccessRequestTable, 'withdrawn'> {
  const { id, kind, user, role, offer, wish, extensionOf, askedAt, revision, state, review } = request
  return {
    ...{ id, kind, user, role, offer, revision },
    wish: JSON.stringify(wish),
    review: review === undefined ? null : JSON.stringify(review),
    asks_more: review?.also === undefined ? 0 : 1,
    extension_of: extensionOf ?? null,
    asked_at: askedAt,
    state: state.is,
    given: state.given === undefined ? null : JSON.stringify(state.given),
    ...{ stage: 0, stage_since: askedAt, expires_at: askedAt },
    ...{ starts_at: null, ends_at: null, ended_at: null, ended_by: null, words: null },
    ...columnsOf(state),
  }
}

function columnsOf(state: RequestState): Partial<AccessRequestTable> {
  switch (state.is) {
    case 'pending':
      return { stage: state.stage, stage_since: state.stageSince, expires_at: state.expiresAt }
    case 'approved':
    case 'active': {
      const useBy = state.is === 'approved' && state.begins.with === 'first-use' ? state.begins.useBy : state.startsAt
      return { starts_at: state.startsAt, ends_at: plannedEnd(state) ?? null, expires_at: useBy }
    }
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'ended':
    case 'revoked':
      return {
        starts_at: state.startsAt ?? null,
        ends_at: state.endsAt ?? null,
        ended_at: state.at,
        ended_by: state.by,
        words: state.words ?? null,
      }
  }
}

function readState(row: AccessRequestTable): RequestState {
  const is = row.state as RequestStateName
  const given = row.given === null ? undefined : (JSON.parse(row.given) as AskedAccess)
  const [startsAt, endsAt] = [row.starts_at ?? undefined, row.ends_at ?? undefined]
  switch (is) {
    case 'pending':
      return { is, stage: row.stage, stageSince: row.stage_since, expiresAt: row.expires_at, given: given! }
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
