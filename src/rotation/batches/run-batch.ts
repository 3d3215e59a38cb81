/** Rotates the accounts of a batch, some at a time, until all have come to an end, too many have failed, or somebody stops it. */

import { setTimeout as pause } from 'node:timers/promises'
import type { JobHandler } from '../../schedule/job.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { Clock } from '../../shared/clock.ts'
import { unlessAborted } from '../../shared/concurrency/unless-aborted.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { RotationOutcome } from '../outcome.ts'
import type { Rotations } from '../rotations.ts'
import { rotationJob } from '../triggers/rotation-job.ts'
import type { Batch, BatchCounts, BatchEntry, EntryState } from './batch.ts'
import type { BatchRows } from './batch-rows.ts'

export interface RunBatchParts {
  readonly rows: BatchRows
  readonly rotations: Pick<Rotations, 'rotate'>
  readonly schedule: Pick<Schedule, 'plan'>
  readonly clock: Clock
  /** When the gateway last rotated the account. */
  readonly rotatedAt: (address: AccountAddress) => Promise<number | undefined>
  readonly heldUntil: (address: AccountAddress) => Promise<number | undefined>
  /** The batch is over, for this reason: with its audit event. False where it was over already. */
  readonly close: (batch: Batch, state: 'stopped' | 'done', words: string, counts: BatchCounts) => Promise<boolean>
  readonly log: Log
}

interface End {
  readonly state: EntryState
  readonly words: string
}

/** While another gateway is at an account. */
const BUSY_MS = 10_000
/** More would leave no room for those who log in. */
export const MOST_PARALLEL = 16
const MOST_BATCHES = 2

export function batchHandler(parts: RunBatchParts): JobHandler {
  return {
    limit: MOST_BATCHES,
    async run({ key }, signal) {
      const batch = await parts.rows.get(key)
      if (batch?.state === 'running') await runBatch(parts, batch, signal)
      return undefined
    },
  }
}

async function runBatch(parts: RunBatchParts, batch: Batch, signal: AbortSignal): Promise<void> {
  const { rows } = parts
  const { id, parallel, stopAfter = Number.POSITIVE_INFINITY } = batch
  const before = await rows.counts(id)
  let place = before.rotated + before.failed + before.open + before.waits
  let { failed } = before
  const queue: BatchEntry[] = []
  /** All that were taken here, also what has ended: a list that was read before an end was noted still has it. */
  const taken = new Set<string>()
  let underWay = 0

  async function take(): Promise<BatchEntry | undefined> {
    if (queue.length === 0) {
      for (const entry of await rows.next(id, parallel + underWay))
        if (!taken.has(formatAccountAddress(entry))) queue.push(entry)
    }
    const entry = queue.shift()
    if (entry !== undefined) {
      taken.add(formatAccountAddress(entry))
      underWay++
    }
    return entry
  }

  /** One after the other asks for the next: a queue is not read twice at once. */
  let asking: Promise<unknown> = Promise.resolve()
  const next = () => {
    const asked = asking.then(take)
    asking = asked.catch(() => undefined)
    return asked
  }

  async function work(): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (failed >= stopAfter) return
      const entry = await next()
      if (entry === undefined) return
      const { startedAt } = entry
      if (!(await rows.begin(id, entry))) return
      const end = (await endedBefore(startedAt, entry)) ?? (await rotate(parts, batch, entry, signal))
      if (end.state === 'failed') failed++
      await rows.end(id, entry, end.state, end.words, ++place)
      underWay--
    }
  }

  /** A gateway was killed between the rotation and its note. */
  async function endedBefore(startedAt: number | undefined, entry: BatchEntry): Promise<End | undefined> {
    if (startedAt === undefined) return undefined
    const rotatedAt = await parts.rotatedAt(entry)
    return rotatedAt !== undefined && rotatedAt >= startedAt ? { state: 'rotated', words: '' } : undefined
  }

  const results = await Promise.allSettled(Array.from({ length: parallel }, work))
  const broken = results.find(result => result.status === 'rejected')
  if (broken !== undefined) throw broken.reason
  const counts = await rows.counts(id)
  const left = counts.waiting + counts.running
  const words = left === 0 ? '' : `${failed} failed: ${left} were not begun`
  await parts.close(batch, left === 0 ? 'done' : 'stopped', words, counts)
}

async function rotate(parts: RunBatchParts, { by }: Batch, address: AccountAddress, signal: AbortSignal): Promise<End> {
  const { rotations, schedule, clock, heldUntil, log } = parts
  for (;;) {
    const outcome = await unlessAborted<RotationOutcome | undefined | { failed: string }>(
      signal,
      rotations.rotate(address, { trigger: 'by-hand', by }).catch(error => {
        if (error instanceof GatewayError) {
          if (error.code === 'GATEWAY_STOPPING') throw error
          return { failed: error.message }
        }
        log.error({ err: error, ...address }, 'an account of a batch was not rotated')
        return { failed: "An unexpected error: the gateway's log has it." }
      }),
      undefined,
    )
    // It goes on, and whoever has the batch next finds out what it came to.
    signal.throwIfAborted()
    if (outcome === undefined) continue
    if ('failed' in outcome) return { state: 'failed', words: outcome.failed }
    switch (outcome.result) {
      case 'rotated':
      case 'would-rotate':
        return { state: 'rotated', words: outcome.result === 'rotated' ? outcome.words : '' }
      case 'open':
        return { state: 'open', words: outcome.words }
      case 'backed-out':
      case 'refused':
      case 'unknown':
        return { state: 'failed', words: outcome.words }
      case 'not-started':
        if (outcome.why === 'busy') {
          await pause(BUSY_MS, undefined, { signal, ref: false }).catch(() => undefined)
          signal.throwIfAborted()
          continue
        }
        if (outcome.why !== 'checked-out') return { state: 'failed', words: outcome.words }
        await schedule.plan(
          rotationJob(address, (await heldUntil(address)) ?? clock.now(), {
            ...{ trigger: 'by-hand', by, waits: true },
          }),
        )
        return { state: 'waits', words: outcome.words }
    }
  }
}
