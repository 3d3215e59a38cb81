/** Makes resource files true: all of what they say, in one transaction, or nothing. */

import { throwProblems } from '../config/yaml-source.ts'
import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { parseResources, type ResourceFile } from './parse.ts'
import { type Plan, type Planned, planResources } from './plan.ts'
import { openStores, type Stores } from './stores.ts'
import type { KnownConnectors } from './unfit-policies.ts'

export interface ApplyOptions {
  /** Only say what would change. */
  readonly dryRun?: boolean
  /** Delete what no file speaks of, among the kinds that the files have. */
  readonly prune?: boolean
  /** How it is carried out; in a transaction of its own, unless told. */
  readonly change?: Change
  /** What follows from the plan, in the transaction that carries it out. */
  readonly follow?: (plan: Plan, on: Database) => Promise<void>
  /** Throws where the plan must not be carried out. */
  readonly check?: (plan: Plan) => void
}

/**
 * Applies the files and gives what changed (or would, with `dryRun`); a second time, nothing. Throws `RESOURCE_INVALID`, with
 * every problem as `file:line:column` and nothing applied, where any of the files is wrong. The caller has the audit event
 * written, by `change`, and ends the sessions of `withdrawnUsers`.
 */
export async function applyResources(
  files: readonly ResourceFile[],
  parts: { database: Database; clock: Clock; connectors: KnownConnectors },
  { dryRun = false, prune = false, change = changeOf(parts.database), follow, check }: ApplyOptions = {},
): Promise<Plan> {
  const { resources, problems } = parseResources(files)
  if (problems.length > 0) throwProblems('RESOURCE_INVALID', problems)
  return await change(async database => {
    const stores = openStores({ ...parts, database })
    const planned = await planResources(resources, stores, { prune, connectors: parts.connectors })
    if (planned.problems.length > 0) throwProblems('RESOURCE_INVALID', planned.problems)
    check?.(planned.plan)
    if (!dryRun) {
      await carryOut(planned, stores)
      await follow?.(planned.plan, database)
    }
    return planned.plan
  })
}

async function carryOut({ plan, resources }: Planned, stores: Stores): Promise<void> {
  for (const { kind, name, action } of plan.changes) {
    if (action === 'delete') await stores[kind].remove(name)
    else await stores[kind].put(resources.find(one => one.kind === kind && one.value.name === name)!.value)
  }
}
