/** Proposals and decisions on them in the store. The one place with SQL on `proposals` and `proposal_decisions`. */

import type { Selectable } from 'kysely'
import type { Database } from '../database/database.ts'
import type { ProposalTable } from '../database/schema.ts'
import type { Content } from './content.ts'
import type { Effect } from './effect.ts'
import type { ProposalStateName, ProposedChange, Proposer } from './proposal.ts'

export interface ProposalDecision {
  readonly approver: string
  readonly decision: 'approve' | 'deny'
  readonly reason: string | undefined
  readonly rule: string
  readonly factors: string
  readonly at: number
}

/** With the second factor that every decision on a proposal asks for. */
export function decisionOf(
  decision: ProposalDecision['decision'],
  approver: string,
  how: Pick<ProposalDecision, 'rule' | 'reason' | 'at'>,
): ProposalDecision {
  return { approver, decision, ...how, factors: 'totp' }
}

export interface ProposalQuery {
  readonly state?: ProposalStateName | undefined
  readonly user?: string | undefined
  readonly limit: number
  /** Those that come after this one in the list. */
  readonly before?: ProposedChange | undefined
}

type Row = Omit<Selectable<ProposalTable>, 'content' | 'effect'>

const COLUMNS = [
  ...(['id', 'state', 'revision', 'proposer', 'user', 'token', 'request', 'reason', 'digest', 'changes'] as const),
  ...(['asked_at', 'expires_at', 'ended_at', 'ended_by', 'words', 'withdrawn'] as const),
] as const

export type ProposalRows = ReturnType<typeof createProposalRows>

export function createProposalRows(database: Database) {
  const one = (on: Database) => on.selectFrom('proposals').select(COLUMNS)

  return {
    async get(id: string, on: Database = database): Promise<ProposedChange | undefined> {
      const row = await one(on).where('id', '=', id).executeTakeFirst()
      return row && readRow(row)
    },

    /** What it changes, and what that would have meant. */
    async detailsOf(id: string): Promise<{ content: Content; effect: Effect }> {
      const { content, effect } = await database
        .selectFrom('proposals')
        .select(['content', 'effect'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      return { content: JSON.parse(content), effect: JSON.parse(effect) }
    },

    /** The newest first. */
    async list({ state, user, limit, before }: ProposalQuery): Promise<ProposedChange[]> {
      let select = one(database).orderBy('asked_at', 'desc').orderBy('id', 'desc').limit(limit)
      if (state !== undefined) select = select.where('state', '=', state)
      if (user !== undefined) select = select.where('user', '=', user)
      if (before !== undefined)
        select = select.where(({ or, and, eb }) =>
          or([
            eb('asked_at', '<', before.askedAt),
            and([eb('asked_at', '=', before.askedAt), eb('id', '<', before.id)]),
          ]),
        )
      return (await select.execute()).map(readRow)
    },

    /** Those that wait, the oldest first. */
    async pending(on: Database = database): Promise<ProposedChange[]> {
      const rows = await one(on).where('state', '=', 'pending').orderBy('asked_at').orderBy('id').execute()
      return rows.map(readRow)
    },

    async ofRequest(request: string, on: Database = database): Promise<ProposedChange | undefined> {
      const row = await one(on).where('request', '=', request).executeTakeFirst()
      return row && readRow(row)
    },

    async insert(proposal: ProposedChange, content: Content, effect: Effect, on: Database): Promise<void> {
      const { id, proposer, reason, digest, changes, askedAt, revision, state } = proposal
      await on
        .insertInto('proposals')
        .values({
          ...{ id, revision, digest, changes, state: state.is, proposer: proposer.is, reason: reason ?? null },
          user: proposer.is === 'owner' ? null : proposer.user,
          token: proposer.is === 'token' ? proposer.token : null,
          request: proposer.is === 'request' ? proposer.request : null,
          ...{ content: JSON.stringify(content), effect: JSON.stringify(effect) },
          asked_at: askedAt,
          expires_at: state.is === 'pending' ? state.expiresAt : askedAt,
          ...{ ended_at: null, ended_by: null, words: null, withdrawn: 0 },
        })
        .execute()
    },

    /** False where somebody else has changed it since it was read. */
    async change(from: ProposedChange, to: ProposedChange, on: Database): Promise<boolean> {
      const { state } = to
      const { numUpdatedRows } = await on
        .updateTable('proposals')
        .set({
          ...{ state: state.is, revision: to.revision },
          ...(state.is === 'pending' ? {} : { ended_at: state.at, ended_by: state.by, words: state.words ?? null }),
        })
        .where('id', '=', from.id)
        .where('revision', '=', from.revision)
        .where('state', '=', from.state.is)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    async decide(proposal: string, { approver, decision, reason, rule, factors, at }: ProposalDecision, on: Database) {
      await on
        .insertInto('proposal_decisions')
        .values({
          ...{ proposal, approver, decision, reason: reason ?? null, by_rule: rule, factors, decided_at: at },
        })
        .onConflict(conflict =>
          conflict
            .columns(['proposal', 'approver'])
            .doUpdateSet({ decision, reason: reason ?? null, by_rule: rule, factors, decided_at: at }),
        )
        .execute()
    },

    /** In their order. */
    async decisionsOn(proposal: string, on: Database = database): Promise<ProposalDecision[]> {
      const rows = await on
        .selectFrom('proposal_decisions')
        .selectAll()
        .where('proposal', '=', proposal)
        .orderBy('decided_at')
        .orderBy('approver')
        .execute()
      return rows.map(({ approver, decision, reason, by_rule, factors, decided_at }) => ({
        ...{ approver, decision: decision as ProposalDecision['decision'], reason: reason ?? undefined },
        ...{ rule: by_rule, factors, at: decided_at },
      }))
    },
  }
}

function readRow(row: Row): ProposedChange {
  const { id, reason, digest, changes, revision } = row
  const state = row.state as ProposalStateName
  return {
    ...{ id, digest, changes, revision, reason: reason ?? undefined, askedAt: row.asked_at },
    proposer: readProposer(row),
    state:
      state === 'pending'
        ? { is: state, expiresAt: row.expires_at }
        : { is: state, at: row.ended_at!, by: row.ended_by!, words: row.words ?? undefined },
    withdrawn: row.withdrawn === 1,
  }
}

function readProposer({ proposer, user, token, request }: Row): Proposer {
  switch (proposer as Proposer['is']) {
    case 'owner':
      return { is: 'owner' }
    case 'person':
      return { is: 'person', user: user! }
    case 'token':
      return { is: 'token', user: user!, token: token! }
    case 'request':
      return { is: 'request', user: user!, request: request! }
  }
}
