/** What the store holds of one kind: each document is read when it is asked for, and none that nobody asks for. */

import type { Documents } from '../database/documents.ts'
import type { Resource } from './resource.ts'

type Value = Resource['value']

export class StoredDocuments {
  readonly #texts: ReadonlyMap<string, string>
  readonly #read: Documents<Value>['read']
  readonly #known = new Map<string, Value>()

  constructor(texts: ReadonlyMap<string, string>, read: Documents<Value>['read']) {
    this.#texts = texts
    this.#read = read
  }

  get(name: string): Value | undefined {
    const text = this.#texts.get(name)
    if (text === undefined) return undefined
    const value = this.#known.get(name) ?? this.#read(text)
    this.#known.set(name, value)
    return value
  }

  /** Whether it is stored in the very words in which it would be now. */
  isSame(value: Value): boolean {
    return this.#texts.get(value.name) === JSON.stringify(value)
  }

  names(): Iterable<string> {
    return this.#texts.keys()
  }

  *values(): Generator<Value> {
    for (const name of this.#texts.keys()) yield this.get(name)!
  }

  /** As they are to be: without those that go, and with these in the place of what is stored under their names. */
  after(values: Iterable<Value>, gone: ReadonlySet<string> = new Set()): Map<string, Value> {
    const wanted = new Map(Array.from(values, value => [value.name, value]))
    const kept = Array.from(this.#texts.keys()).filter(name => !wanted.has(name) && !gone.has(name))
    return new Map([...kept.map(name => [name, this.get(name)!] as const), ...wanted])
  }
}
