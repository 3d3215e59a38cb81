/** What access requests leave to the schedule: plans in the transaction of a change, and the handler that carries them out. */

import type { RequestJobs } from '../access-requests/act.ts'
import type { Requests } from '../access-requests/requests.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { Schedule } from '../schedule/schedule.ts'

const DUE = 'access-request'

export function planRequestJobs(schedule: Pick<Schedule, 'plan' | 'cancel'>): RequestJobs {
  return {
    dueAt: (id, at, on) => schedule.plan({ kind: DUE, key: id, dueAt: at, replace: true }, on),
    cancel: (id, on) => schedule.cancel(DUE, id, on),
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
