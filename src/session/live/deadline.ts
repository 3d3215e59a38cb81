/** When a live session ends by itself, by a clock that people set and by what has passed; and which warning is due before. */

import type { GrantEnd } from '../../policy/grant.ts'

/** Now, by the clock and by what nobody can set. */
export interface Moment {
  readonly time: number
  readonly elapsed: number
}

/** So long before its end a session is warned. */
const WARNINGS_MS = [5 * 60_000, 60_000] as const
/** What is decided anew a moment later differs by less. */
export const SAME_END_MS = 1000

export class Deadline<End extends Pick<GrantEnd, 'endsAt'> = GrantEnd> {
  #end: End
  /** By what nobody can set: a clock that is set back makes no session longer. */
  #endsAtElapsed: number
  /** Warnings of this length and longer ones are over. */
  #warnedMs: number

  constructor(end: End, now: Moment) {
    this.#end = end
    this.#endsAtElapsed = now.elapsed + end.endsAt - now.time
    this.#warnedMs = passed(this.leftMs(now))
  }

  get end(): End {
    return this.#end
  }

  /** By the clock and by what has passed: what comes first. */
  leftMs({ time, elapsed }: Moment): number {
    return Math.min(this.#end.endsAt - time, this.#endsAtElapsed - elapsed)
  }

  /** True once for each warning; where several are due at once, for all of them together. */
  warns(now: Moment): boolean {
    const leftMs = this.leftMs(now)
    const due = passed(leftMs)
    if (leftMs <= 0 || due >= this.#warnedMs) return false
    this.#warnedMs = due
    return true
  }

  /** It ends at another time from now on. False where that is the same one. */
  move(end: End, now: Moment): boolean {
    const byMs = end.endsAt - this.#end.endsAt
    if (Math.abs(byMs) < SAME_END_MS) return false
    this.#end = end
    this.#endsAtElapsed += byMs
    this.#warnedMs = passed(this.leftMs(now))
    return true
  }
}

/** The shortest warning whose time has come. */
function passed(leftMs: number): number {
  return Math.min(Number.POSITIVE_INFINITY, ...WARNINGS_MS.filter(lead => leftMs <= lead))
}
