/** One timer for all recordings of a process: what is written in one go shares the way to the thread pool and back, which is the dearest part. */

/** How long an event waits for others, at first. With the write, and what the timer is late, less than the published bound. */
export const PACE_MS = 32

export class Pace {
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #armed = false

  /** Calls back once, within `PACE_MS`. */
  soon(callback: () => void): void {
    this.#waiting.push(callback)
    if (this.#armed) return
    this.#armed = true
    if (this.#timer !== undefined) this.#timer.refresh()
    else this.#timer = setTimeout(() => this.#ring(), PACE_MS)
  }

  #ring(): void {
    this.#armed = false
    const callbacks = this.#waiting
    this.#waiting = []
    for (const callback of callbacks) callback()
  }
}
