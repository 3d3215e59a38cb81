/** What check-outs leave to the schedule: plans in the transaction of a change, and the handlers that carry them out. */

import type { CheckOuts } from '../check-out/check-outs.ts'
import type { CheckOutJobs } from '../check-out/jobs.ts'
import type { RotationTriggers } from '../rotation/triggers/triggers.ts'
import { type JobHandler, JobRefused } from '../schedule/job.ts'
import type { Schedule } from '../schedule/schedule.ts'
import { formatAccountAddress, parseAccountAddress } from '../shared/names.ts'

const END = 'check-out-end'
const TELL = 'check-out-tell'

export function planCheckOutJobs(
  schedule: Pick<Schedule, 'plan' | 'cancel'>,
  triggers: Pick<RotationTriggers, 'rotationAfterReveal' | 'rotationAfterCheckIn'>,
): CheckOutJobs {
  return {
    endAt: ({ id, until }, on) => schedule.plan({ kind: END, key: id, dueAt: until, replace: true }, on),
    cancelEnd: (id, on) => schedule.cancel(END, id, on),
    tellAt: (address, at, on) =>
      schedule.plan({ kind: TELL, key: formatAccountAddress(address), dueAt: at, replace: true }, on),
    rotateRevealed: ({ user, account, target }, on) => triggers.rotationAfterReveal({ account, target }, user, on),
    afterCheckIn: ({ account, target }, on) => triggers.rotationAfterCheckIn({ account, target }, on),
  }
}

export function checkOutHandlers({
  endDue,
  passTurn,
}: Pick<CheckOuts, 'endDue' | 'passTurn'>): Record<string, JobHandler> {
  return {
    [END]: {
      limit: 8,
      async run({ key }) {
        const again = await endDue(key)
        return again === undefined ? undefined : { again }
      },
    },
    [TELL]: {
      limit: 4,
      async run({ key }) {
        const address = parseAccountAddress(key)
        if (address === undefined) throw new JobRefused('Its key is no account.')
        await passTurn(address)
        return undefined
      },
    },
  }
}
