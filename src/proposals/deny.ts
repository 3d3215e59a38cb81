/** Denying a proposal, with a reason. */

import type { Actor } from '../access-requests/actor.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Changes } from './change.ts'
import type { DeciderCheck } from './check-decider.ts'
import { eventOf, sessionOf } from './events.ts'
import type { Deciding } from './may-decide.ts'
import type { ProposedChange } from './proposal.ts'
import { decisionOf, type ProposalRows } from './proposal-rows.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'decide'>
  readonly deciding: Pick<Deciding, 'stillMay'>
  readonly checkDecider: DeciderCheck
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

export function createDeny({ rows, deciding, checkDecider, changes, clock }: Parts) {
  /** Throws as `check-decider.ts` does. */
  return async (
    person: Actor,
    id: string,
    given: string | undefined,
    prove: (() => Promise<boolean>) | undefined,
  ): Promise<ProposedChange> => {
    const reason = checkText('reason', given)
    if (reason === undefined) throw new GatewayError('BAD_REQUEST', 'Say why: --reason TEXT.')
    const { proposal, content } = await checkDecider(person, id, prove)
    const event = eventOf('proposal.denied', person.user, proposal, { why: reason, ...sessionOf(person) })
    const at = clock.now()
    return changes.change(proposal, { act: 'deny', at, by: person.user, words: reason }, event, async on => {
      const rule = await deciding.stillMay(proposal, content, person.user, on)
      await rows.decide(id, decisionOf('deny', person.user, { rule, reason, at }), on)
    })
  }
}
