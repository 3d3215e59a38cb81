/** What happens to a request by itself when its time comes: it begins, ends, expires, or goes to others as well. */

import { stagesOf } from '../policy/on-request.ts'
import type { Clock } from '../shared/clock.ts'
import type { Acts } from './act.ts'
import type { Changes } from './change.ts'
import type { OfferedNow } from './offered.ts'
import type { RequestRows } from './request-rows.ts'
import { actDue, dueAt } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get'>
  readonly offered: Pick<OfferedNow, 'offerFor'>
  readonly acts: Pick<Acts, 'act' | 'escalatesAt'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

export function createDue({ rows, offered, acts: { act, escalatesAt }, changes, clock }: Parts) {
  /** What is due happens; gives when something is due again. */
  return (id: string): Promise<number | undefined> =>
    changes.change(async () => {
      const request = await rows.get(id)
      const offer = request && (await offered.offerFor(request))?.offer
      return async (on, tell) => {
        // What is withdrawn ends by the review of all that are open.
        if (request === undefined || request.withdrawn !== undefined) return undefined
        const { state } = request
        const how = actDue(request, clock.now())
        if (how !== undefined) {
          const changed = await act(request, how, on)
          const what = { begin: 'began', expire: 'expired', end: 'ended' } as const
          await tell(what[how.act as keyof typeof what], changed, { by: 'gateway' })
          return dueAt(changed)
        }
        const stage = state.is === 'pending' && offer !== undefined ? stagesOf(offer)[state.stage] : undefined
        if (state.is === 'pending' && stage?.within !== undefined && clock.now() >= state.stageSince + stage.within)
          await tell('escalated', request, { by: 'gateway' }, { to: stage.escalateTo })
        return escalatesAt(request, offer) ?? dueAt(request)
      }
    })
}
