/** Seeing proposals and deciding on them, as `ssh lee@gateway` and the API do it for whoever is logged in. Answers are plain data. */

import { type CodeParts, decideWithCode } from '../access-requests/decide-with-code.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Secret } from '../shared/secret.ts'
import { linesOf } from './content.ts'
import type { ProposalStateName, ProposedChange, Proposer } from './proposal.ts'
import {
  decisionDocument,
  effectDocument,
  type ProposalDetails,
  type ProposalDocument,
  proposalDocument,
} from './proposal-document.ts'
import type { Proposals } from './proposals.ts'

/** So many lines of a change are given at once. */
const LINES = 1000

export interface LineRange {
  /** The first of them, from 0. */
  readonly from?: number | undefined
}

export interface ProposalPage {
  readonly state?: ProposalStateName | undefined
  readonly before?: string | undefined
  readonly limit: number
}

export type ProposalAnswer =
  | { readonly is: 'decided'; readonly proposal: ProposalDocument }
  /** Once more, with a code. */
  | { readonly is: 'needs-code' }

export interface OwnProposals {
  /** One's own, or those on which one may decide: `before` is the id of the last of the page before. */
  list(view: 'mine' | 'to-decide', page: ProposalPage): Promise<ProposalDocument[]>
  show(id: string, range?: LineRange): Promise<ProposalDetails>
  approve(id: string, reason: string | undefined, code?: Secret): Promise<ProposalAnswer>
  deny(id: string, reason: string | undefined, code?: Secret): Promise<ProposalAnswer>
  withdraw(id: string): Promise<ProposalDocument>
}

interface Parts extends CodeParts {
  readonly proposals: Proposals
  /** As they are now. Throws where they could not be here any more. */
  readonly person: () => Promise<Parameters<Proposals['approve']>[0]>
}

export function createOwnProposals({ proposals, person, proveCode, takeCode }: Parts): OwnProposals {
  async function decide(
    decision: (prove?: () => Promise<boolean>) => Promise<ProposedChange>,
    code?: Secret,
  ): Promise<ProposalAnswer> {
    const proposal = await decideWithCode({ proveCode, takeCode }, decision, code)
    return proposal === undefined ? { is: 'needs-code' } : { is: 'decided', proposal: proposalDocument(proposal) }
  }

  return {
    async list(view, { state, before, limit }) {
      const { user } = await person()
      if (view === 'mine') {
        const last = before === undefined ? undefined : await proposals.rows.get(before)
        return (await proposals.rows.list({ user, state, limit, before: last })).map(proposalDocument)
      }
      const found = (await proposals.toDecide(user)).filter(one => state === undefined || one.state.is === state)
      const from = before === undefined ? 0 : found.findIndex(({ id }) => id === before) + 1
      return found.slice(from, from + limit).map(proposalDocument)
    },

    async show(id, range) {
      const { user } = await person()
      const details = await detailsOf(proposals, id, range, user)
      if (!details.knows) throw new GatewayError('NOT_FOUND', 'There is no such proposal that you may see.')
      const { knows: _, ...shown } = details
      return shown
    },

    async approve(id, reason, code) {
      const approver = await person()
      return decide(prove => proposals.approve(approver, id, { reason }, prove), code)
    },

    async deny(id, reason, code) {
      const approver = await person()
      return decide(prove => proposals.deny(approver, id, reason, prove), code)
    },

    async withdraw(id) {
      const { user } = await person()
      return proposalDocument(await proposals.withdraw(id, { is: 'person', user }))
    },
  }
}

/** `reader`: who looks, and `knows` whether they may, as somebody who proposed it or decides. Not given: an administrator. */
export async function detailsOf(
  proposals: Proposals,
  id: string,
  { from = 0 }: LineRange = {},
  reader?: string,
): Promise<ProposalDetails & { readonly knows: boolean }> {
  const proposal = await proposals.rows.get(id)
  if (proposal === undefined) throw new GatewayError('NOT_FOUND', 'There is no such proposal that you may see.')
  const [decisions, { content, effect }, user] = await Promise.all([
    proposals.rows.decisionsOn(id),
    proposals.rows.detailsOf(id),
    reader === undefined ? undefined : proposals.userOf(reader),
  ])
  const may = user === undefined ? undefined : await proposals.mayDecide(proposal, user, { content })
  const lines = linesOf(content)
  const isApprover = user !== undefined && !user.disabled && proposals.isApprover(user)
  const isMine = (proposer: Proposer) => proposer.is !== 'owner' && proposer.user === reader
  return {
    ...proposalDocument(proposal),
    approvers: [...(proposals.fourEyes?.approvers ?? ['whoever has the scope administrate'])],
    decisions: decisions.map(decisionDocument),
    lines: lines.slice(from, from + LINES),
    lineCount: lines.length,
    effect: effectDocument(effect),
    mayDecide: may?.may === true,
    knows: isApprover || isMine(proposal.proposer),
  }
}
