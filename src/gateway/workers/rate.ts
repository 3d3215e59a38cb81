/** How often something may be asked for: so often at once, and then so often a second. */

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export class Allowance {
  readonly #rate: Rate
  #left: number
  #at: number

  /** `now`: in milliseconds of a clock that never goes back. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#left = rate.burst
    this.#at = now
  }

  /** Whether it may be asked for once more. */
  take(now: number): boolean {
    const { burst, perSecond } = this.#rate
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) / 1000) * perSecond)
    this.#at = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
