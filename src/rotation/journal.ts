/**
 * The write-ahead journal of rotations: each transition is stored with its audit event before the next act. The one place with SQL on
 * `rotations`. Whoever goes on with a rotation has claimed it; what another gateway has claimed meanwhile cannot be changed.
 */

import type { Selectable } from 'kysely'
import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { Database } from '../database/database.ts'
import type { RotationTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import { newId } from '../shared/ids.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import {
  isOpen,
  type Progress,
  type RotationEvent,
  type RotationState,
  type RotationTrigger,
  transition,
} from './rotation.ts'

export interface Rotation extends AccountAddress, Progress {
  readonly id: string
  /** `reconcile`: by another account, while nothing that is kept logs in. */
  readonly way: 'rotate' | 'reconcile'
  /** The version that was in force when it began. */
  readonly former: number
  readonly trigger: RotationTrigger
  readonly by: string
  readonly connector: string
  readonly policy: string | undefined
  /** How often in a row the target did not answer. */
  readonly tries: number
  readonly nextAt: number
  readonly words: string
  readonly startedAt: number
  readonly updatedAt: number
  readonly endedAt: number | undefined
  readonly gateway: string
}

export type NewRotation = AccountAddress & Pick<Rotation, 'way' | 'former' | 'trigger' | 'by' | 'connector' | 'policy'>

/** Whether a credential is to be changed at its target: `going-on` from when it may be another there until the vault lends that one. */
export async function changeOf(
  { account, target }: AccountAddress,
  on: Database,
): Promise<'to-begin' | 'going-on' | undefined> {
  const open = on.selectFrom('rotations').select('state').where('ended_at', 'is', null)
  const row = await open.where('account', '=', account).where('target', '=', target).executeTakeFirst()
  if (row === undefined || row.state === 'current') return undefined
  return row.state === 'prepared' ? 'to-begin' : 'going-on'
}

/** Another gateway goes on with it. */
export class ClaimLost extends Error {}

/** What belongs into the transaction of a transition. */
export type WithTransition = (on: Database, record: RecordEvent, rotation: Rotation) => Promise<void>

/** So long is a rotation its gateway's; while it acts it renews that. */
export const CLAIM_MS = 60_000
/** No rotation waits longer for its next try. */
export const LONGEST_PAUSE_MS = 60 * 60_000
/** That are looked at in one round. */
const MOST_LEFT = 200

interface Parts {
  readonly database: Database
  readonly outbox: Outbox
  readonly gateway: string
  /** The same for all gateways of the store. */
  readonly clock: Clock
  /** What follows from a transition, in its transaction. */
  readonly follow: (on: Database, rotation: Rotation) => Promise<void>
}

export type Journal = ReturnType<typeof createJournal>

export function createJournal({ database, outbox, gateway, clock, follow }: Parts) {
  const mine = ({ id, state, attempt, changes }: Rotation, on: Database) =>
    on
      .updateTable('rotations')
      .where('id', '=', id)
      .where('gateway', '=', gateway)
      .where('state', '=', state)
      .where('attempt', '=', attempt)
      .where('changes', '=', changes)
      .where('ended_at', 'is', null)

  return {
    /** In the transaction that stores the candidate. Undefined where one is open already. */
    async begin(on: Database, record: RecordEvent, given: NewRotation, candidate: number) {
      const now = clock.now()
      const { account, target, way, former, trigger, by, connector, policy } = given
      const row: Selectable<RotationTable> = {
        ...{ id: newId('rot', now), account, target, way, trigger, by, connector, policy: policy ?? null },
        ...{ from_version: former, to_version: candidate, state: 'prepared', attempt: 1, changes: 0, tries: 0 },
        ...{ next_at: now, words: '', started_at: now, updated_at: now, ended_at: null },
        ...{ gateway, claimed_until: now + CLAIM_MS },
      }
      const { numInsertedOrUpdatedRows: written } = await on
        .insertInto('rotations')
        .values(row)
        .onConflict(conflict => conflict.doNothing())
        .executeTakeFirst()
      if (written !== 1n) return undefined
      const rotation = rotationOf(row)
      record(eventOf(rotation))
      return rotation
    },

    /** Throws ClaimLost, and has changed nothing then. */
    async advance(rotation: Rotation, event: RotationEvent, words = '', also?: WithTransition): Promise<Rotation> {
      return outbox.change((on, record) => this.advanceOn(on, record, rotation, event, words, also))
    },

    /** In a transaction with what else belongs to it. */
    async advanceOn(
      on: Database,
      record: RecordEvent,
      rotation: Rotation,
      event: RotationEvent,
      words = '',
      also?: WithTransition,
    ): Promise<Rotation> {
      const next = transition(rotation, event)
      const now = clock.now()
      const row = await mine(rotation, on)
        .set({
          ...{ state: next.state, attempt: next.attempt, to_version: next.candidate, changes: next.changes },
          ...{ words, tries: 0, updated_at: now, ended_at: isOpen(next.state) ? null : now },
          claimed_until: now + CLAIM_MS,
        })
        .returningAll()
        .executeTakeFirst()
      if (row === undefined) throw new ClaimLost(`another gateway goes on with ${rotation.id}`)
      const advanced = rotationOf(row)
      record(eventOf(advanced))
      await follow(on, advanced)
      await also?.(on, record, advanced)
      return advanced
    },

    /** Nothing is known of it now: it is tried again later, by whoever comes. */
    async postpone(rotation: Rotation, words: string, pauseMs: number): Promise<Rotation> {
      return outbox.change(async (on, record) => {
        const now = clock.now()
        const row = await mine(rotation, on)
          .set({ words, tries: rotation.tries + 1, next_at: now + pauseMs, updated_at: now, claimed_until: 0 })
          .returningAll()
          .executeTakeFirst()
        if (row === undefined) throw new ClaimLost(`another gateway goes on with ${rotation.id}`)
        // Not for each try of a target that is down for a week.
        if (rotation.words !== words) record(eventOf(rotationOf(row), 'rotation.postponed'))
        return rotationOf(row)
      })
    },

    /** While it acts. False: another gateway has it. */
    async renew({ id }: Rotation): Promise<boolean> {
      const { numUpdatedRows } = await database
        .updateTable('rotations')
        .set({ claimed_until: clock.now() + CLAIM_MS })
        .where('id', '=', id)
        .where('gateway', '=', gateway)
        .where('ended_at', 'is', null)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },

    /** Let go of without a word: whoever comes goes on at once. */
    async release({ id }: Rotation): Promise<void> {
      const own = database.updateTable('rotations').set({ claimed_until: 0 }).where('id', '=', id)
      await own.where('gateway', '=', gateway).execute()
    },

    /**
     * Open ones that nobody goes on with: their claim is over, or their gateway is none of the living. `at`: and that are due by then.
     * `running`: those that this process has in its hands.
     */
    async left(living: ReadonlySet<string> | undefined, running: ReadonlySet<string>, at = clock.now()) {
      const open = database.selectFrom('rotations').selectAll().where('ended_at', 'is', null)
      // One that lies further ahead than any pause was written before the clock was set back.
      const due = open.where(({ eb, or }) => or([eb('next_at', '<=', at), eb('next_at', '>', at + LONGEST_PAUSE_MS)]))
      const rows = await due.orderBy('next_at').limit(MOST_LEFT).execute()
      return rows.filter(row => isFree(row, living, running)).map(rotationOf)
    },

    /** True for one of those who ask at once. */
    async claim(rotation: Rotation, living: ReadonlySet<string> | undefined, running: ReadonlySet<string>) {
      return outbox.change(async (on, record) => {
        const row = await on
          .selectFrom('rotations')
          .selectAll()
          .where('id', '=', rotation.id)
          .where('ended_at', 'is', null)
          .executeTakeFirst()
        if (row === undefined || !isFree(row, living, running)) return undefined
        const claimed = await on
          .updateTable('rotations')
          .set({ gateway, claimed_until: clock.now() + CLAIM_MS })
          .where('id', '=', row.id)
          .where('gateway', '=', row.gateway)
          .where('claimed_until', '=', row.claimed_until)
          .where('ended_at', 'is', null)
          .returningAll()
          .executeTakeFirst()
        if (claimed === undefined) return undefined
        const now = rotationOf(claimed)
        if (row.claimed_until !== 0) record(eventOf(now, 'rotation.taken-over', { from: row.gateway }))
        return now
      })
    },

    async openOf({ account, target }: AccountAddress): Promise<Rotation | undefined> {
      const open = database.selectFrom('rotations').selectAll().where('ended_at', 'is', null)
      const row = await open.where('account', '=', account).where('target', '=', target).executeTakeFirst()
      return row && rotationOf(row)
    },

    /** Newest first. */
    async list({ account, target, open, before, limit }: RotationFilter): Promise<Rotation[]> {
      let select = database.selectFrom('rotations').selectAll().orderBy('id', 'desc').limit(limit)
      if (account !== undefined) select = select.where('account', '=', account)
      if (target !== undefined) select = select.where('target', '=', target)
      if (open !== undefined) select = select.where('ended_at', open ? 'is' : 'is not', null)
      if (before !== undefined) select = select.where('id', '<', before)
      return (await select.execute()).map(rotationOf)
    },
  }

  function isFree(
    row: Pick<RotationTable, 'id' | 'gateway' | 'claimed_until'>,
    living: ReadonlySet<string> | undefined,
    running: ReadonlySet<string>,
  ): boolean {
    // Of this gateway: what this process does not have in its hands is left of something that broke.
    if (row.gateway === gateway) return !running.has(row.id)
    const leftMs = row.claimed_until - clock.now()
    // More than a claim is for was written before the clock was set back.
    return leftMs <= 0 || leftMs > CLAIM_MS || (living !== undefined && !living.has(row.gateway))
  }
}

export interface RotationFilter {
  readonly account?: string | undefined
  readonly target?: string | undefined
  readonly open?: boolean | undefined
  /** Those that come after this one in the list. */
  readonly before?: string | undefined
  readonly limit: number
}

function eventOf(
  rotation: Rotation,
  kind: `rotation.${RotationState}` | 'rotation.postponed' | 'rotation.taken-over' = `rotation.${rotation.state}`,
  more: Record<string, unknown> = {},
) {
  const { id, way, former, candidate, attempt, trigger, connector, policy, words } = rotation
  const data = {
    ...{ rotation: id, account: formatAccountAddress(rotation), way, from: former, to: candidate, attempt },
    ...{ trigger, connector, ...(policy === undefined ? {} : { policy }), ...(words === '' ? {} : { words }), ...more },
  }
  return { kind, actor: rotation.by, data }
}

function rotationOf(row: Selectable<RotationTable>): Rotation {
  return {
    ...{ id: row.id, account: row.account, target: row.target, way: row.way as Rotation['way'], by: row.by },
    ...{ former: row.from_version, candidate: row.to_version, state: row.state as RotationState },
    ...{ trigger: row.trigger as RotationTrigger, connector: row.connector, policy: row.policy ?? undefined },
    ...{ attempt: row.attempt, changes: row.changes, tries: row.tries, nextAt: row.next_at, words: row.words },
    ...{ startedAt: row.started_at, updatedAt: row.updated_at, endedAt: row.ended_at ?? undefined },
    gateway: row.gateway,
  }
}
