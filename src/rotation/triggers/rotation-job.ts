/** The jobs of rotation in the schedule: which there are, and what is planned with each. */

import { z } from 'zod'
import type { Job, NewJob } from '../../schedule/job.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'

/** `rotate` and `verify` are for an account; `plan-rotations` plans those by the policies, and `rotate-batch` rotates many. */
export const ROTATE = 'rotate'
export const VERIFY = 'verify'
export const PLAN_ROTATIONS = 'plan-rotations'
export const ROTATE_BATCH = 'rotate-batch'

/**
 * Why an account is rotated by a job; `by-hand`: as one of a batch, when it is returned; `other-login`: of a dual account, since the first
 * rotation left valid what somebody may have seen.
 */
export const JOB_TRIGGERS = [
  'by-hand',
  'interval',
  'cron',
  'check-in',
  'session',
  'offboarding',
  'leak',
  'other-login',
] as const
export type JobTrigger = (typeof JOB_TRIGGERS)[number]

const EXPOSING: readonly JobTrigger[] = ['check-in', 'offboarding', 'leak']

/** Whether somebody may know what was in use. */
export function exposes(trigger: JobTrigger): boolean {
  return EXPOSING.includes(trigger)
}

const payloadSchema = z.object({
  trigger: z.enum(JOB_TRIGGERS),
  by: z.string(),
  /** What the time follows from, where it follows from a policy: planned anew when that changes. */
  basis: z.string().optional(),
  /** Since somebody has the account for themselves alone: it comes when they return it. */
  waits: z.boolean().optional(),
})
export type RotationPayload = z.output<typeof payloadSchema>

/** Undefined for what is no plan of ours. */
export function payloadOf({ payload }: Pick<Job, 'payload'>): RotationPayload | undefined {
  return payloadSchema.safeParse(payload).data
}

export function rotationJob(address: AccountAddress, dueAt: number, payload: RotationPayload): NewJob {
  // What somebody knows by now does not wait behind ten thousand that are only due.
  const urgent = payload.trigger !== 'interval' && payload.trigger !== 'cron'
  return { kind: ROTATE, key: formatAccountAddress(address), dueAt, payload, urgent }
}

/** The policies, the targets or the credentials have changed: what follows from them is planned now. */
export function planRotationsJob(now: number): NewJob {
  return { kind: PLAN_ROTATIONS, key: 'all', dueAt: now }
}
