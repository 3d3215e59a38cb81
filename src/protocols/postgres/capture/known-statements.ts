/** What a session has prepared and bound, as the server confirmed it: names of statements and portals, bounded. */

import { readArguments } from '../wire/client-requests.ts'
import { BIND, CLOSE, DESCRIBE, EXECUTE, FUNCTION_CALL, PARSE, QUERY } from '../wire/message-types.ts'
import { Doubts } from './doubts.ts'
import { NamedValues } from './named-values.ts'
import type { Pending } from './pending-queue.ts'
import { Portal } from './portal.ts'
import { Statement } from './statement.ts'

/** Tags of what may drop names of statements, and give them anew. */
const DROPS_NAMES = /^(?:DEALLOCATE|DISCARD ALL$|DO$|CALL$)/
/** Tags of what begins a transaction of several statements, and of what ends portals, most of them with their transaction. */
const BEGINS = new Set(['BEGIN', 'START TRANSACTION'])
const ENDS_PORTALS = /^(?:COMMIT|ROLLBACK|PREPARE TRANSACTION|CLOSE CURSOR)/
const IMPLICIT_COMMIT = Statement.of('(the end of the implicit transaction, at Sync)')

export class KnownStatements {
  readonly #statements: NamedValues<Statement>
  readonly #portals: NamedValues<Portal>
  readonly doubts = new Doubts()
  /** By the tags of its statements; after an error, or ROLLBACK to a savepoint, it is taken to be over too early. */
  #inTransaction = false

  /**
   * `leaving` is called with what is no longer known, and is not in the recording yet: SQL can run it too (EXECUTE, FETCH), and
   * the server runs parts of it before it is executed.
   */
  constructor(leaving: (portal: Portal, tag: '(prepared)' | '(bound)') => void) {
    this.#statements = new NamedValues(
      statement => 64 + statement.size,
      statement => statement.recorded || leaving(new Portal(statement), '(prepared)'),
    )
    this.#portals = new NamedValues(
      portal => portal.bytes,
      portal => portal.recorded || leaving(portal, '(bound)'),
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

  /** CommandComplete: what SQL does to names, and to portals at the end of a transaction. */
  completed(pending: Pending, tag: string): void {
    if (tag === 'PREPARE') this.#prepared(this.portalOfRequest(pending).statement)
    else if (tag === 'DECLARE CURSOR') this.#declared(this.portalOfRequest(pending).statement)
    else if (DROPS_NAMES.test(tag)) this.doubts.doubtNames()
    else if (BEGINS.has(tag)) this.#inTransaction = true
    else if (ENDS_PORTALS.test(tag)) {
      this.doubts.doubtPortals()
      if (!tag.startsWith('CLOSE')) this.#inTransaction = false
    }
  }

  /** ErrorResponse. */
  failed(): void {
    this.#inTransaction = false
  }

  /** ReadyForQuery. */
  ready(): void {
    if (!this.#inTransaction) this.doubts.doubtPortals()
  }

  /** A PREPARE of SQL; it cannot take a name that is in use. */
  #prepared(by: Statement): void {
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
  #declared(by: Statement): void {
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
    // What was recorded when it was asked need not be recorded again; but an answer that came since may have raised a doubt.
    portal.identity = statement.identity
    return portal
  }

  /** With the values of a Bind, where it is one. */
  portalOf(statement: Statement, { body, bodyLength }: Pending): Portal {
    return new Portal(statement, body, bodyLength)
  }

  /** What a request prepares, binds, executes, describes or closes. */
  portalOfRequest(pending: Pending): Portal {
    switch (pending.kind) {
      case QUERY:
      case PARSE:
        return this.withoutValues(pending.statement!)
      case BIND:
        return this.portalOfBind(pending)
      case EXECUTE:
        return this.portal(pending.name)
      case DESCRIBE:
      case CLOSE:
        return pending.ofStatement
          ? this.withoutValues(this.statement(pending.statementName))
          : this.portal(pending.name)
      case FUNCTION_CALL:
        return new Portal(pending.statement!, pending.body, pending.bodyLength, readArguments)
      default:
        return this.withoutValues(IMPLICIT_COMMIT)
    }
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
