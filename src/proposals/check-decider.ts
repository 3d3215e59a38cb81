/** Whoever wants to decide on a proposal: whether they may, and have proven a second factor anew. */

import type { Actor } from '../access-requests/actor.ts'
import { NeedsCode } from '../access-requests/check-decider.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Content } from './content.ts'
import { sessionOf } from './events.ts'
import type { Deciding } from './may-decide.ts'
import { alreadyOver, type ProposedChange, unknownProposal } from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'
import type { Standing } from './standing.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'get' | 'detailsOf'>
  readonly standing: Pick<Standing, 'users'>
  readonly deciding: Pick<Deciding, 'mayDecide' | 'isApprover'>
  readonly audit: Pick<AuditLog, 'append'>
}

export type DeciderCheck = ReturnType<typeof createDeciderCheck>

export function createDeciderCheck({ rows, standing, deciding, audit }: Parts) {
  async function refuse(person: Actor, proposal: string, why: string): Promise<void> {
    await audit.append({
      ...{ kind: 'proposal.refused', actor: person.user, data: { proposal, why } },
      ...sessionOf(person),
    })
  }

  /** `prove`: whether the code that was asked for this act is right. Throws `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `ACCESS_DENIED`, {@link NeedsCode}. */
  return async (
    person: Actor,
    id: string,
    prove: (() => Promise<boolean>) | undefined,
  ): Promise<{ proposal: ProposedChange; content: Content }> => {
    const [proposal, [user]] = await Promise.all([rows.get(id), standing.users([person.user])])
    if (proposal === undefined || user === undefined || user.disabled) throw unknownProposal()
    if (proposal.state.is !== 'pending') {
      const mine = proposal.proposer.is !== 'owner' && proposal.proposer.user === user.name
      throw mine || deciding.isApprover(user) ? alreadyOver(proposal) : unknownProposal()
    }
    const { content } = await rows.detailsOf(id)
    const may = await deciding.mayDecide(proposal, user, { content })
    if (!may.may) {
      await refuse(person, id, may.why)
      throw may.knows ? new GatewayError('FORBIDDEN', may.why) : unknownProposal()
    }
    if (prove === undefined) throw new NeedsCode()
    if (!(await prove())) {
      await refuse(person, id, 'the second factor for the decision was wrong')
      throw new GatewayError('ACCESS_DENIED', 'The one-time code is not right, or has counted already.')
    }
    return { proposal, content }
  }
}
