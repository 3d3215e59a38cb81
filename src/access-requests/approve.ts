/** Approving a request: one of the approvals that it needs, or the last. */

import type { Role } from '../policy/role.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import { type Actor, byOf } from './actor.ts'
import { stageLacking } from './approvals.ts'
import type { Changes, Write } from './change.ts'
import type { DeciderCheck } from './check-decider.ts'
import { ofThese, openedBy } from './choose-offer.ts'
import type { FollowOn } from './follow-on.ts'
import { type GivenLess, lessen } from './lessen.ts'
import type { OfferedNow } from './offered.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { onOf } from './which-targets.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get' | 'decide'>
  readonly offered: Pick<OfferedNow, 'targetsOf'>
  readonly decider: DeciderCheck
  readonly acts: Pick<Acts, 'act'>
  readonly followOn: FollowOn
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

interface How {
  readonly less: GivenLess
  readonly reason: string | undefined
  readonly factors: string
}

export function createApprove({ rows, offered, decider, acts: { act }, followOn, changes, clock }: Parts) {
  /** The same, bound to the targets on which it opens something now. Throws `CONFLICT` where there are none. */
  async function boundNow(request: RequestedAccess, role: Role, given: AskedAccess): Promise<AskedAccess> {
    const opened = openedBy(role, request.offer, given, await offered.targetsOf(onOf(given)))
    if (opened.length > 0) return ofThese(given, opened)
    throw new GatewayError('CONFLICT', 'Nothing of what it asks for is there any more, or offered.')
  }

  async function prepare(person: Actor, id: string, how: How): Promise<Write<RequestedAccess>> {
    const { request, given, facts, rule, user, hold } = await decider.stillTheirs(person, id)
    const { offer, role, stage } = facts
    const now = clock.now()
    if (request.extensionOf !== undefined && (how.less.channels !== undefined || how.less.startsAt !== undefined))
      throw new GatewayError('BAD_REQUEST', 'It is more time for what was given: less of it is a shorter time alone.')
    const lessened = lessen(given, how.less, { role, offer, now })
    const base = request.extensionOf === undefined ? undefined : await rows.get(request.extensionOf)
    const less = request.extensionOf === undefined ? await boundNow(request, role, lessened) : lessened
    // An earlier one, where somebody who approved it is no approver any more, or the offer has other steps now.
    const next = stageLacking({ ...facts, approvals: [...facts.approvals, { approver: user, stage }] })
    const by = byOf(person)
    const useBy = request.wish.clock === 'first-use' ? Math.max(now, less.startsAt ?? now) + offer.validFor : undefined

    return async (on, tell) => {
      await hold(on)
      const changed = await act(
        request,
        next === undefined
          ? { act: 'approve', at: now, given: less, useBy }
          : { act: 'go-on', stage: next, at: now, given: less },
        on,
        offer,
      )
      const { reason, factors } = how
      await rows.decide(id, { approver: user.name, stage, decision: 'approve', reason, rule, factors, at: now }, on)
      const why = { rule, ...(reason === undefined ? {} : { why: reason }) }
      await tell(next === undefined ? 'approved' : 'approved-by-one', changed, by, why)
      if (next !== undefined) return changed
      if (request.kind === 'access') return followOn(on, tell, changed, base, by)
      // It ends as the wish that somebody changes the role.
      const words = 'whoever administers the gateway is to change the role'
      const ended = await act(changed, { act: 'end', at: now, by: 'gateway', words }, on)
      await tell('ended', ended, { by: 'gateway' })
      return ended
    }
  }

  /** Throws `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `BAD_REQUEST`, `ACCESS_DENIED`, and `NeedsCode`. */
  return async (
    person: Actor,
    id: string,
    how: { readonly less?: GivenLess; readonly reason?: string | undefined },
    prove?: () => Promise<boolean>,
  ): Promise<RequestedAccess> => {
    const reason = checkText('reason', how.reason)
    const { factors } = await decider.check(person, id, prove)
    return changes.change(() => prepare(person, id, { less: how.less ?? {}, reason, factors }))
  }
}
