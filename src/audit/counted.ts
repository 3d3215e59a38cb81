/** Many events of one kind as one: how many, from when to when, and a few of the words in them. */

import type { AuditEvent } from './event.ts'

/** Distinct values are counted up to here, and so many of them shown. */
const MOST_DISTINCT = 200
const SHOWN = 10
const LONGEST_SHOWN = 64
/** The words that say what happened, of all kinds. */
const FIELDS = ['protocol', 'code', 'login', 'source', 'reason', 'what'] as const

export class Counted {
  readonly #kind: AuditEvent['kind']
  readonly #actor: string
  readonly #session: string | undefined
  readonly #about: Record<string, string>
  readonly #first: number
  #last: number
  #count = 0
  readonly #seen = new Map<string, Map<string, number>>()

  /** `about`: what they have in common. */
  constructor({ kind, actor, session }: AuditEvent, about: Record<string, string>, now: number) {
    this.#kind = kind
    this.#actor = actor
    this.#session = kind === 'channel.denied' ? session : undefined
    this.#about = about
    this.#first = now
    this.#last = now
  }

  add({ data = {} }: AuditEvent, now: number): void {
    this.#count++
    this.#last = now
    for (const field of FIELDS) {
      if (typeof data[field] === 'string') this.#see(field, data[field].slice(0, LONGEST_SHOWN), 1)
    }
  }

  /** Takes over what was counted earlier. */
  join(earlier: Counted): void {
    this.#count += earlier.#count
    for (const [field, values] of earlier.#seen) for (const [value, times] of values) this.#see(field, value, times)
  }

  #see(field: string, value: string, times: number): void {
    const values = this.#seen.get(field) ?? new Map<string, number>()
    this.#seen.set(field, values)
    if (values.has(value) || values.size < MOST_DISTINCT) values.set(value, (values.get(value) ?? 0) + times)
  }

  /** `distinct`: how many values there were, 200 for 200 or more; `some`: the most frequent, each with how often it came. */
  event(): AuditEvent {
    const seen = [...this.#seen].map(([field, values]) => {
      const some = [...values].sort(([, a], [, b]) => b - a).slice(0, SHOWN)
      return [`${field}s`, { distinct: values.size, some: Object.fromEntries(some) }]
    })
    return {
      kind: this.#kind,
      actor: this.#actor,
      ...(this.#session === undefined ? {} : { session: this.#session }),
      data: {
        ...{ more: this.#count, ...this.#about },
        first: new Date(this.#first).toISOString(),
        last: new Date(this.#last).toISOString(),
        ...Object.fromEntries(seen),
      },
    }
  }
}
