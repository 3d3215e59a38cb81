/** What proposals leave to the schedule: their end, when nobody decides. */

import type { ProposalJobs } from '../proposals/make.ts'
import type { Proposals } from '../proposals/proposals.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { Schedule } from '../schedule/schedule.ts'

const EXPIRE = 'proposal.expire'

export function planProposalJobs(schedule: Pick<Schedule, 'plan'>): ProposalJobs {
  return { dueAt: (id, at, on) => schedule.plan({ kind: EXPIRE, key: id, dueAt: at, replace: true }, on) }
}

export function expireProposals({ expire }: Pick<Proposals, 'expire'>): Record<string, JobHandler> {
  return {
    [EXPIRE]: {
      limit: 4,
      async run({ key }) {
        await expire(key)
        return undefined
      },
    },
  }
}
