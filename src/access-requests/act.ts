/** One step of a request, stored with the plan of what happens to it next by itself. */

import type { Database } from '../database/database.ts'
import { type Offer, stagesOf } from '../policy/on-request.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { Stale } from './change.ts'
import { type RequestedAccess, stateWords } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { after, dueAt, type RequestAct } from './transition.ts'

export interface RequestJobs {
  /** Something happens to it by itself then; an earlier plan for the same is replaced. */
  dueAt(id: string, at: number, on: Database): Promise<void>
  cancel(id: string, on: Database): Promise<void>
}

interface Parts {
  readonly rows: Pick<RequestRows, 'change'>
  readonly jobs: RequestJobs
  readonly clock: Clock
}

export type Acts = ReturnType<typeof createActs>

export function createActs({ rows, jobs, clock }: Parts) {
  async function plan(request: RequestedAccess, on: Database, offer?: Offer): Promise<void> {
    const due = dueAt(request)
    if (due === undefined) await jobs.cancel(request.id, on)
    else await jobs.dueAt(request.id, Math.min(due, escalatesAt(request, offer) ?? due), on)
  }

  /** Of a step that waits and has not escalated yet. */
  function escalatesAt({ state }: RequestedAccess, offer: Offer | undefined): number | undefined {
    if (state.is !== 'pending' || offer === undefined) return undefined
    const within = stagesOf(offer)[state.stage]?.within
    const at = within === undefined ? undefined : state.stageSince + within
    return at !== undefined && at > clock.now() ? at : undefined
  }

  return {
    plan,
    escalatesAt,

    /** Throws {@link Stale}, and where that cannot happen to it now, `CONFLICT`. `offer`: where it then waits for a step of it. */
    async act(request: RequestedAccess, how: RequestAct, on: Database, offer?: Offer): Promise<RequestedAccess> {
      const changed = after(request, how)
      if (changed === undefined)
        throw new GatewayError('CONFLICT', `The request is ${stateWords(request)}: that is not possible any more.`)
      if (!(await rows.change(request, changed, on))) throw new Stale()
      await plan(changed, on, offer)
      return changed
    },
  }
}
