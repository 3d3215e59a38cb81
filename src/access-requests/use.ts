/** Something is lent by a request. */

import type { RecordEvent } from '../audit/chain/outbox.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import type { Changes } from './change.ts'
import type { RequestRows } from './request-rows.ts'
import { after } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'hold' | 'change'>
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
    const request = await rows.hold(id, on)
    const now = clock.now()
    const { state } = request ?? {}
    if (request === undefined || (state?.is !== 'approved' && state?.is !== 'active')) throw isOver()
    if (state.is === 'active' || state.begins.with === 'time') return
    const active = after(request, { act: 'begin', at: now })
    if (active === undefined || !(await rows.change(request, active, on))) throw isOver()
    await acts.plan(active, on)
    await changes.note({ what: 'began', request: active, by: request.user }, on, record)
  }
}

function isOver(): GatewayError {
  return new GatewayError('ACCESS_DENIED', 'The access that was approved for you is over.')
}
