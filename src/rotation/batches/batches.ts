/** Batches of rotations: begun, looked at and stopped. What is begun goes on whoever goes away. */

import type { Outbox } from '../../audit/chain/outbox.ts'
import type { AuditAppender } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Targets } from '../../targets/targets.ts'
import { ROTATE_BATCH } from '../triggers/rotation-job.ts'
import type { Batch, BatchCounts, BatchEntry, Selection } from './batch.ts'
import { createBatchRows } from './batch-rows.ts'
import { selectAccounts } from './select-accounts.ts'

export interface NewBatch {
  readonly by: string
  readonly selection: Selection
  readonly parallel: number
  readonly stopAfter: number | undefined
}

export interface BatchView extends Batch {
  readonly counts: BatchCounts
}

export function createBatches(parts: {
  readonly database: Database
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly targets: Pick<Targets, 'getAll'>
  readonly schedule: Pick<Schedule, 'plan'>
  readonly outbox: Outbox
  readonly audit: Pick<AuditAppender, 'flush'>
}) {
  const { clock, schedule, outbox, audit } = parts
  const rows = createBatchRows(parts)

  async function close(
    { id }: Pick<Batch, 'id'>,
    state: 'stopped' | 'done',
    words: string,
    by: string,
    counts: BatchCounts,
  ): Promise<boolean> {
    const closed = await outbox.change(async (on, record) => {
      const changed = await rows.close(id, state, words, on)
      if (changed) {
        const data = { batch: id, state, ...counts, ...(words === '' ? {} : { why: words }) }
        record({ kind: 'rotation-batch.ended', actor: by, data })
      }
      return changed
    })
    await audit.flush()
    return closed
  }

  const view = async (batch: Batch): Promise<BatchView> => ({ ...batch, counts: await rows.counts(batch.id) })

  return {
    rows,
    close,
    select: (selection: Selection) => selectAccounts(parts, selection),

    /** Gives its id; undefined where no account is selected. */
    async start(batch: NewBatch): Promise<string | undefined> {
      const accounts = await selectAccounts(parts, batch.selection)
      if (accounts.length === 0) return undefined
      const { by, selection, parallel, stopAfter } = batch
      const started = await outbox.change(async (on, record) => {
        const id = await rows.add(batch, accounts, on)
        await schedule.plan({ kind: ROTATE_BATCH, key: id, dueAt: clock.now() }, on)
        const data = { batch: id, selection, accounts: accounts.length, parallel, stopAfter: stopAfter ?? null }
        record({ kind: 'rotation-batch.started', actor: by, data })
        return id
      })
      await audit.flush()
      return started
    },

    async get(id: string): Promise<BatchView | undefined> {
      const batch = await rows.get(id)
      return batch && view(batch)
    },

    async list(limit: number): Promise<BatchView[]> {
      return Promise.all((await rows.list(limit)).map(view))
    },

    ended: (id: string, afterPlace: number, limit: number): Promise<BatchEntry[]> => rows.ended(id, afterPlace, limit),

    /** What has begun comes to its end. False where it is over already. */
    async stop(id: string, by: string): Promise<boolean> {
      return close({ id }, 'stopped', `stopped by ${by}`, by, await rows.counts(id))
    },
  }
}

export type Batches = ReturnType<typeof createBatches>
