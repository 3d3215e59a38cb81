/** What access requests leave to the schedule: plans in the transaction of a change, and the handler that carries them out. */

import type { RequestJobs } from '../access-requests/act.ts'
import { FIRST_LOOK_MS, isOver } from '../access-requests/attest/attest.ts'
import type { TransitionListener } from '../access-requests/change.ts'
import type { Requests } from '../access-requests/requests.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { Schedule } from '../schedule/schedule.ts'
import type { Clock } from '../shared/clock.ts'

export const ATTEST = 'access-attest'
const DUE = 'access-request'

export function planRequestJobs(schedule: Pick<Schedule, 'plan' | 'cancel'>): RequestJobs {
  return {
    dueAt: (id, at, on) => schedule.plan({ kind: DUE, key: id, dueAt: at, replace: true }, on),
    cancel: (id, on) => schedule.cancel(DUE, id, on),
  }
}

/** In the transaction in which the access ends: whichever gateway lives then looks what is left. */
export function planAttestation({
  schedule,
  clock,
}: {
  schedule: Pick<Schedule, 'plan'>
  clock: Clock
}): TransitionListener {
  return async (transition, on) => {
    if (!isOver(transition)) return
    const dueAt = clock.now() + FIRST_LOOK_MS
    await schedule.plan({ kind: ATTEST, key: transition.request.id, dueAt, replace: true }, on)
  }
}

export function requestHandlers({ due }: Pick<Requests, 'due'>): Record<string, JobHandler> {
  return {
    [DUE]: {
      limit: 8,
      async run({ key }) {
        const again = await due(key)
        return again === undefined ? undefined : { again }
      },
    },
  }
}
