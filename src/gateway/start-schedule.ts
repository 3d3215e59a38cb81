/** Has the schedule's jobs done by this gateway; what is given up is audited. */

import type { JobHandler } from '../schedule/job.ts'
import { createScheduleRunner } from '../schedule/runner.ts'
import type { GatewayParts } from './parts.ts'

/** Until what was opened on `started` is closed. */
export function startSchedule(
  parts: Pick<GatewayParts, 'schedule' | 'storeTime' | 'storeClock' | 'gateway' | 'audit' | 'metrics' | 'log'>,
  handlers: Readonly<Record<string, JobHandler>>,
  started: AsyncDisposableStack,
): void {
  const { storeTime, storeClock, audit } = parts
  const runner = createScheduleRunner({
    ...parts,
    handlers,
    alone: storeTime === undefined,
    clock: storeClock,
    giveUp: ({ kind, key, attempts }, words, write) =>
      audit.change(write, () => ({
        kind: 'job.given-up',
        actor: 'gateway',
        data: { job: kind, for: key, attempts: attempts + 1, why: words },
      })),
  })
  started.defer(() => runner.close())
}
