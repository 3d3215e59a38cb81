/** Approving a proposal: one of the approvals that it needs, or the last, which carries it out. */

import type { Actor } from '../access-requests/actor.ts'
import type { Database } from '../database/database.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { personsAmong } from './approving.ts'
import type { CarryOut } from './carry-out.ts'
import type { Changes } from './change.ts'
import type { DeciderCheck } from './check-decider.ts'
import type { Content } from './content.ts'
import { eventOf, sessionOf } from './events.ts'
import type { Deciding } from './may-decide.ts'
import { alreadyOver, approvalsNeeded, type ProposedChange, unknownProposal } from './proposal.ts'
import { decisionOf, type ProposalRows } from './proposal-rows.ts'
import type { Standing } from './standing.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'get' | 'decide'>
  readonly standing: Pick<Standing, 'users'>
  readonly deciding: Pick<Deciding, 'approversSoFar' | 'stillMay'>
  readonly checkDecider: DeciderCheck
  readonly changes: Pick<Changes, 'change'>
  readonly carryOut: CarryOut
  readonly clock: Clock
}

/** So often an approval is tried that others were quicker with. */
const TRIES = 5

/** Somebody else has changed it since it was read. */
class CameBetween extends GatewayError {
  constructor() {
    super('CONFLICT', 'Others are deciding on it at this moment; try it again.')
  }
}

export function createApprove({ rows, standing, deciding, checkDecider, changes, carryOut, clock }: Parts) {
  async function approveOnce(
    person: Actor,
    id: string,
    content: Content,
    reason: string | undefined,
  ): Promise<ProposedChange> {
    const proposal = await rows.get(id)
    if (proposal === undefined) throw unknownProposal()
    if (proposal.state.is !== 'pending') throw alreadyOver(proposal)
    const sofar = await deciding.approversSoFar(proposal, content)
    const [user] = await standing.users([person.user])
    const people = user === undefined ? sofar : [...sofar, user]
    const needed = approvalsNeeded(proposal.proposer)
    const why = reason === undefined ? {} : { reason }
    const decide = async (on: Database) => {
      const rule = await deciding.stillMay(proposal, content, person.user, on)
      const now = await deciding.approversSoFar(proposal, content, on)
      if (now.length !== sofar.length || (await rows.get(id, on))?.revision !== proposal.revision)
        throw new CameBetween()
      await rows.decide(id, decisionOf('approve', person.user, { rule, reason, at: clock.now() }), on)
    }
    if (personsAmong(people) >= needed) {
      const approvedBy = people.map(({ name }) => name)
      return carryOut(
        proposal,
        content,
        { actor: person.user, facts: { approvedBy, ...why, ...sessionOf(person) } },
        decide,
      )
    }
    const event = eventOf('proposal.approved-by-one', person.user, proposal, { ...why, needed, ...sessionOf(person) })
    return changes.change(proposal, { act: 'approve', at: clock.now() }, event, decide)
  }

  /** `prove`: whether the code that was asked for this act is right. Throws as `check-decider.ts` does. */
  return async (
    person: Actor,
    id: string,
    { reason: given }: { readonly reason?: string | undefined },
    prove: (() => Promise<boolean>) | undefined,
  ): Promise<ProposedChange> => {
    const reason = checkText('reason', given)
    const { content } = await checkDecider(person, id, prove)
    for (let tries = 1; ; tries++) {
      try {
        return await approveOnce(person, id, content, reason)
      } catch (error) {
        // Another approval came in between: it is one of several, or the last one.
        if (!(error instanceof CameBetween) || tries >= TRIES) throw error
      }
    }
  }
}
