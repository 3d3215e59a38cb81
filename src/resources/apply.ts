/** Makes resource files true: all of what they say, in one transaction, or nothing. */

import { withdrawRequests } from '../access-requests/withdraw.ts'
import { throwProblems } from '../config/yaml-source.ts'
import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import { holdPolicy } from '../database/policy-lock.ts'
import type { Clock } from '../shared/clock.ts'
import { type PlacedResource, type ResourceFile, readResources } from './parse.ts'
import { type Plan, type Planned, planResources, type ResourceName, readTexts, type StoredTexts } from './plan.ts'
import { RESOURCE_KINDS, type ResourceKind } from './resource.ts'
import { openStores, type Stores } from './stores.ts'
import type { KnownConnectors } from './unfit-policies.ts'

export interface ApplyParts {
  readonly database: Database
  readonly clock: Clock
  readonly connectors: KnownConnectors
}

export interface PlanOptions {
  /** Delete what no file speaks of, among the kinds that the files have. */
  readonly prune?: boolean
  /** In place of `prune`: these are deleted. */
  readonly deletions?: readonly ResourceName[]
  /** Throws where the plan must not be carried out; `seen`: what the stores held when it was made. */
  readonly check?: (plan: Plan, seen: StoredTexts) => void
}

export interface ApplyOptions extends PlanOptions {
  /** Only say what would change. */
  readonly dryRun?: boolean
  /** How it is carried out; in a transaction of its own, unless told. */
  readonly change?: Change
  /** What follows from the plan, in the transaction that carries it out. */
  readonly follow?: (plan: Plan, on: Database) => Promise<void>
}

/** What is to be true, and what that would change in the stores as they were when it was asked. */
export interface Proposal {
  readonly described: readonly PlacedResource[]
  readonly planned: Planned
}

/** Changes nothing. Throws `RESOURCE_INVALID`, with every problem as `file:line:column`, where any of the files is wrong. */
export async function propose(
  files: readonly ResourceFile[],
  parts: ApplyParts,
  options: PlanOptions = {},
): Promise<Proposal> {
  return proposeResources(await readResources(files), parts, options)
}

/** The same of what has been read. */
export async function proposeResources(
  described: readonly PlacedResource[],
  parts: ApplyParts,
  options: PlanOptions = {},
): Promise<Proposal> {
  return { described, planned: await plan(described, parts, options) }
}

/**
 * Carries a proposal out and gives what changed: in one transaction, so that all of it is stored or nothing. What somebody else applied since it
 * was made counts: it is then planned anew. Throws as `propose` does. The caller has the audit event written, by `change`, and ends
 * the sessions of `withdrawnUsers`.
 */
export function carryOut(
  { described, planned }: Proposal,
  parts: ApplyParts,
  { change = changeOf(parts.database), follow, ...options }: Omit<ApplyOptions, 'dryRun'> = {},
): Promise<Plan> {
  return change(async database => {
    const stores = openStores({ ...parts, database })
    const texts = await readTexts(stores)
    const isAsSeen = RESOURCE_KINDS.every(kind => hasSame(texts[kind], planned.seen[kind]))
    const { plan: now, puts } = isAsSeen ? planned : await plan(described, { ...parts, database }, options, texts)
    await store(now, puts, stores, { ...parts, database })
    await follow?.(now, database)
    return now
  })
}

/** Both, one after the other. A second time, nothing changes. */
export async function applyResources(
  files: readonly ResourceFile[],
  parts: ApplyParts,
  { dryRun = false, ...options }: ApplyOptions = {},
): Promise<Plan> {
  const proposal = await propose(files, parts, options)
  return dryRun ? proposal.planned.plan : carryOut(proposal, parts, options)
}

async function plan(
  described: readonly PlacedResource[],
  parts: ApplyParts,
  { prune = false, deletions, check }: PlanOptions,
  texts?: StoredTexts,
): Promise<Planned> {
  const options = { prune, deletions, connectors: parts.connectors }
  const planned = await planResources(described, openStores(parts), options, texts)
  if (planned.problems.length > 0) throwProblems('RESOURCE_INVALID', planned.problems)
  check?.(planned.plan, planned.seen)
  return planned
}

/** In the order of the kinds, and what goes the other way round: those who name a thing never lack it. Open requests that rested on it end with it. */
async function store(
  { changes }: Plan,
  puts: Planned['puts'],
  stores: Stores,
  parts: Pick<ApplyParts, 'database' | 'clock'>,
): Promise<void> {
  for (const kind of RESOURCE_KINDS)
    await stores[kind].putAll(puts.flatMap(one => (one.kind === kind ? [one.value] : [])))
  const names = (kind: ResourceKind) => new Set(changes.flatMap(one => (one.kind === kind ? [one.name] : [])))
  const changed = { users: names('user'), roles: names('role'), targets: names('target') }
  const isGround = Object.values(changed).some(({ size }) => size > 0)
  if (isGround) await holdPolicy('change', parts.database)
  for (const kind of RESOURCE_KINDS.toReversed()) {
    const gone = changes.filter(one => one.kind === kind && one.action === 'delete')
    await stores[kind].removeAll(gone.map(({ name }) => name))
  }
  if (isGround) await withdrawRequests(changed, parts)
}

function hasSame(now: ReadonlyMap<string, string>, seen: ReadonlyMap<string, string>): boolean {
  return now.size === seen.size && now.entries().every(([name, text]) => seen.get(name) === text)
}
