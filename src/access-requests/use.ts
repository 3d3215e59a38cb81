/** Something is lent by a request. */

import type { RecordEvent } from '../audit/chain/outbox.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import type { Changes } from './change.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { after } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get' | 'hold' | 'change'>
  readonly acts: Pick<Acts, 'plan'>
  readonly changes: Pick<Changes, 'note'>
  readonly clock: Clock
}

export function createUse({ rows, acts, changes, clock }: Parts) {
  /**
   * In the transaction in which something is lent by it: it is noted as used, where its time counts from then. Throws `ACCESS_DENIED` where it
   * is over by now.
   */
  return async (id: string, on: Database, record: RecordEvent): Promise<void> => {
    // Sessions that begin at once do not wait for each other, but where the first of them begins its time.
    const before = await rows.get(id, on)
    const request = await rows.hold(id, before !== undefined && beginsNow(before) ? 'begin' : 'use', on)
    if (request === undefined) throw isOver()
    if (!beginsNow(request)) return
    const now = clock.now()
    const active = after(request, { act: 'begin', at: now })
    if (active === undefined || !(await rows.change(request, active, on))) throw isOver()
    await acts.plan(active, on)
    await changes.note({ what: 'began', request: active, by: request.user }, on, record)
  }
}

/** Its time counts from the first use, and this is it. */
function beginsNow({ state }: RequestedAccess): boolean {
  return state.is === 'approved' && state.begins.with === 'first-use'
}

function isOver(): GatewayError {
  return new GatewayError('ACCESS_DENIED', 'The access that was approved for you is over.')
}
