/** What a session has prepared and bound, as the server confirmed it: names of statements and portals, bounded. */

import { showValue } from './bind-values.ts'
import type { TextDecode } from './client-encoding.ts'
import type { Pending } from './pending-queue.ts'
import { isLong, Statement } from './statement.ts'
import { readBindValues } from './wire/client-requests.ts'

const REDACTED = '[redacted]'
const UNREADABLE = '(values that cannot be read)'
const MOST_NAMES = 10_000
const MOST_BYTES = 16 * 1024 * 1024

/** A statement with its values. */
export class Portal {
  readonly statement: Statement
  /** Whether it is not sure that this is what its name stands for. */
  identity: Statement['identity']
  readonly #body: Buffer | undefined
  readonly #length: number
  readonly #read: typeof readBindValues
  #first: (string | null)[] | undefined
  #again: (string | null)[] | number | undefined

  /** `read` knows how the values stand in `body`. */
  constructor(statement: Statement, body?: Buffer, length = 0, read = readBindValues) {
    this.statement = statement
    this.identity = statement.identity
    this.#read = read
    this.#body = body
    this.#length = length
  }

  /** Whether the recording has it. */
  get told(): boolean {
    return this.#first !== undefined
  }

  get bytes(): number {
    return 64 + (this.#body?.length ?? 0)
  }

  /** The values for the recording: all of them the first time; after that, where they are long, how many there were. */
  tellParameters(decode: TextDecode): (string | null)[] | number {
    if (this.#first === undefined) {
      this.#first = this.#show(decode)
      return this.#first
    }
    this.#again ??= isLong(this.#first) ? this.#first.length : this.#first
    return this.#again
  }

  #show(decode: TextDecode): (string | null)[] {
    if (this.#body === undefined) return []
    const { redacted, types } = this.statement
    try {
      return this.#read(this.#body, this.#length, (index, bytes, binary, length) =>
        redacted ? REDACTED : showValue(bytes, length, binary, types[index] ?? 0, decode),
      )
    } catch {
      // The counts in it lie. It is for the target to refuse; that it was tried is recorded.
      return [UNREADABLE]
    }
  }
}

export class KnownStatements {
  readonly #statements: BoundedMap<Statement>
  readonly #portals: BoundedMap<Portal>
  /** A name was given since names were last doubted. */
  #newNames = false

  /** `forgotten` is told of what may still be executed but is known no longer: it must be in the recording by then. */
  constructor(forgotten: (portal: Portal, tag: '(prepared)' | '(bound)') => void) {
    this.#statements = new BoundedMap(
      statement => 64 + statement.size,
      statement => statement.told || forgotten(new Portal(statement), '(prepared)'),
    )
    this.#portals = new BoundedMap(
      portal => portal.bytes,
      portal => portal.told || forgotten(portal, '(bound)'),
    )
  }

  parsed(pending: Pending): void {
    this.#newNames = true
    this.#statements.set(pending.name, pending.statement!)
  }

  /** The server has told the types of a statement's values. */
  described(pending: Pending, types: readonly number[]): void {
    const statement = this.#statements.get(pending.statementName)
    if (statement === undefined) return
    statement.types = types
    this.#statements.set(pending.statementName, statement)
  }

  bound(pending: Pending): void {
    this.#portals.set(pending.name, this.portalOfBind(pending))
  }

  closed(pending: Pending): void {
    if (pending.ofStatement) this.#statements.delete(pending.statementName)
    else this.#portals.delete(pending.name)
  }

  /** A PREPARE of SQL; it cannot take a name that is in use. */
  prepared(by: Statement): void {
    const names = by.names('statement')
    for (const { name, statement } of names) {
      const known = this.#statements.get(name)
      if (known !== undefined && known.identity === undefined) continue
      // Dropped in between, in the same text.
      if (names.filter(other => other.name === name).length > 1) statement.identity = 'doubtful'
      this.#newNames = true
      this.#statements.set(name, statement)
    }
  }

  /** A DECLARE of SQL: its cursor is a portal too, and may have the name of one that the end of a transaction closed. */
  declared(by: Statement): void {
    const names = by.names('cursor')
    for (const { name, statement } of names) this.#portals.set(name, new Portal(statement))
    if (names.length > 0) return
    for (const [name, portal] of this.#portals.entries()) if (name !== '') portal.identity ??= 'doubtful'
  }

  /** SQL has dropped statements: it may give their names to others, where that cannot be read. */
  doubt(): void {
    if (!this.#newNames) return
    this.#newNames = false
    for (const [name, statement] of this.#statements.entries()) if (name !== '') statement.identity ??= 'doubtful'
  }

  statement(name: string): Statement {
    return this.#statements.get(name) ?? Statement.unknown(unknown(`statement "${name}", prepared`))
  }

  portal(name: string): Portal {
    return this.#portals.get(name) ?? new Portal(Statement.unknown(unknown(`portal "${name}", opened`)))
  }

  portalOfBind(pending: Pending): Portal {
    return new Portal(this.statement(pending.statementName), pending.body, pending.bodyLength)
  }

  withoutValues(statement: Statement): Portal {
    return new Portal(statement)
  }
}

const unknown = (what: string): string => `(the ${what} by SQL or too long ago to be known here)`

/** A map that forgets its oldest entries when it holds too much. */
class BoundedMap<V> {
  readonly #map = new Map<string, { readonly value: V; readonly size: number }>()
  readonly #sizeOf: (value: V) => number
  readonly #forgotten: (value: V) => unknown
  #bytes = 0

  constructor(sizeOf: (value: V) => number, forgotten: (value: V) => unknown) {
    this.#sizeOf = sizeOf
    this.#forgotten = forgotten
  }

  *entries(): Iterable<[string, V]> {
    for (const [name, { value }] of this.#map) yield [name, value]
  }

  get(name: string): V | undefined {
    return this.#map.get(name)?.value
  }

  set(name: string, value: V): void {
    const size = this.#sizeOf(value) + name.length
    this.#bytes += size - (this.#map.get(name)?.size ?? 0)
    this.#map.set(name, { value, size })
    while (this.#map.size > 1 && (this.#map.size > MOST_NAMES || this.#bytes > MOST_BYTES)) {
      const [oldest, { value: forgotten }] = this.#map.entries().next().value!
      this.delete(oldest)
      this.#forgotten(forgotten)
    }
  }

  delete(name: string): void {
    this.#bytes -= this.#map.get(name)?.size ?? 0
    this.#map.delete(name)
  }
}
