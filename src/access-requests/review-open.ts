/** Decides anew for all requests that are open: what would not be given today, to whom it was given, is revoked. */

import { slices } from '../database/slices.ts'
import { givingWay } from '../shared/concurrency/give-way.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Ends } from './end.ts'
import { type Ground, type GroundStores, groundOf, whyOver } from './ground.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts extends GroundStores {
  readonly rows: Pick<RequestRows, 'open'>
  readonly ends: Pick<Ends, 'endBy' | 'revokeTogether'>
}

const PAGE = 500
/** Ended in one transaction: others wait for its rows, and on SQLite for all of it. */
const TOGETHER = 50
const BY = 'gateway'

export function createReviewOpen({ rows, ends, ...stores }: Parts) {
  /** What cannot be ended now keeps none of the others open. Rejects with why, when all are done. */
  return async (): Promise<void> => {
    const failures: unknown[] = []
    for await (const some of rows.open(PAGE)) {
      const over = await givingWay(deciding(some, await groundOf(some, stores)))
      for (const few of slices(over, TOGETHER)) failures.push(...(await endAll(few)))
    }
    if (failures.length > 0) throw failures[0]
  }

  async function endAll(few: readonly Over[]): Promise<unknown[]> {
    try {
      await ends.revokeTogether(new Map(few), BY)
      return []
    } catch (error) {
      if (isStoreAway(error)) throw error
    }
    // One of them is changed by somebody in this moment, or held by who uses it: it alone waits for that.
    const failures: unknown[] = []
    for (const [id, words] of few) {
      try {
        await ends.endBy(id, 'revoke', { by: BY, words })
      } catch (error) {
        if (isStoreAway(error)) throw error
        failures.push(error)
      }
    }
    return failures
  }
}

type Over = readonly [id: string, words: string]

function* deciding(some: readonly RequestedAccess[], ground: Ground): Generator<void, Over[]> {
  const over: Over[] = []
  for (const request of some) {
    const words = whyOver(request, ground) ?? request.withdrawn
    if (words !== undefined) over.push([request.id, words])
    yield
  }
  return over
}

function isStoreAway(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'DATABASE_UNAVAILABLE'
}
