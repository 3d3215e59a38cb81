/** What is done by itself, by kind: the one table of it. A job whose kind is not in it waits for a gateway that knows it. */

import type { Config } from '../config/config.ts'
import { deliveryHandlers } from '../notifications/deliver.ts'
import { batchHandler } from '../rotation/batches/run-batch.ts'
import type { Rotations } from '../rotation/rotations.ts'
import { rotationHandlers } from '../rotation/triggers/handlers.ts'
import { type PlanRotationsParts, rotatedAt } from '../rotation/triggers/plan-rotations.ts'
import { ROTATE_BATCH } from '../rotation/triggers/rotation-job.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { AccountAddress } from '../shared/names.ts'
import { requestHandlers } from './access-request-jobs.ts'
import { checkOutHandlers } from './check-out-jobs.ts'
import type { GatewayParts } from './parts.ts'
import { expireProposals } from './proposal-jobs.ts'
import { permanentHandler } from './propose-permanent.ts'
import { endsSoonHandler } from './tell-ends-soon.ts'
import { proposalApproversHandler } from './tell-proposals.ts'
import { approversHandler } from './tell-requests.ts'

/** Each kind's handler is made where its work is; here they are put together. */
export function jobHandlers(
  parts: GatewayParts,
  rotations: Rotations,
  config: Config,
): Readonly<Record<string, JobHandler>> {
  const { schedule, batches, checkOuts, requests, proposals, log } = parts
  const plan = planParts(parts)
  const heldUntil = async (address: AccountAddress) => (await checkOuts.heldExclusively(address))?.until
  return {
    ...rotationHandlers({ ...plan, rotations, heldUntil }),
    [ROTATE_BATCH]: batchHandler({
      ...{ rows: batches.rows, rotations, schedule, clock: plan.clock, heldUntil, log },
      rotatedAt: address => rotatedAt(plan, address),
      close: (batch, state, words, counts) => batches.close(batch, state, words, 'gateway', counts),
    }),
    ...checkOutHandlers(checkOuts),
    ...requestHandlers(requests),
    ...approversHandler(parts),
    ...endsSoonHandler(parts),
    ...expireProposals(proposals),
    ...permanentHandler(parts),
    ...proposalApproversHandler(parts),
    ...deliveryHandlers({ ...parts, clock: parts.storeClock, url: config.notifications.url ?? config.api.url }),
  }
}

/** What planning rotations stands on. */
export function planParts({
  database,
  storeClock: clock,
  schedule,
  rotationPolicies: policies,
  targets,
}: Pick<GatewayParts, 'database' | 'storeClock' | 'schedule' | 'rotationPolicies' | 'targets'>): PlanRotationsParts {
  return { database, clock, schedule, policies, targets }
}
