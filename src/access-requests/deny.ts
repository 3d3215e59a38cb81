/** Denying a request, with a reason. */

import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import { type Actor, byOf } from './actor.ts'
import type { Changes } from './change.ts'
import type { DeciderCheck } from './check-decider.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'decide'>
  readonly decider: DeciderCheck
  readonly acts: Pick<Acts, 'act'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

export function createDeny({ rows, decider, acts: { act }, changes, clock }: Parts) {
  /** Throws as `approve` does. */
  return async (
    person: Actor,
    id: string,
    given: string | undefined,
    prove?: () => Promise<boolean>,
  ): Promise<RequestedAccess> => {
    const reason = checkText('reason', given)
    if (reason === undefined) throw new GatewayError('BAD_REQUEST', 'A denial needs a reason: --reason "...".')
    const { factors } = await decider.check(person, id, prove)
    return changes.change(async () => {
      const { request, rule, facts, hold } = await decider.stillTheirs(person, id)
      return async (on, tell) => {
        await hold(on)
        const at = clock.now()
        const denied = await act(request, { act: 'deny', at, by: person.user, words: reason }, on)
        const { stage } = facts
        await rows.decide(id, { approver: person.user, stage, decision: 'deny', reason, rule, factors, at }, on)
        await tell('denied', denied, byOf(person), { rule })
        return denied
      }
    })
  }
}
