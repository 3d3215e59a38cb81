/** Asking and deciding as `ssh alice@gateway` and the API do it for whoever is logged in, and for nobody else. Answers are plain data. */

import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { SessionStore } from '../session/records/session-store.ts'
import { timeOfId } from '../shared/ids.ts'
import type { Secret } from '../shared/secret.ts'
import type { Actor } from './actor.ts'
import { describeStage } from './approvals.ts'
import { type AttestationDocument, attestationDocument } from './attest/attestation.ts'
import type { AskWish, TypedAsk } from './choose-offer.ts'
import { type CodeParts, decideWithCode } from './decide-with-code.ts'
import { type History, historyOf } from './history.ts'
import type { GivenLess } from './lessen.ts'
import type { Deciders } from './may-decide.ts'
import { MOST_LISTED, type RequestedAccess, type RequestStateName, unknownRequest } from './request.ts'
import { decisionDocument, type RequestDocument, requestDocument } from './request-document.ts'
import type { Requests } from './requests.ts'
import { type TemplateDocument, templateDocument } from './templates/template-document.ts'

/** `mine`: one's own, newest first; `to-decide`: those on which one may decide now, oldest first. */
export type RequestView = 'mine' | 'to-decide'

export interface RequestPage {
  readonly state?: RequestStateName | undefined
  /** Those that come after the request of this id in the list, which need not be in it any more. */
  readonly before?: string | undefined
  readonly limit: number
}

export interface RequestDetails extends RequestDocument {
  /** By whom it is decided, where it waits: `2 of role:leads, and role:security`. */
  readonly approvers: string | null
  /** Who may decide on it now, by name: the first of them. Null where it waits for no decision, or the offer does not name them to who asks. */
  readonly deciders: Deciders | null
  readonly decisions: readonly ReturnType<typeof decisionDocument>[]
  /** The accounts that it opens now: the first of them, and how many there are. */
  readonly opens: { readonly accounts: readonly string[]; readonly count: number }
  /** Sessions that rest on it. */
  readonly sessions: readonly { readonly id: string; readonly account: string; readonly live: boolean }[]
  /** What was seen when its access was over; null: it is not, or nobody has looked yet. */
  readonly attestation: AttestationDocument | null
  /** For those who decide: what this person did before, and what is unusual. */
  readonly history: History | null
  /** Which proposed change of the rules became of it, where it was asked for for good. */
  readonly proposal: string | null
  readonly mayDecide: boolean
  /** Whether a decision needs a one-time code of that moment. */
  readonly needsCode: boolean
}

export type DecideAnswer =
  | { readonly is: 'decided'; readonly request: RequestDocument }
  /** Once more, with a code. */
  | { readonly is: 'needs-code' }

export interface OwnRequests {
  /** `lower`: an account of a lower level that would do as well. */
  ask(wish: TypedAsk): Promise<{ request: RequestDocument; lower: { account: string; level: string } | null }>
  /** The templates that one may ask by. */
  templates(): Promise<TemplateDocument[]>
  extend(id: string, wish: Pick<AskWish, 'forMs' | 'reason' | 'ticket'>): Promise<RequestDocument>
  list(view: RequestView, page?: RequestPage): Promise<RequestDocument[]>
  show(id: string): Promise<RequestDetails>
  approve(id: string, how: { less?: GivenLess; reason?: string | undefined }, code?: Secret): Promise<DecideAnswer>
  deny(id: string, reason: string | undefined, code?: Secret): Promise<DecideAnswer>
  cancel(id: string): Promise<RequestDocument>
  revoke(id: string, reason: string | undefined): Promise<RequestDocument>
}

export interface ShowParts {
  readonly requests: Requests
  readonly sessions: Pick<SessionStore, 'list'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly proposalOf: (request: string) => Promise<string | undefined>
}

interface Parts extends ShowParts, CodeParts {
  /** As they are now. Throws where they could not be here any more. */
  readonly person: () => Promise<Actor>
}

export function createOwnRequests({
  requests,
  sessions,
  users,
  proposalOf,
  person,
  proveCode,
  takeCode,
}: Parts): OwnRequests {
  async function decide(
    decision: (prove?: () => Promise<boolean>) => Promise<RequestedAccess>,
    code?: Secret,
  ): Promise<DecideAnswer> {
    const request = await decideWithCode({ proveCode, takeCode }, decision, code)
    return request === undefined ? { is: 'needs-code' } : { is: 'decided', request: requestDocument(request) }
  }

  return {
    async ask(wish) {
      const { request, lower } = await requests.ask(await person(), wish)
      return { request: requestDocument(request), lower: lower ?? null }
    },

    async templates() {
      return (await requests.templates.usableBy(await person())).map(templateDocument)
    },

    async extend(id, wish) {
      return requestDocument(await requests.askForMore(await person(), id, wish))
    },

    async list(view, { state, before: last, limit } = { limit: MOST_LISTED }) {
      const { user } = await person()
      const before = last === undefined ? undefined : { id: last, askedAt: timeOfId(last) }
      if (view === 'mine') {
        const states = state === undefined ? undefined : [state]
        return (await requests.rows.list({ user, states, before, limit })).map(requestDocument)
      }
      if (state !== undefined && state !== 'pending') return []
      return (await requests.toDecide(user, { before, limit })).map(requestDocument)
    },

    async show(id) {
      const { user } = await person()
      const request = await requests.rows.get(id)
      const details = request && (await detailsOf({ requests, sessions, users, proposalOf }, request, user))
      if (details === undefined || !(details.knows || request!.user === user)) throw unknownRequest()
      const { knows: _, ...shown } = details
      return shown
    },

    async approve(id, how, code) {
      const asker = await person()
      return decide(prove => requests.approve(asker, id, how, prove), code)
    },

    async deny(id, reason, code) {
      const asker = await person()
      return decide(prove => requests.deny(asker, id, reason, prove), code)
    },

    async cancel(id) {
      return requestDocument(await requests.cancel(await person(), id))
    },

    async revoke(id, reason) {
      return requestDocument(await requests.revokeAsApprover(await person(), id, reason))
    },
  }
}

/** With what is seen of it beside. `reader`: who looks; `knows`: whether they may, as somebody who decides. Not given: an administrator. */
export async function detailsOf(
  { requests, sessions, users, proposalOf }: ShowParts,
  request: RequestedAccess,
  reader?: string,
): Promise<RequestDetails & { readonly knows: boolean }> {
  const { id, state } = request
  const [decisions, opens, resting, user, offered, attestation] = await Promise.all([
    requests.rows.decisionsOn(id),
    requests.opens(request),
    sessions.list({ request: id, limit: MOST_LISTED }),
    reader === undefined ? undefined : users.get(reader),
    requests.offerFor(request),
    requests.attestationOf(id),
  ])
  const may = user === undefined ? undefined : await requests.mayDecideOn(request, user)
  const isDecider = may?.may === true || decisions.some(({ approver }) => approver === reader)
  const stage = state.is === 'pending' ? state.stage : undefined
  const asker = reader === request.user && offered?.offer.nameApprovers !== false
  const named = stage !== undefined && (isDecider || reader === undefined || asker)
  return {
    ...requestDocument(request),
    approvers: stage === undefined || offered === undefined ? null : describeStage({ offer: offered.offer, stage }),
    deciders: named ? await requests.decidersOf(request) : null,
    decisions: decisions.map(decisionDocument),
    opens: { accounts: opens.accounts, count: opens.count },
    sessions: resting.map(row => ({
      ...{ id: row.id, account: `${row.account}@${row.target}` },
      live: row.state !== 'ended',
    })),
    attestation: attestation === undefined ? null : attestationDocument(attestation),
    history: isDecider || reader === undefined ? await historyOf(sessions, request, opens.targets) : null,
    proposal: request.kind === 'permanent' ? ((await proposalOf(id)) ?? null) : null,
    mayDecide: may?.may === true,
    needsCode: may?.may === true && offered?.offer.freshFactor !== false,
    knows: isDecider || (may?.may === false && may.knows),
  }
}
