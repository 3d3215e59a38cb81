/** What names stand for: a map that forgets its oldest entries when it holds too much, and reports each value that it evicts. */

const MOST_NAMES = 10_000
const MOST_BYTES = 16 * 1024 * 1024

export interface Named<V> {
  readonly value: V
  readonly size: number
  readonly since: number
}

export class NamedValues<V> {
  readonly #map = new Map<string, Named<V>>()
  readonly #sizeOf: (value: V) => number
  readonly #leaving: (value: V) => unknown
  #bytes = 0

  constructor(sizeOf: (value: V) => number, leaving: (value: V) => unknown) {
    this.#sizeOf = sizeOf
    this.#leaving = leaving
  }

  names(): Iterable<string> {
    return this.#map.keys()
  }

  get(name: string): Named<V> | undefined {
    return this.#map.get(name)
  }

  set(name: string, value: V, since: number): void {
    const size = this.#sizeOf(value) + name.length
    const before = this.#map.get(name)
    this.#bytes += size - (before?.size ?? 0)
    this.#map.set(name, { value, size, since })
    if (before !== undefined && before.value !== value) this.#leaving(before.value)
    while (this.#map.size > 1 && (this.#map.size > MOST_NAMES || this.#bytes > MOST_BYTES)) {
      this.delete(this.#map.keys().next().value!)
    }
  }

  delete(name: string): void {
    const before = this.#map.get(name)
    if (before === undefined) return
    this.#bytes -= before.size
    this.#map.delete(name)
    this.#leaving(before.value)
  }
}
