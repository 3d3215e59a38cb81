/** What the names in requests without an answer will stand for, if the target does what it was asked, in order. */

import { BIND, EXECUTE, PARSE } from '../wire/message-types.ts'
import type { KnownStatements } from './known-statements.ts'
import type { Pending } from './pending-queue.ts'
import type { Portal } from './portal.ts'
import type { Statement } from './statement.ts'

export class AskedNames {
  readonly #known: KnownStatements
  readonly #statements = new Map<string, Statement>()
  readonly #portals = new Map<string, Portal>()

  constructor(known: KnownStatements) {
    this.#known = known
  }

  /** Of each request, in order: what it parses, binds or executes. Undefined where that does not hang on a name before it. */
  portalOf(pending: Pending): Portal | undefined {
    switch (pending.kind) {
      case PARSE:
        this.#statements.set(pending.name, pending.statement!)
        pending.portal ??= this.#known.withoutValues(pending.statement!)
        return pending.portal
      case BIND: {
        const statement = this.#statements.get(pending.statementName) ?? this.#known.statement(pending.statementName)
        pending.portal ??= this.#known.portalOf(statement, pending)
        this.#portals.set(pending.name, pending.portal)
        return pending.portal
      }
      case EXECUTE:
        return this.#portals.get(pending.name)
      default:
        return undefined
    }
  }
}
