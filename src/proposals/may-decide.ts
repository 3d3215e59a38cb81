/** Who may decide on a proposal, as the store knows them now. */

import { type MayDecide, samePerson } from '../access-requests/approvals.ts'
import type { FourEyes } from '../config/four-eyes.ts'
import type { Database } from '../database/database.ts'
import type { User } from '../identity/user.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { mayApprove, ruleFor } from './approving.ts'
import type { Content } from './content.ts'
import { ownGain } from './own-gain.ts'
import type { ProposedChange } from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'
import type { Standing } from './standing.ts'

interface Parts {
  readonly rows: Pick<ProposalRows, 'pending' | 'detailsOf' | 'decisionsOn'>
  readonly standing: Standing
  readonly fourEyes: FourEyes | undefined
  readonly clock: Clock
}

export type Deciding = ReturnType<typeof createDeciding>

export function createDeciding({ rows, standing, fourEyes, clock }: Parts) {
  /** Those who have approved it, and may still: as they are now, by the store or in a transaction. */
  async function approversSoFar(proposal: ProposedChange, content: Content, on?: Database): Promise<User[]> {
    const decisions = (await rows.decisionsOn(proposal.id, on)).filter(({ decision }) => decision === 'approve')
    const approvers: User[] = []
    for (const user of await standing.users(
      decisions.map(({ approver }) => approver),
      on,
    )) {
      const facts = await standing.personOf(user, on)
      if (!user.disabled && isApprover(user) && ownGain(content, facts) === undefined) approvers.push(user)
    }
    return approvers
  }

  async function mayDecide(
    proposal: ProposedChange,
    user: User,
    options: { readonly content?: Content; readonly on?: Database; readonly atWork?: boolean } = {},
  ): Promise<MayDecide> {
    const { on, atWork = false } = options
    if (proposal.state.is !== 'pending') return { may: false, knows: false, why: 'It waits for no decision any more.' }
    if (fourEyes === undefined) return { may: false, knows: false, why: 'You are no approver of changes.' }
    const content = options.content ?? (await rows.detailsOf(proposal.id)).content
    const { proposer } = proposal
    const [proposing] = proposer.is === 'owner' ? [] : await standing.users([proposer.user], on)
    const facts = {
      approvers: fourEyes.approvers,
      proposer: proposing,
      approvals: await approversSoFar(proposal, content, on),
      now: clock.now(),
    }
    const person = atWork ? { ...user, workingHours: undefined } : user
    return mayApprove(facts, person, ownGain(content, await standing.personOf(user, on)))
  }

  /** Whether they are named as an approver of changes: their factors are not for everybody to set. */
  function isApprover(user: User): boolean {
    return fourEyes !== undefined && ruleFor(fourEyes.approvers, user) !== undefined
  }

  return {
    approversSoFar,
    mayDecide,
    isApprover,

    /** In the transaction of their decision, as roles may have gone since they were asked for a code. Gives the rule; throws `CONFLICT`. */
    async stillMay(proposal: ProposedChange, content: Content, name: string, on: Database): Promise<string> {
      const [user] = await standing.users([name], on)
      if (user === undefined) throw new GatewayError('CONFLICT', 'Your access was withdrawn.')
      const may = await mayDecide(proposal, user, { content, on })
      if (!may.may) throw new GatewayError('CONFLICT', may.why)
      return may.rule
    },

    /** Those on which this person may decide now. */
    async toDecide(name: string): Promise<ProposedChange[]> {
      const [user] = await standing.users([name])
      if (user === undefined || user.disabled) return []
      const found: ProposedChange[] = []
      for (const one of await rows.pending()) if ((await mayDecide(one, user)).may) found.push(one)
      return found
    },

    /** Those who may decide on it, also those whose working hours are over. Without four eyes that is who may write roles. */
    async decidersOf(proposal: ProposedChange): Promise<string[]> {
      if (fourEyes === undefined) {
        const { proposer } = proposal
        const [own] = proposer.is === 'owner' ? [] : await standing.users([proposer.user])
        const others = (await standing.administrators()).filter(user => own === undefined || !samePerson(user, own))
        return others.map(({ name }) => name)
      }
      const { content } = await rows.detailsOf(proposal.id)
      const deciders: string[] = []
      for (const user of await standing.named(fourEyes.approvers))
        if ((await mayDecide(proposal, user, { content, atWork: true })).may) deciders.push(user.name)
      return deciders
    },
  }
}
