/** Does rotation's jobs: an account is rotated or verified, and what the policies want is planned. */

import { type Job, JobFailed, type JobHandler, JobRefused } from '../../schedule/job.ts'
import { unlessAborted } from '../../shared/concurrency/unless-aborted.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, parseAccountAddress } from '../../shared/names.ts'
import type { RotationOutcome } from '../outcome.ts'
import type { Rotations } from '../rotations.ts'
import { isFuture, type PlanRotationsParts, planAccount, planRotations } from './plan-rotations.ts'
import {
  exposes,
  PLAN_ROTATIONS,
  payloadOf,
  ROTATE,
  type RotationPayload,
  rotationJob,
  VERIFY,
} from './rotation-job.ts'
import { nextVerification } from './times.ts'

export interface RotationHandlerParts extends PlanRotationsParts {
  readonly rotations: Pick<Rotations, 'rotate' | 'verify'>
  /** Until when somebody has it checked out for themselves alone; undefined: nobody. */
  readonly heldUntil: (address: AccountAddress) => Promise<number | undefined>
}

const PLAN_EVERY_MS = 3_600_000
/** While another gateway rotates it, or somebody has it. */
const BUSY_MS = 10_000
/** What went wrong at the target is tried at it again so often: each try may cost it a login that fails. */
const MOST_TRIES = 5
const FIRST_PAUSE_MS = 60_000

export function rotationHandlers(parts: RotationHandlerParts): Readonly<Record<string, JobHandler>> {
  const { rotations, schedule, clock, heldUntil, targets } = parts

  async function rotate(job: Job, signal: AbortSignal): Promise<{ again: number } | undefined> {
    const address = addressOf(job)
    const payload = payloadOf(job)
    if (payload === undefined)
      throw new JobRefused('What was planned cannot be read: a newer gateway may have planned it.')
    if (await isDone(job, payload, address)) return undefined
    const outcome = await untilStopped(signal, rotations.rotate(address, payload)).catch(withoutAccount)
    return outcome && follow(job, payload, address, outcome)
  }

  /** After a crash between the rotation and the end of its job: what follows from a policy has been done. */
  async function isDone({ plannedAt }: Job, { basis }: RotationPayload, address: AccountAddress): Promise<boolean> {
    if (basis === undefined) return false
    const rotatedAt = await planAccount(parts, address, plannedAt)
    return rotatedAt !== undefined && rotatedAt > plannedAt && !isFuture(rotatedAt, clock.now())
  }

  async function follow(
    job: Job,
    payload: RotationPayload,
    address: AccountAddress,
    outcome: RotationOutcome,
  ): Promise<{ again: number } | undefined> {
    switch (outcome.result) {
      // The next time is planned by whoever is told that it was rotated.
      case 'rotated':
        if (exposes(payload.trigger)) await rotateOtherLogin(address, payload)
        return undefined
      case 'would-rotate':
        return undefined
      case 'open':
        return { again: outcome.nextAt }
      case 'backed-out':
      case 'refused':
        if (job.attempts + 1 < MOST_TRIES) throw new JobFailed(outcome.words)
        throw new JobRefused(outcome.words)
      case 'unknown':
        throw new JobRefused(outcome.words)
      case 'not-started':
        switch (outcome.why) {
          case 'busy':
            return { again: clock.now() + BUSY_MS }
          case 'checked-out': {
            // Not held any more: it was returned just now.
            const until = (await heldUntil(address)) ?? clock.now()
            await schedule.plan({ ...rotationJob(address, until, { ...payload, waits: true }), replace: true })
            return undefined
          }
          case 'unreachable':
            throw new JobFailed(outcome.words)
          // Nothing is overwritten silently: somebody must look at it.
          case 'changed-elsewhere':
          case 'damaged':
          case 'unknown':
          case 'works':
            throw new JobRefused(outcome.words)
        }
    }
  }

  /** A dual account's rotation leaves the credential valid that was in use: where that may have been seen, its login is changed too. */
  async function rotateOtherLogin(address: AccountAddress, { by }: RotationPayload): Promise<void> {
    const [target] = await targets.getAll([address.target])
    if (target?.accounts.find(({ name }) => name === address.account)?.logins === undefined) return
    await schedule.plan({ ...rotationJob(address, clock.now(), { trigger: 'other-login', by }), replace: true })
  }

  async function verify(job: Job, signal: AbortSignal): Promise<{ again: number } | undefined> {
    const address = addressOf(job)
    const verified = await untilStopped(signal, rotations.verify(address, 'gateway')).catch(withoutAccount)
    if (verified === undefined) return undefined
    if (verified.result === 'busy') return { again: clock.now() + BUSY_MS }
    if (verified.result === 'unreachable') throw new JobFailed(verified.words)
    const every = Number((job.payload as { basis?: unknown } | null)?.basis)
    if (!Number.isSafeInteger(every)) return undefined
    return { again: nextVerification({ verifyEvery: every }, false, clock.now())! }
  }

  return {
    // At once few, and one after the other: each costs a handshake or two, and people log in meanwhile.
    [ROTATE]: { limit: 4, paceMs: 500, firstPauseMs: FIRST_PAUSE_MS, run: rotate },
    [VERIFY]: { limit: 4, paceMs: 500, firstPauseMs: FIRST_PAUSE_MS, run: verify },
    [PLAN_ROTATIONS]: {
      limit: 1,
      async run(_job, signal) {
        await planRotations(parts, signal)
        return { again: clock.now() + PLAN_EVERY_MS }
      },
    },
  }
}

function addressOf({ key }: Job): AccountAddress {
  const address = parseAccountAddress(key)
  if (address === undefined) throw new JobRefused(`"${key}" is no account.`)
  return address
}

/** Whoever rotates goes on with it, or another gateway does: nobody waits for it who stops. */
async function untilStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const done = await unlessAborted<T | undefined>(signal, work, undefined)
  if (done !== undefined) return done
  throw new GatewayError('GATEWAY_STOPPING', 'The gateway is stopping.')
}

/** Of an account that is gone there is nothing to do; what somebody must mend first is not tried again. */
function withoutAccount(error: unknown): undefined {
  const code = error instanceof GatewayError ? error.code : undefined
  if (code === 'NOT_FOUND') return undefined
  if (code === 'BAD_REQUEST' || code === 'CREDENTIAL_UNAVAILABLE') throw new JobRefused((error as Error).message)
  throw error
}
