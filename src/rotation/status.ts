/** What is due, overdue, failed, unknown or never verified, of all accounts that have a credential: counted by the store, listed page by page. */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { Targets } from '../targets/targets.ts'
import type { AccountState, VerifiedResult } from './account-states.ts'
import { policyOf, type RotationPolicies } from './policies/policies.ts'
import type { OpenState } from './rotation.ts'

export const STATUS_CONDITIONS = ['due', 'overdue', 'failed', 'unknown', 'never-verified', 'open'] as const
export type StatusCondition = (typeof STATUS_CONDITIONS)[number]

export interface AccountStatus extends AccountAddress {
  readonly state: AccountState
  /** Since it was last good. */
  readonly failures: number
  /** What was last said of it that was not good; of a rotation that is open, of that. */
  readonly words: string
  readonly rotatedAt: number | undefined
  readonly verifiedAt: number | undefined
  readonly verifiedResult: VerifiedResult | undefined
  /** When it is rotated next, where that is planned. */
  readonly dueAt: number | undefined
  readonly overdue: boolean
  readonly policy: string | undefined
  /** The one that is open. */
  readonly rotation: { readonly id: string; readonly state: OpenState; readonly nextAt: number } | undefined
}

export interface StatusFilter {
  readonly account?: string | undefined
  readonly target?: string | undefined
  /** Those of which one of these is true; none given: all. */
  readonly conditions: readonly StatusCondition[]
  /** Those that come after this one in the list. */
  readonly after?: AccountAddress | undefined
  readonly limit: number
}

/** How many accounts there are, and of how many each is true. */
export type StatusCounts = Readonly<Record<StatusCondition | 'accounts', number>>

export interface AccountStatuses {
  counts(): Promise<StatusCounts>
  /** By target and account. */
  list(filter: StatusFilter): Promise<AccountStatus[]>
}

/** What is due is begun within seconds where gateways run and the target answers. */
const OVERDUE_AFTER_MS = 60 * 60_000

const COUNT = sql<number>`count(*)`.as('count')

async function counted(query: { executeTakeFirstOrThrow(): Promise<{ count: number }> }): Promise<number> {
  // PostgreSQL's counts are bigints, which its driver has as text.
  return Number((await query.executeTakeFirstOrThrow()).count)
}

export function createAccountStatuses(parts: {
  database: Database
  /** The store's, where several gateways share it. */
  clock: Clock
  policies: Pick<RotationPolicies, 'list'>
  targets: Pick<Targets, 'getAll'>
}): AccountStatuses {
  const { database, clock } = parts
  const all = () =>
    database
      .selectFrom('credential_bindings as held')
      .leftJoin('credential_states as at', join =>
        join.onRef('at.account', '=', 'held.account').onRef('at.target', '=', 'held.target'),
      )
      .leftJoin('rotations as open', join =>
        join
          .onRef('open.account', '=', 'held.account')
          .onRef('open.target', '=', 'held.target')
          .on('open.ended_at', 'is', null),
      )
      .leftJoin('jobs as job', join =>
        join.on('job.kind', '=', 'rotate').on('job.key', '=', sql<string>`held.account || '@' || held.target`),
      )

  const isTrue = (condition: StatusCondition) => {
    const now = clock.now()
    switch (condition) {
      case 'due':
        return sql<boolean>`job.due_at <= ${now}`
      case 'overdue':
        return sql<boolean>`job.due_at <= ${now - OVERDUE_AFTER_MS}`
      case 'failed':
      case 'unknown':
        return sql<boolean>`at.state = ${condition}`
      case 'never-verified':
        return sql<boolean>`at.verified_at is null`
      case 'open':
        return sql<boolean>`open.id is not null`
    }
  }

  return {
    /** Each from the smallest table that tells: all of them joined take as long as everything else. */
    async counts() {
      const now = clock.now()
      const due = (by: number) =>
        counted(database.selectFrom('jobs').where('kind', '=', 'rotate').where('due_at', '<=', by).select(COUNT))
      const inState = (state: AccountState) =>
        counted(database.selectFrom('credential_states').where('state', '=', state).select(COUNT))
      const held = database.selectFrom('credential_bindings as held')
      const verified = held
        .innerJoin('credential_states as at', join =>
          join.onRef('at.account', '=', 'held.account').onRef('at.target', '=', 'held.target'),
        )
        .where('at.verified_at', 'is not', null)
        .select(COUNT)
      const [accounts, everVerified, dueNow, overdue, failed, unknown, open] = await Promise.all([
        ...[counted(held.select(COUNT)), counted(verified), due(now), due(now - OVERDUE_AFTER_MS), inState('failed')],
        ...[inState('unknown'), counted(database.selectFrom('rotations').where('ended_at', 'is', null).select(COUNT))],
      ] as const)
      const neverVerified = Math.max(0, accounts! - everVerified!)
      return {
        ...{ accounts: accounts!, due: dueNow!, overdue: overdue!, failed: failed!, unknown: unknown!, open: open! },
        'never-verified': neverVerified,
      }
    },

    async list({ account, target, conditions, after, limit }) {
      let select = all()
        .select(['held.account', 'held.target', 'at.state', 'at.words', 'at.failures', 'at.rotated_at'])
        .select(['at.verified_at', 'at.verified_result', 'job.due_at'])
        .select(['open.id', 'open.state as open_state', 'open.words as open_words', 'open.next_at'])
        .orderBy('held.target')
        .orderBy('held.account')
        .limit(limit)
      if (account !== undefined) select = select.where('held.account', '=', account)
      if (target !== undefined) select = select.where('held.target', '=', target)
      if (conditions.length > 0) select = select.where(({ or }) => or(conditions.map(isTrue)))
      if (after !== undefined) {
        select = select.where(({ eb, or, and }) =>
          or([
            eb('held.target', '>', after.target),
            and([eb('held.target', '=', after.target), eb('held.account', '>', after.account)]),
          ]),
        )
      }
      const rows = await select.execute()
      const policyName = await policyNames(rows)
      return rows.map(row => ({
        ...{ account: row.account, target: row.target, state: (row.state ?? 'ok') as AccountState },
        ...{ failures: row.failures ?? 0, words: row.open_words || row.words || '' },
        ...{ rotatedAt: row.rotated_at ?? undefined, verifiedAt: row.verified_at ?? undefined },
        verifiedResult: (row.verified_result ?? undefined) as VerifiedResult | undefined,
        dueAt: row.due_at ?? undefined,
        overdue: row.due_at !== null && row.due_at <= clock.now() - OVERDUE_AFTER_MS,
        policy: policyName(row),
        rotation:
          row.id === null ? undefined : { id: row.id, state: row.open_state as OpenState, nextAt: row.next_at! },
      }))
    },
  }

  /** Of the accounts of a page. */
  async function policyNames(page: readonly AccountAddress[]) {
    const [policies, entries] = await Promise.all([
      parts.policies.list(),
      parts.targets.getAll([...new Set(page.map(({ target }) => target))]),
    ])
    const byName = new Map(entries.map(entry => [entry.name, entry]))
    return ({ account: name, target }: AccountAddress): string | undefined => {
      const entry = byName.get(target)
      const account = entry?.accounts.find(each => each.name === name)
      return entry && account && policyOf(policies, entry, account)?.name
    }
  }
}
