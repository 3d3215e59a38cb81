/** Seeing proposals and deciding on them, as `ssh lee@gateway` and the API do it for whoever is logged in. Answers are plain data. */

import { type CodeParts, decideWithCode } from '../access-requests/decide-with-code.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Secret } from '../shared/secret.ts'
import { linesOf } from './content.ts'
import type { ProposedChange, Proposer } from './proposal.ts'
import {
  decisionDocument,
  effectDocument,
  type ProposalDetails,
  type ProposalDocument,
  proposalDocument,
} from './proposal-document.ts'
import type { Proposals } from './proposals.ts'

const MOST_LISTED = 100
/** So many lines of a change are given at once. */
const LINES = 1000

export interface LineRange {
  /** The first of them, from 0. */
  readonly from?: number | undefined
}

export type ProposalAnswer =
  | { readonly is: 'decided'; readonly proposal: ProposalDocument }
  /** Once more, with a code. */
  | { readonly is: 'needs-code' }

export interface OwnProposals {
  /** One's own, and those on which one may decide. */
  list(): Promise<{ mine: ProposalDocument[]; toDecide: ProposalDocument[] }>
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
    async list() {
      const { user } = await person()
      const [mine, toDecide] = await Promise.all([
        proposals.rows.list({ user, limit: MOST_LISTED }),
        proposals.toDecide(user),
      ])
      return {
        mine: mine.map(proposalDocument),
        toDecide: toDecide.slice(0, MOST_LISTED).map(proposalDocument),
      }
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
