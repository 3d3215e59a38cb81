/** A map that holds so much and no more: what was set least recently goes first. */

export class BoundedMap<V> {
  readonly #most: number
  readonly #sizeOf: (value: V, key: string) => number
  readonly #entries = new Map<string, V>()
  #held = 0

  /** `most`: of all entries together by what `sizeOf` says of each, the same each time; not given: so many entries. */
  constructor(most: number, sizeOf: (value: V, key: string) => number = () => 1) {
    this.#most = most
    this.#sizeOf = sizeOf
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: V): void {
    // A Map keeps the order of insertion.
    this.delete(key)
    this.#entries.set(key, value)
    this.#held += this.#sizeOf(value, key)
    while (this.#held > this.#most) this.delete(this.#entries.keys().next().value!)
  }

  delete(key: string): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#held -= this.#sizeOf(value, key)
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }
}
