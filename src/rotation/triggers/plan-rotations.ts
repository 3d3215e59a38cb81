/** Keeps what is planned true to the policies: a job for each account that is to be rotated or verified by itself, and for no other. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../database/database.ts'
import type { Job } from '../../schedule/job.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { Clock } from '../../shared/clock.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Account, Target } from '../../targets/target.ts'
import type { Targets } from '../../targets/targets.ts'
import { policyOf, type RotationPolicies } from '../policies/policies.ts'
import type { RotationPolicy } from '../policies/rotation-policy.ts'
import { payloadOf, ROTATE, rotationJob, VERIFY } from './rotation-job.ts'
import { isSetTime, latestRotation, nextRotation, nextVerification } from './times.ts'

export interface PlanRotationsParts {
  readonly database: Database
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly schedule: Schedule
  readonly policies: Pick<RotationPolicies, 'list'>
  readonly targets: Pick<Targets, 'getAll'>
}

/** Small, so that a login waits behind none of them. */
const PAGE = 50
const PAUSE_MS = 5

interface Held extends AccountAddress {
  readonly rotatedAt: number | undefined
}

/** Of all accounts that the vault has a credential of. Done twice, nothing changes. */
export async function planRotations(parts: PlanRotationsParts, signal?: AbortSignal): Promise<void> {
  const policies = await parts.policies.list()
  const wanted = new Map<string, Set<string>>([
    [ROTATE, new Set()],
    [VERIFY, new Set()],
  ])
  if (policies.length > 0) {
    let after: AccountAddress | undefined
    for (;;) {
      signal?.throwIfAborted()
      const page = await heldAfter(parts.database, after)
      const changes = await changesFor(parts, policies, page, wanted)
      if (changes.length > 0) {
        await parts.database.transaction().execute(async on => {
          for (const change of changes) await change(on)
        })
      }
      if (page.length < PAGE) break
      after = page.at(-1)
      await sleep(PAUSE_MS)
    }
  }
  for (const [kind, keys] of wanted) await takeOut(parts.schedule, kind, keys, signal)
}

/**
 * Of one account: where it was rotated after this time, what was planned before is planned anew, and comes after the job that runs now. Gives
 * when the gateway last rotated it.
 */
export async function planAccount(
  parts: PlanRotationsParts,
  address: AccountAddress,
  after: number,
): Promise<number | undefined> {
  const [held] = await heldAt(parts.database, address)
  const rotatedAt = held?.rotatedAt
  if (held === undefined || rotatedAt === undefined || rotatedAt <= after) return rotatedAt
  const policies = await parts.policies.list()
  for (const change of await changesFor(parts, policies, [held], undefined)) await change(parts.database)
  return rotatedAt
}

/** When the gateway last rotated the account; undefined also where a clock that was wrong put that into the future: nothing follows from it. */
export async function rotatedAt(
  { database, clock }: Pick<PlanRotationsParts, 'database' | 'clock'>,
  address: AccountAddress,
): Promise<number | undefined> {
  const at = (await heldAt(database, address))[0]?.rotatedAt
  return at === undefined || isFuture(at, clock.now()) ? undefined : at
}

/** No two clocks of what writes to a store differ by more. */
const SAME_TIME_MS = 60_000

/** Whether only a clock that was wrong can have said this. */
export function isFuture(at: number, now: number): boolean {
  return at > now + SAME_TIME_MS
}

type PlanChange = (on: Database) => Promise<void>

async function changesFor(
  { clock, schedule, targets }: PlanRotationsParts,
  policies: readonly RotationPolicy[],
  page: readonly Held[],
  /** Where those are noted that have a job; undefined: they were rotated just now. */
  wanted: ReadonlyMap<string, Set<string>> | undefined,
): Promise<PlanChange[]> {
  const now = clock.now()
  const entries = new Map(
    (await targets.getAll([...new Set(page.map(({ target }) => target))])).map(entry => [entry.name, entry]),
  )
  const keys = page.map(formatAccountAddress)
  // Kind by kind: that is how they are found among all.
  const planned = [...(await schedule.list({ kind: ROTATE, keys })), ...(await schedule.list({ kind: VERIFY, keys }))]
  const jobs = new Map(planned.map(job => [`${job.kind} ${job.key}`, job]))
  return page.flatMap(held => {
    const key = formatAccountAddress(held)
    const entry = entryOf(entries.get(held.target), held.account)
    const policy = entry && policyOf(policies, entry.target, entry.account)
    if (policy === undefined) return []
    const [rotate, verify] = [jobs.get(`${ROTATE} ${key}`), jobs.get(`${VERIFY} ${key}`)]
    const changes: PlanChange[] = []

    const next = nextRotation(policy, held.rotatedAt, now)
    if (next !== undefined) {
      wanted?.get(ROTATE)?.add(key)
      const isOver = wanted === undefined && rotate?.state === 'running'
      if (isOver || !stands(rotate, next.basis, policy, now)) {
        const { dueAt, ...why } = next
        changes.push(on =>
          schedule.plan({ ...rotationJob(held, dueAt, { ...why, by: 'gateway' }), replace: !isOver }, on),
        )
      }
    }
    const verifyAt = nextVerification(policy, true, now)
    if (verifyAt !== undefined) {
      wanted?.get(VERIFY)?.add(key)
      const basis = String(policy.verifyEvery)
      if (verify === undefined || basisOf(verify) !== basis || verify.dueAt > now + 2 * policy.verifyEvery!) {
        changes.push(on => schedule.plan({ kind: VERIFY, key, dueAt: verifyAt, payload: { basis }, replace: true }, on))
      }
    }
    return changes
  })
}

/** Whether what is planned may stay: it follows from the same, or from something that comes first. */
function stands(job: Job | undefined, basis: string, policy: RotationPolicy, now: number): boolean {
  if (job === undefined) return false
  // What it comes to decides when the next one is.
  if (job.state === 'running') return true
  const planned = payloadOf(job)
  if (planned?.trigger !== 'interval' && planned?.trigger !== 'cron') return job.state !== 'given-up'
  if (planned.basis !== basis) return false
  if (job.attempts > 0) return true
  // A clock that was wrong may have moved it between two set times.
  if (planned.trigger === 'cron' && !isSetTime(policy, job.dueAt)) return false
  return job.dueAt <= latestRotation(policy, now)
}

function basisOf({ payload }: Job): unknown {
  return (payload as { basis?: unknown } | null)?.basis
}

/** What a policy planned that is gone, or says something else now. */
async function takeOut(
  schedule: Schedule,
  kind: string,
  wanted: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let afterKey = ''
  for (;;) {
    signal?.throwIfAborted()
    const page = await schedule.list({ kind, afterKey, limit: 500 })
    for (const job of page) {
      if (wanted.has(job.key)) continue
      const trigger = payloadOf(job)?.trigger
      if (kind === VERIFY || trigger === 'interval' || trigger === 'cron') await schedule.cancel(kind, job.key)
    }
    if (page.length < 500) return
    afterKey = page.at(-1)!.key
    await sleep(PAUSE_MS)
  }
}

function entryOf(target: Target | undefined, name: string): { target: Target; account: Account } | undefined {
  const account = target?.accounts.find(each => each.name === name)
  return target === undefined || account === undefined ? undefined : { target, account }
}

function held(database: Database) {
  return database
    .selectFrom('credential_bindings as binding')
    .leftJoin('credentials as version', join =>
      join
        .onRef('version.account', '=', 'binding.account')
        .onRef('version.target', '=', 'binding.target')
        .onRef('version.version', '=', 'binding.in_force'),
    )
    .select(['binding.account', 'binding.target', 'version.cause', 'version.current_at'])
}

async function heldAfter(database: Database, after: AccountAddress | undefined): Promise<Held[]> {
  let select = held(database).orderBy('binding.target').orderBy('binding.account').limit(PAGE)
  if (after !== undefined) {
    // Begun at the target, and not at the first of all.
    select = select
      .where('binding.target', '>=', after.target)
      .where(({ eb, or }) => or([eb('binding.target', '>', after.target), eb('binding.account', '>', after.account)]))
  }
  return (await select.execute()).map(heldOf)
}

async function heldAt(database: Database, { account, target }: AccountAddress): Promise<Held[]> {
  const select = held(database).where('binding.account', '=', account).where('binding.target', '=', target)
  return (await select.execute()).map(heldOf)
}

function heldOf(row: { account: string; target: string; cause: string | null; current_at: number | null }): Held {
  const { account, target, cause, current_at } = row
  const byUs = cause === 'rotated' || cause === 'reconciled'
  return { account, target, rotatedAt: byUs ? (current_at ?? undefined) : undefined }
}
