/** A proposal that ends undecided: withdrawn, or its time is over. */

import type { Clock } from '../shared/clock.ts'
import type { Changes } from './change.ts'
import { eventOf } from './events.ts'
import {
  actorOf,
  alreadyOver,
  isSameProposer,
  type ProposedChange,
  type Proposer,
  unknownProposal,
} from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'get'>
  readonly changes: Pick<Changes, 'change' | 'changeUnlessOver'>
  readonly clock: Clock
}

export function createEnds({ rows, changes, clock }: Parts) {
  return {
    /** `by`: whoever proposed it, or the owner. Throws `NOT_FOUND` for others. */
    async withdraw(id: string, by: Proposer): Promise<ProposedChange> {
      const proposal = await rows.get(id)
      if (proposal === undefined || !mayWithdraw(proposal.proposer, by)) throw unknownProposal()
      if (proposal.state.is !== 'pending') throw alreadyOver(proposal)
      const actor = actorOf(by)
      const event = eventOf('proposal.withdrawn', actor, proposal)
      return changes.change(proposal, { act: 'withdraw', at: clock.now(), by: actor }, event)
    },

    async expire(id: string): Promise<void> {
      const proposal = await rows.get(id)
      if (proposal?.state.is !== 'pending' || clock.now() < proposal.state.expiresAt) return
      const words = 'nobody decided in time'
      const event = eventOf('proposal.expired', 'gateway', proposal, { why: words })
      await changes.changeUnlessOver(proposal, { act: 'expire', at: clock.now(), by: 'gateway', words }, event)
    },
  }
}

/** What the gateway proposed for a person is theirs as well. */
function mayWithdraw(proposer: Proposer, by: Proposer): boolean {
  const isTheirs = proposer.is === 'request' && by.is === 'person' && proposer.user === by.user
  return by.is === 'owner' || isSameProposer(proposer, by) || isTheirs
}
