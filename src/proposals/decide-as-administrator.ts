/** Deciding by whoever has the right to write roles anyway, where four eyes are not asked for. */

import type { FourEyes } from '../config/four-eyes.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { CarryOut } from './carry-out.ts'
import type { Changes } from './change.ts'
import { eventOf } from './events.ts'
import { alreadyOver, type ProposedChange, unknownProposal } from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'
import type { Standing } from './standing.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'get' | 'detailsOf'>
  readonly standing: Pick<Standing, 'isSame'>
  readonly changes: Pick<Changes, 'change'>
  readonly carryOut: CarryOut
  readonly fourEyes: FourEyes | undefined
  readonly clock: Clock
}

export function createDecideAsAdministrator({ rows, standing, changes, carryOut, fourEyes, clock }: Parts) {
  return async (
    id: string,
    actor: string,
    how: { readonly approve: true } | { readonly approve: false; readonly reason: string | undefined },
  ): Promise<ProposedChange> => {
    const proposal = await rows.get(id)
    if (proposal === undefined) throw unknownProposal()
    if (fourEyes !== undefined)
      throw new GatewayError(
        'FORBIDDEN',
        `Changes are approved by ${fourEyes.approvers.join(' or ')}, with their own login.`,
      )
    if (proposal.state.is !== 'pending') throw alreadyOver(proposal)
    const { proposer } = proposal
    if (proposer.is !== 'owner' && (await standing.isSame(proposer.user, actor)))
      throw new GatewayError(
        'FORBIDDEN',
        'Nobody decides on what they propose themselves, or another user of theirs does.',
      )
    if (!how.approve) {
      const words = checkText('reason', how.reason)
      const event = eventOf('proposal.denied', actor, proposal, words === undefined ? {} : { why: words })
      return changes.change(proposal, { act: 'deny', at: clock.now(), by: actor, words }, event)
    }
    const { content } = await rows.detailsOf(id)
    return carryOut(proposal, content, { actor, facts: { approvedBy: [actor] } })
  }
}
