/** Time, passed in wherever it is needed, so that tests can move it. */

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Milliseconds since some moment, which nobody can set. Where a clock has none, its time is never set. */
  monotonic?(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** For differences of time that must be right also when the clock is set in between. */
export function elapsed(clock: Clock): number {
  return clock.monotonic?.() ?? clock.now()
}
