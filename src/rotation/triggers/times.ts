/** When an account is rotated and verified next, by its policy. */

import { nextTime } from '../policies/cron.ts'
import type { RotationPolicy } from '../policies/rotation-policy.ts'

type Timing = Pick<RotationPolicy, 'every' | 'jitter' | 'at' | 'verifyEvery'>

export interface PlannedTime {
  readonly trigger: 'interval' | 'cron'
  readonly dueAt: number
  /** While this is the same, the time stays. */
  readonly basis: string
}

const DAY_MS = 86_400_000

/** `rotatedAt`: undefined where the gateway has never rotated it. `random`: from 0 to less than 1. Undefined: never by itself. */
export function nextRotation(
  { every, jitter = 0, at }: Timing,
  rotatedAt: number | undefined,
  now: number,
  random = Math.random(),
): PlannedTime | undefined {
  const basis = JSON.stringify([every ?? null, jitter, at ?? null, rotatedAt ?? null])
  const times: PlannedTime[] = []
  if (every !== undefined) {
    times.push({ trigger: 'interval', dueAt: afterInterval(every, jitter, rotatedAt, now, random), basis })
  }
  if (at !== undefined) {
    const next = nextTime(at, now)
    if (next !== undefined) times.push({ trigger: 'cron', dueAt: Math.round(next + random * jitter), basis })
  }
  return times.sort((a, b) => a.dueAt - b.dueAt)[0]
}

function afterInterval(
  every: number,
  jitter: number,
  rotatedAt: number | undefined,
  now: number,
  random: number,
): number {
  // Spread over the whole interval: all accounts that a new policy selects begin at once otherwise.
  if (rotatedAt === undefined) return Math.round(now + random * every)
  // A clock that was wrong may have put the last one into the future.
  const dueAt = Math.min(rotatedAt, now) + every
  // Overdue, since the interval was shortened: soon, and spread as well.
  return Math.round(dueAt < now ? now + random * Math.min(every / 4, DAY_MS) : dueAt + random * jitter)
}

/** The latest time that a plan made now can have: one that is later was made by a clock that was wrong. */
export function latestRotation({ every, jitter = 0, at }: Timing, now: number): number {
  const cron = at === undefined ? undefined : nextTime(at, now)
  const times = [...(every === undefined ? [] : [now + every]), ...(cron === undefined ? [] : [cron])]
  return Math.min(...times) + jitter
}

/** Whether a rotation may begin then by the policy's set times: at one of them, or within the jitter behind it. */
export function isSetTime({ at, jitter = 0 }: Timing, time: number): boolean {
  const first = at === undefined ? undefined : nextTime(at, time - jitter - 1)
  return first !== undefined && first <= time
}

/** The first time is spread over the interval, and each later one a tenth more or less. */
export function nextVerification(
  { verifyEvery }: Timing,
  first: boolean,
  now: number,
  random = Math.random(),
): number | undefined {
  if (verifyEvery === undefined) return undefined
  return Math.round(now + verifyEvery * (first ? random : 0.9 + random / 5))
}
