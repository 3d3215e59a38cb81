/**
 * Deletes what is only remembered: rotations and batches that are over, and jobs that were given up. The audit log has them all. Of an account
 * the last rotation stays: it says what the target may still get.
 */

import type { AuditLog } from '../audit/audit-log.ts'
import type { Database } from '../database/database.ts'

interface Parts {
  readonly database: Database
  readonly audit: Pick<AuditLog, 'append'>
  /** So long each stays after its end. */
  readonly keptMs: number
}

/** In one write, so that a login waits for none. */
const AT_ONCE = 500

export interface DeletedRecords {
  readonly rotations: number
  readonly batches: number
  readonly jobs: number
}

/** `now`: how late it surely is. */
export async function deleteOldRecords(
  { database, audit, keptMs }: Parts,
  now: number,
  signal: AbortSignal,
): Promise<DeletedRecords> {
  const before = now - keptMs

  /** `page` deletes some, and says how many. */
  async function all(page: () => Promise<number>): Promise<number> {
    let count = 0
    for (;;) {
      signal.throwIfAborted()
      const deleted = await page()
      count += deleted
      if (deleted < AT_ONCE) return count
    }
  }

  const rotations = await all(async () => {
    const old = database
      .selectFrom('rotations')
      .select('id')
      .where('ended_at', '<', before)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('rotations as later')
            .select('later.id')
            .whereRef('later.account', '=', 'rotations.account')
            .whereRef('later.target', '=', 'rotations.target')
            .whereRef('later.id', '>', 'rotations.id'),
        ),
      )
      .limit(AT_ONCE)
    return countOf(await database.deleteFrom('rotations').where('id', 'in', old).executeTakeFirst())
  })

  const over = () => database.selectFrom('rotation_batches').select('id').where('ended_at', '<', before)
  await all(async () => {
    const rows = await database
      .selectFrom('rotation_batch_entries')
      .select(['batch', 'account', 'target'])
      .where('batch', 'in', over())
      .limit(AT_ONCE)
      .execute()
    if (rows.length === 0) return 0
    const entries = database.deleteFrom('rotation_batch_entries').where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('batch', 'account', 'target'),
        'in',
        rows.map(({ batch, account, target }) => tuple(batch, account, target)),
      ),
    )
    return countOf(await entries.executeTakeFirst())
  })
  const batches = await all(async () =>
    countOf(await database.deleteFrom('rotation_batches').where('id', 'in', over().limit(AT_ONCE)).executeTakeFirst()),
  )

  const jobs = await all(async () => {
    const old = database.selectFrom('jobs').select('id').where('given_up_at', '<', before).limit(AT_ONCE)
    const jobs = database.deleteFrom('jobs').where('id', 'in', old).where('claimed_by', 'is', null)
    return countOf(await jobs.executeTakeFirst())
  })

  const deleted = { rotations, batches, jobs }
  if (rotations + batches + jobs > 0)
    await audit.append({ kind: 'rotation.records-deleted', actor: 'gateway', data: { ...deleted, keptMs } })
  return deleted
}

function countOf({ numDeletedRows }: { numDeletedRows: bigint }): number {
  return Number(numDeletedRows)
}
