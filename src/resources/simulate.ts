/** What a proposal would have meant for the sessions that are recorded: which would have been refused, or have had less. */

import type { ApprovedThen } from '../access-requests/request-rows.ts'
import type { User } from '../identity/user.ts'
import type { Role } from '../policy/role.ts'
import { type PolicyWorld, type RecordedSession, type Simulated, simulateSession } from '../policy/simulate.ts'
import type { SessionRow, SessionStore } from '../session/records/session-store.ts'
import { givingWay } from '../shared/concurrency/give-way.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Target } from '../targets/target.ts'
import type { Proposal } from './apply.ts'
import type { Planned } from './plan.ts'
import type { Resource, ResourceKind } from './resource.ts'
import { StoredDocuments } from './stored-documents.ts'
import type { Stores } from './stores.ts'

export interface SimulateParts {
  readonly stores: Stores
  readonly sessions: Pick<SessionStore, 'list'>
  readonly approvedThen: ApprovedThen
  /** The gateway's factor lists, for roles that name none. */
  readonly defaults: FactorLists
}

export interface SimulateOptions {
  /** Milliseconds since the epoch: sessions that began since then, and before this. */
  readonly since: number
  readonly until: number
  /** So many sessions are listed; all are counted. */
  readonly limit: number
}

export interface ListedSession {
  readonly session: RecordedSession
  readonly outcome: Exclude<Simulated, { is: 'untouched' | 'allowed' }>
}

export interface Simulation {
  readonly sessions: number
  readonly counts: Readonly<Record<Simulated['is'], number>>
  /** How many were decided with a role that gave them, and that their user does not hold any more. */
  readonly assumed: number
  /** The newest first: those that would be refused before those that would have less. */
  readonly listed: readonly ListedSession[]
}

/** Read and decided so many at a time. */
const PAGE = 1000
const ORDER = ['refused', 'narrower', 'not-known', 'refused-already'] as const

export async function simulate(
  { planned }: Proposal,
  { stores, sessions, approvedThen, defaults }: SimulateParts,
  { since, until, limit }: SimulateOptions,
): Promise<Simulation> {
  const [now, proposed] = worldsOf(planned, stores)
  const counts = { untouched: 0, allowed: 0, narrower: 0, refused: 0, 'refused-already': 0, 'not-known': 0 }
  const found: Record<ListedSession['outcome']['is'], ListedSession[]> = {
    ...{ refused: [], narrower: [], 'not-known': [], 'refused-already': [] },
  }
  let assumed = 0
  function* each(
    rows: readonly SessionRow[],
    approved: Map<string, RecordedSession['approved']>,
  ): Generator<void, void> {
    for (const row of rows) {
      const session = recorded(row, approved)
      const outcome = simulateSession(session, now, proposed, defaults)
      counts[outcome.is]++
      if ('assumed' in outcome && outcome.assumed.length > 0) assumed++
      if (outcome.is !== 'untouched' && outcome.is !== 'allowed' && found[outcome.is].length < limit)
        found[outcome.is].push({ session, outcome })
      yield
    }
  }
  for (let before: SessionRow | undefined; ; ) {
    const rows = await sessions.list({ since, until, limit: PAGE, ...(before === undefined ? {} : { before }) })
    await givingWay(each(rows, await approvedThen(rows)))
    if (rows.length < PAGE) break
    before = rows.at(-1)!
  }
  return {
    sessions: Object.values(counts).reduce((sum, count) => sum + count, 0),
    counts,
    assumed,
    listed: ORDER.flatMap(is => found[is]).slice(0, limit),
  }
}

function recorded(row: SessionRow, approved: ReadonlyMap<string, RecordedSession['approved']>): RecordedSession {
  const { id, protocol, user, account, target, source, details } = row
  return {
    ...{ id, protocol, user, account, target, source, database: details.database },
    ...{ startedAt: row.started_at, endedAt: row.ended_at ?? undefined, roles: row.role.split(',') },
    approved: row.request === null ? undefined : (approved.get(id) ?? 'lost'),
  }
}

/** As it is, and as it would be: each entry that stays the same is the same object in both. */
function worldsOf({ puts, plan, seen }: Planned, stores: Stores): [PolicyWorld, PolicyWorld] {
  const of = <T extends Resource['value']>(kind: ResourceKind) => {
    const stored = new StoredDocuments(seen[kind], stores[kind].read)
    const changed = new Map(puts.filter(one => one.kind === kind).map(({ value }) => [value.name, value]))
    const gone = new Set(
      plan.changes.filter(one => one.kind === kind && one.action === 'delete').map(({ name }) => name),
    )
    const now = (name: string) => stored.get(name) as T | undefined
    const proposed = (name: string) =>
      gone.has(name) ? undefined : ((changed.get(name) as T | undefined) ?? now(name))
    return { now, proposed }
  }
  const [users, roles, targets] = [of<User>('user'), of<Role>('role'), of<Target>('target')]
  return [
    { user: users.now, role: roles.now, target: targets.now },
    { user: users.proposed, role: roles.proposed, target: targets.proposed },
  ]
}
