/** What a session has prepared and bound, as the server confirmed it: names of statements and portals, bounded. */

import type { Pending } from './pending-queue.ts'
import { Portal } from './portal.ts'
import { Statement } from './statement.ts'

const MOST_NAMES = 10_000
const MOST_BYTES = 16 * 1024 * 1024

export class KnownStatements {
  readonly #statements: BoundedMap<Statement>
  readonly #portals: BoundedMap<Portal>
  /** Goes on with each doubt. A name that was given before it may stand for something else. */
  #now = 0
  /** When names were last doubted that SQL can give; the same for portals alone; and all names. */
  #named = 0
  #namedPortals = 0
  #everything = 0

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
    this.#statements.set(name, statement!, this.#now)
  }

  /** The server has told the types of a statement's values. */
  described(pending: Pending, types: readonly number[]): void {
    const known = this.#statements.get(pending.statementName)
    if (known === undefined) return
    known.value.types = types
    this.#statements.set(pending.statementName, known.value, known.since)
  }

  bound(pending: Pending): void {
    this.#portals.set(pending.name, this.portalOfBind(pending), this.#now)
  }

  closed(pending: Pending): void {
    if (pending.ofStatement) this.#statements.delete(pending.statementName)
    else this.#portals.delete(pending.name)
  }

  /** A PREPARE of SQL; it cannot take a name that is in use. */
  prepared(by: Statement): void {
    const names = by.names('statement')
    if (names === undefined) {
      this.doubt()
      return
    }
    for (const { name, statement } of names) {
      const known = this.#statementNamed(name)
      if (known !== undefined && known.identity === undefined) continue
      // Whose success was told, where there are several; and whether the one before is gone.
      if (names.length > 1 || known !== undefined) statement.identity = 'doubtful'
      this.#statements.set(name, statement, this.#now)
    }
  }

  /** A DECLARE of SQL: its cursor is a portal too, and may have the name of one that the end of a transaction closed. */
  declared(by: Statement): void {
    const names = by.names('cursor')
    if (names === undefined) {
      this.doubt()
      return
    }
    for (const { name, statement } of names) {
      if (names.length > 1) statement.identity = 'doubtful'
      this.#portals.set(name, new Portal(statement), this.#now)
    }
  }

  /** SQL may have dropped names, and given them to others, where that cannot be read. */
  doubt(): void {
    this.#named = ++this.#now
  }

  /** A transaction has ended, and its portals with it: SQL inside of a function may give their names to others. */
  doubtPortals(): void {
    this.#namedPortals = ++this.#now
  }

  /** It is not known what the target has done with the requests up to here. */
  doubtEverything(): void {
    this.#everything = ++this.#now
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
    const doubted = name === '' ? this.#everything : Math.max(this.#everything, this.#named, this.#namedPortals)
    return (
      trusted(this.#portals.get(name), doubted) ?? new Portal(Statement.unknown(unknown(`portal "${name}", opened`)))
    )
  }

  portalOfBind(pending: Pending): Portal {
    const statement = this.statement(pending.statementName)
    // What was recorded when it was asked need not be told again.
    return pending.portal?.statement === statement ? pending.portal : this.portalOf(statement, pending)
  }

  /** With the values of a Bind, where it is one. */
  portalOf(statement: Statement, { body, bodyLength }: Pending): Portal {
    return new Portal(statement, body, bodyLength)
  }

  withoutValues(statement: Statement): Portal {
    return new Portal(statement)
  }

  #statementNamed(name: string): Statement | undefined {
    const doubted = name === '' ? this.#everything : Math.max(this.#everything, this.#named)
    return trusted(this.#statements.get(name), doubted)
  }
}

const unknown = (what: string): string => `(the ${what} by SQL or too long ago to be known here)`

interface Named<V> {
  readonly value: V
  readonly size: number
  readonly since: number
}

/** What a name stands for; doubtful where names were doubted after it was given. */
function trusted<V extends Statement | Portal>(named: Named<V> | undefined, doubted: number): V | undefined {
  if (named !== undefined && named.since < doubted) named.value.identity ??= 'doubtful'
  return named?.value
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
