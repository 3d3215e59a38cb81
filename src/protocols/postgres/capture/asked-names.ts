/** What the names in requests without an answer will stand for, if the target does what it was asked, in order; and how sure that is. */

import { BIND, EXECUTE, FUNCTION_CALL, PARSE, QUERY } from '../wire/message-types.ts'
import type { Doubts } from './doubts.ts'
import type { KnownStatements } from './known-statements.ts'
import type { Pending } from './pending-queue.ts'
import type { Portal } from './portal.ts'
import type { Statement } from './statement.ts'

/** What a request parses, binds or runs. `doubtful`: an answer that is still to come may make it something else. */
export interface Asked {
  readonly portal: Portal
  readonly doubtful: boolean
}

interface Named<V> {
  readonly value: V
  readonly since: number
}

export class AskedNames {
  readonly #known: KnownStatements
  readonly #doubts: Doubts
  readonly #statements = new Map<string, Named<Statement>>()
  readonly #portals = new Map<string, Named<Asked>>()

  constructor(known: KnownStatements) {
    this.#known = known
    this.#doubts = known.doubts.copy()
  }

  /** Of each request, in order. `portalOf` knows what runs without a name. */
  next(pending: Pending, portalOf: (pending: Pending) => Portal): Asked | undefined {
    const asked = this.#read(pending, portalOf)
    this.#doubts.afterUnanswered(pending.kind, asked !== undefined && (asked.doubtful || asked.portal.mayRename))
    return asked
  }

  /** It is not known what the target does with the requests up to here, nor which. */
  doubtEverything(): void {
    this.#doubts.doubtEverything()
  }

  #read(pending: Pending, portalOf: (pending: Pending) => Portal): Asked | undefined {
    switch (pending.kind) {
      case QUERY:
      case FUNCTION_CALL:
        return { portal: portalOf(pending), doubtful: false }
      case PARSE:
        this.#statements.set(pending.name, { value: pending.statement!, since: this.#doubts.now })
        pending.portal ??= this.#known.withoutValues(pending.statement!)
        return { portal: pending.portal, doubtful: false }
      case BIND: {
        const { statementName } = pending
        const asked = this.#statements.get(statementName)
        const since = asked?.since ?? this.#known.statementSince(statementName)
        pending.portal = this.#known.portalOfBind(pending, asked?.value)
        const bound = { portal: pending.portal, doubtful: this.#doubts.ofStatement(statementName, since) }
        this.#portals.set(pending.name, { value: bound, since: this.#doubts.now })
        return bound
      }
      case EXECUTE: {
        const { name } = pending
        const bound = this.#portals.get(name)
        if (bound === undefined) {
          const doubtful = this.#doubts.ofPortal(name, this.#known.portalSince(name))
          return { portal: this.#known.portal(name), doubtful }
        }
        return { ...bound.value, doubtful: bound.value.doubtful || this.#doubts.ofPortal(name, bound.since) }
      }
      default:
        return undefined
    }
  }
}
