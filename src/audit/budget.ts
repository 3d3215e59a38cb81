/** How often something may be done: for each key, and in all. */

export interface Bound {
  readonly each: number
  readonly all: number
}

export class Budget {
  readonly #bound: Bound
  readonly #of = new Map<string, number>()
  #all = 0

  constructor(bound: Bound) {
    this.#bound = bound
  }

  /** True, and one less, where there is some left for the key. */
  take(key: string): boolean {
    const taken = this.#of.get(key) ?? 0
    if (taken >= this.#bound.each || this.#all >= this.#bound.all) return false
    this.#of.set(key, taken + 1)
    this.#all++
    return true
  }
}
