/** What a session has prepared and bound, as the server confirmed it: names of statements and portals, bounded. */

import { Doubts } from './doubts.ts'
import type { Pending } from './pending-queue.ts'
import { Portal } from './portal.ts'
import { Statement } from './statement.ts'

const MOST_NAMES = 10_000
const MOST_BYTES = 16 * 1024 * 1024

export class KnownStatements {
  readonly #statements: BoundedMap<Statement>
  readonly #portals: BoundedMap<Portal>
  readonly doubts = new Doubts()

  /**
   * `leaving` is told of what is no longer known, and is not in the recording yet: SQL can run it too (EXECUTE, FETCH), and
   * the server runs parts of it before it is executed.
   */
  constructor(leaving: (portal: Portal, tag: '(prepared)' | '(bound)') => void) {
    this.#statements = new BoundedMap(
      statement => 64 + statement.size,
      statement => statement.told || leaving(new Portal(statement), '(prepared)'),
    )
    this.#portals = new BoundedMap(
      portal => portal.bytes,
      portal => portal.told || leaving(portal, '(bound)'),
    )
  }

  parsed({ name, statement }: Pending): void {
    this.#statements.set(name, statement!, this.doubts.now)
  }

  /** The server has told the types of a statement's values. */
  described(pending: Pending, types: readonly number[]): void {
    const known = this.#statements.get(pending.statementName)
    if (known === undefined) return
    known.value.types = types
    this.#statements.set(pending.statementName, known.value, known.since)
  }

  bound(pending: Pending): void {
    this.#portals.set(pending.name, this.portalOfBind(pending), this.doubts.now)
  }

  closed(pending: Pending): void {
    if (pending.ofStatement) this.#statements.delete(pending.statementName)
    else this.#portals.delete(pending.name)
  }

  /** A PREPARE of SQL; it cannot take a name that is in use. */
  prepared(by: Statement): void {
    const names = by.names('statement')
    if (names === undefined) {
      this.doubts.doubtNames()
      return
    }
    for (const { name, statement } of names) {
      const known = this.#statementNamed(name)
      if (known !== undefined && known.identity === undefined) continue
      // Whose success was told, where there are several; and whether the one before is gone.
      if (names.length > 1 || known !== undefined) statement.identity = 'doubtful'
      this.#statements.set(name, statement, this.doubts.now)
    }
  }

  /** A DECLARE of SQL: its cursor is a portal too, and may have the name of one that the end of a transaction closed. */
  declared(by: Statement): void {
    const names = by.names('cursor')
    if (names === undefined) {
      this.doubts.doubtNames()
      return
    }
    for (const { name, statement } of names) {
      if (names.length > 1) statement.identity = 'doubtful'
      this.#portals.set(name, new Portal(statement), this.doubts.now)
    }
  }

  /** The session is over. */
  forget(): void {
    for (const name of this.#portals.names()) this.#portals.delete(name)
    for (const name of this.#statements.names()) this.#statements.delete(name)
  }

  statement(name: string): Statement {
    return this.#statementNamed(name) ?? Statement.unknown(unknown(`statement "${name}", prepared`))
  }

  portal(name: string): Portal {
    const named = this.#portals.get(name)
    if (named === undefined) return new Portal(Statement.unknown(unknown(`portal "${name}", opened`)))
    if (this.doubts.ofPortal(name, named.since)) named.value.identity ??= 'doubtful'
    return named.value
  }

  /** When the name was given, as `doubts` count. */
  statementSince(name: string): number {
    return this.#statements.get(name)?.since ?? 0
  }

  portalSince(name: string): number {
    return this.#portals.get(name)?.since ?? 0
  }

  /** `statement` is what the name stands for, where that is not what the server has confirmed. */
  portalOfBind(pending: Pending, statement: Statement = this.statement(pending.statementName)): Portal {
    const { portal } = pending
    const isSame = portal?.statement === statement || (isUnknown(portal?.statement) && isUnknown(statement))
    if (portal === undefined || !isSame) return this.portalOf(statement, pending)
    // What was recorded when it was asked need not be told again; but an answer that came since may have raised a doubt.
    portal.identity = statement.identity
    return portal
  }

  /** With the values of a Bind, where it is one. */
  portalOf(statement: Statement, { body, bodyLength }: Pending): Portal {
    return new Portal(statement, body, bodyLength)
  }

  withoutValues(statement: Statement): Portal {
    return new Portal(statement)
  }

  #statementNamed(name: string): Statement | undefined {
    const named = this.#statements.get(name)
    if (named !== undefined && this.doubts.ofStatement(name, named.since)) named.value.identity ??= 'doubtful'
    return named?.value
  }
}

const unknown = (what: string): string => `(the ${what} by SQL or too long ago to be known here)`
const isUnknown = (statement: Statement | undefined): boolean => statement?.identity === 'unknown'

interface Named<V> {
  readonly value: V
  readonly size: number
  readonly since: number
}

/** A map that forgets its oldest entries when it holds too much, and tells of each value that leaves it. */
class BoundedMap<V> {
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
