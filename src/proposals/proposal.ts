/** A change of resources that waits for a second person: its states, and what may happen in each. */

import { GatewayError } from '../shared/errors.ts'

export const PROPOSAL_STATES = ['pending', 'applied', 'denied', 'withdrawn', 'expired', 'outdated'] as const
export type ProposalStateName = (typeof PROPOSAL_STATES)[number]

/** `person`: by a personal token. `request`: the gateway, since that request for good was approved. The others are nobody in particular. */
export type Proposer =
  | { readonly is: 'person'; readonly user: string }
  | { readonly is: 'token'; readonly user: string; readonly token: string }
  | { readonly is: 'owner' }
  | { readonly is: 'request'; readonly user: string; readonly request: string }

export type ProposalState =
  | { readonly is: 'pending'; readonly expiresAt: number }
  | {
      readonly is: Exclude<ProposalStateName, 'pending'>
      readonly at: number
      readonly by: string
      readonly words: string | undefined
    }

export interface ProposedChange {
  /** `prp_…` */
  readonly id: string
  readonly proposer: Proposer
  readonly reason: string | undefined
  /** Of its content. */
  readonly digest: string
  /** How many resources it changes. */
  readonly changes: number
  /** Milliseconds since the epoch, as all times here. */
  readonly askedAt: number
  /** Grows with every change. */
  readonly revision: number
  readonly state: ProposalState
  /** Its user was removed: it is nobody's any more. */
  readonly withdrawn: boolean
}

export type ProposalAct =
  /** One of several approvals that it needs. */
  | { readonly act: 'approve'; readonly at: number }
  /** `outdate`: it does not fit what there is any more. */
  | {
      readonly act: 'apply' | 'deny' | 'withdraw' | 'expire' | 'outdate'
      readonly at: number
      readonly by: string
      readonly words?: string | undefined
    }

/** Undefined where that cannot happen to it, now or any more. */
export function after(proposal: ProposedChange, act: ProposalAct): ProposedChange | undefined {
  const state = next(proposal.state, act)
  return state === undefined ? undefined : { ...proposal, state, revision: proposal.revision + 1 }
}

function next(state: ProposalState, act: ProposalAct): ProposalState | undefined {
  switch (state.is) {
    case 'pending':
      return afterPending(state, act)
    case 'applied':
    case 'denied':
    case 'withdrawn':
    case 'expired':
    case 'outdated':
      return undefined
  }
}

function afterPending(state: Extract<ProposalState, { is: 'pending' }>, act: ProposalAct): ProposalState | undefined {
  const isOver = act.at >= state.expiresAt
  switch (act.act) {
    case 'approve':
      return isOver ? undefined : state
    case 'apply':
      return isOver ? undefined : closed('applied', act)
    case 'deny':
      return closed('denied', act)
    case 'withdraw':
      return closed('withdrawn', act)
    case 'expire':
      return isOver ? closed('expired', act) : undefined
    case 'outdate':
      return closed('outdated', act)
  }
}

function closed(
  is: Exclude<ProposalStateName, 'pending'>,
  { at, by, words }: { readonly at: number; readonly by: string; readonly words?: string | undefined },
): ProposalState {
  return { is, at, by, words }
}

/** As the audit log names who acts. */
export function actorOf(proposer: Proposer): string {
  return proposer.is === 'owner' ? 'owner' : proposer.user
}

/** So many approve it, so that two persons have seen it: a token, and the owner's socket, are used by nobody in particular. */
export function approvalsNeeded({ is }: Proposer): number {
  return is === 'person' || is === 'request' ? 1 : 2
}

export function isSameProposer(one: Proposer, other: Proposer): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

export function unknownProposal(): GatewayError {
  return new GatewayError('NOT_FOUND', 'There is no such proposal that you may see.')
}

export function alreadyOver({ state }: ProposedChange): GatewayError {
  return new GatewayError('CONFLICT', `The proposal is ${state.is} already.`)
}
