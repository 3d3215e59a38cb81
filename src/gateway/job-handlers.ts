/** What is done by itself, by kind: the one table of it. A job whose kind is not in it waits for a gateway that knows it. */

import type { Rotations } from '../rotation/rotations.ts'
import { rotationHandlers } from '../rotation/triggers/handlers.ts'
import type { PlanRotationsParts } from '../rotation/triggers/plan-rotations.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { AccountAddress } from '../shared/names.ts'
import { checkOutHandlers } from './check-out-jobs.ts'
import type { GatewayParts } from './parts.ts'

/** Each kind's handler is made where its work is; here they are put together. */
export function jobHandlers(parts: GatewayParts, rotations: Rotations): Readonly<Record<string, JobHandler>> {
  const { checkOuts } = parts
  const heldUntil = async (address: AccountAddress) => (await checkOuts.heldExclusively(address))?.until
  return {
    ...rotationHandlers({ ...planParts(parts), rotations, heldUntil }),
    ...checkOutHandlers(checkOuts),
  }
}

/** What planning rotations stands on. */
export function planParts({
  database,
  clock,
  storeTime,
  schedule,
  rotationPolicies: policies,
  targets,
}: Pick<
  GatewayParts,
  'database' | 'clock' | 'storeTime' | 'schedule' | 'rotationPolicies' | 'targets'
>): PlanRotationsParts {
  return { database, clock: storeTime ?? clock, schedule, policies, targets }
}
