/** The end of a running session, as it is moved by what is decided anew: each move is in the audit log. */

import type { Grant, GrantEnd } from '../../policy/grant.ts'
import { SAME_END_MS } from '../live/deadline.ts'
import type { SessionAudit } from '../records/session-audit.ts'

export class MovedEnd {
  readonly #grant: Grant
  readonly #audit: Pick<SessionAudit, 'endMoved'>
  #end: GrantEnd

  constructor(grant: Grant, audit: Pick<SessionAudit, 'endMoved'>) {
    this.#grant = grant
    this.#audit = audit
    this.#end = grant.ends
  }

  /** Gives the end that counts: what cannot be written down makes no session longer. */
  async moveTo(end: GrantEnd): Promise<GrantEnd> {
    const from = this.#end
    if (Math.abs(end.endsAt - from.endsAt) < SAME_END_MS) return from
    const earlier = end.endsAt < from.endsAt
    const written = await this.#audit.endMoved(this.#grant, from, end).then(
      () => true,
      () => false,
    )
    if (written || earlier) this.#end = end
    return this.#end
  }
}
