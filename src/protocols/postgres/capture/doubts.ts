/** Since when names of statements and portals may stand for something else than was heard of them. */

import { EXECUTE, FUNCTION_CALL, QUERY, SYNC } from '../wire/message-types.ts'

export class Doubts {
  /** Goes on with each doubt. A name that was given before it may stand for something else. */
  #now = 0
  #named = 0
  #portals = 0
  #everything = 0

  get now(): number {
    return this.#now
  }

  /** The same doubts, to which more can be added that are not sure yet. */
  copy(): Doubts {
    const copy = new Doubts()
    copy.#now = this.#now
    copy.#named = this.#named
    copy.#portals = this.#portals
    copy.#everything = this.#everything
    return copy
  }

  /** SQL may have dropped names, and given them to others, where that cannot be read. */
  doubtNames(): void {
    this.#named = ++this.#now
  }

  /** Portals have ended, with their transaction or by CLOSE: SQL inside of a function may give their names to others. */
  doubtPortals(): void {
    this.#portals = ++this.#now
  }

  /** It is not known what the target has done with the requests up to here. */
  doubtEverything(): void {
    this.#everything = ++this.#now
  }

  /** A request has no answer: what it may do to names, whether the target does it, skips it or fails in it. */
  afterUnanswered(kind: number, mayRename: boolean): void {
    switch (kind) {
      case SYNC:
        // Where something before it failed, the target has skipped the rest, and names stand for what they stood for.
        this.doubtEverything()
        break
      case EXECUTE:
        if (mayRename) this.doubtNames()
        break
      case QUERY:
      case FUNCTION_CALL:
        if (mayRename) this.doubtNames()
        // It may end a transaction.
        else this.doubtPortals()
        break
    }
  }

  /** Whether a statement's name that was given at `since` may stand for another. SQL gives no statement the empty name. */
  ofStatement(name: string, since: number): boolean {
    return since < this.#everything || (name !== '' && since < this.#named)
  }

  /** The same for a portal's. */
  ofPortal(name: string, since: number): boolean {
    return this.ofStatement(name, since) || (name !== '' && since < this.#portals)
  }
}
