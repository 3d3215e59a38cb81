/** Who may decide on a request, as users, roles and earlier decisions are now. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Offer } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import type { Clock } from '../shared/clock.ts'
import { type ApprovalFacts, type Decider, type MayDecide, mayDecide, samePerson } from './approvals.ts'
import type { OfferedNow } from './offered.ts'
import type { RequestedAccess } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'decisionsOn' | 'approversOf'>
  readonly users: Pick<Documents<User>, 'get' | 'getAll'>
  readonly offered: Pick<OfferedNow, 'offerFor'>
  readonly clock: Clock
}

export type Deciding = ReturnType<typeof createDeciding>

export function createDeciding({ rows, users, offered, clock }: Parts) {
  /** What a decision on it rests on; undefined where it waits for none, or can be given no more. */
  async function factsOf(
    request: RequestedAccess,
  ): Promise<(ApprovalFacts & { offer: Offer; role: Role }) | undefined> {
    const { state, user, role } = request
    if (state.is !== 'pending') return undefined
    const offer = await offered.offerFor(request)
    const requester = await users.get(user)
    if (offer === undefined || requester === undefined || requester.disabled) return undefined
    if (!requester.roles.includes(role)) return undefined
    const decisions = (await rows.decisionsOn(request.id)).filter(({ decision }) => decision === 'approve')
    const approvers = new Map(
      (await users.getAll(decisions.map(({ approver }) => approver))).map(one => [one.name, one]),
    )
    return {
      ...offer,
      requester,
      ...{ stage: state.stage, stageSince: state.stageSince, now: clock.now() },
      approvals: decisions.map(({ approver, stage }) => ({ approver: approvers.get(approver), stage })),
    }
  }

  /** Whether the requester has approved what this person has, by whichever of their users: of these names. */
  async function owes(names: readonly string[], requester: Decider): Promise<boolean> {
    if (names.length === 0) return false
    return (await users.getAll(names)).some(one => samePerson(one, requester))
  }

  return {
    factsOf,
    owes,

    async mayDecideOn(request: RequestedAccess, approver: User): Promise<MayDecide> {
      const facts = await factsOf(request)
      if (facts === undefined) return { may: false, knows: false, why: 'It waits for no decision any more.' }
      return mayDecide(facts, approver, await owes(await rows.approversOf(approver.name), facts.requester))
    },

    decided: async ({ id }: RequestedAccess, user: string) =>
      (await rows.decisionsOn(id)).some(({ approver }) => approver === user),
  }
}
