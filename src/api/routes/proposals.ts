/** Proposals to change resources: seeing them with the scope read or as somebody concerned; deciding by a personal token, which says who one is. */

import { z } from 'zod'
import { createOwnProposals, detailsOf, type OwnProposals } from '../../proposals/own-proposals.ts'
import { PROPOSAL_STATES } from '../../proposals/proposal.ts'
import { type ProposalDocument, proposalDocument } from '../../proposals/proposal-document.ts'
import { GatewayError } from '../../shared/errors.ts'
import { PROPOSAL_ID_PATTERN } from '../../shared/ids.ts'
import { Secret } from '../../shared/secret.ts'
import type { Caller } from '../authentication.ts'
import type { ApiParts } from '../parts.ts'
import { personOf } from '../person-of.ts'
import { proposerOf } from '../proposer-of.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const idSchema = z.string().regex(PROPOSAL_ID_PATTERN, 'the id of a proposal is prp_ and 26 characters')

export const proposalSchema = z.object({
  id: z.string(),
  state: z.enum(PROPOSAL_STATES),
  proposedBy: z.string(),
  /** `person`: by a personal token. `token` and `owner` are nobody in particular: two persons approve then. `request`: the gateway, for a request for good. */
  by: z.enum(['person', 'token', 'owner', 'request']),
  token: z.string().nullable(),
  request: z.string().nullable(),
  reason: z.string().nullable(),
  changes: z.number(),
  approvalsNeeded: z.number(),
  askedAt: timeSchema,
  waitsUntil: timeSchema.nullable(),
  endedAt: timeSchema.nullable(),
  endedBy: z.string().nullable(),
  words: z.string().nullable(),
})

const detailsSchema = proposalSchema.extend({
  approvers: z.array(z.string()),
  decisions: z.array(
    z.object({
      approver: z.string(),
      decision: z.enum(['approve', 'deny']),
      reason: z.string().nullable(),
      rule: z.string(),
      freshFactor: z.boolean(),
      at: timeSchema,
    }),
  ),
  /** What it changes: 1000 lines from `from` on, of `lineCount`; nothing in them is cut. */
  lines: z.array(z.string()),
  lineCount: z.number(),
  effect: z.object({
    /** Who gets which account, in words. */
    gives: z.array(z.string()),
    sessions: z.discriminatedUnion('is', [
      z.object({
        is: z.literal('simulated'),
        since: timeSchema,
        until: timeSchema,
        count: z.number(),
        refused: z.number(),
        narrower: z.number(),
        notKnown: z.number(),
        listed: z.array(
          z.object({
            ...{ session: z.string(), user: z.string(), account: z.string(), startedAt: timeSchema },
            outcome: z.enum(['refused', 'narrower']),
            why: z.string(),
          }),
        ),
      }),
      z.object({ is: z.literal('not-simulated'), why: z.string() }),
    ]),
  }),
  mayDecide: z.boolean(),
})

const words = z.string().max(20_000)
const codeSchema = z
  .string()
  .max(100)
  .transform(text => new Secret(text))

export function proposals(app: ApiRoutes, { proposals, users, authenticator }: ApiParts): void {
  const tags = ['proposals']
  const params = z.object({ id: idSchema })

  app.get(
    '/v1/proposals',
    {
      schema: {
        summary: "Proposals: one's own (mine), those to decide on (to-decide), or with the scope read all of them",
        tags,
        querystring: z.strictObject({
          view: z.enum(['mine', 'to-decide', 'all']).optional(),
          state: z.enum(PROPOSAL_STATES).optional(),
          /** Those that come after this one in the list: the last of a page gives the next one. */
          before: idSchema.optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: z.object({ proposals: z.array(proposalSchema) }) },
      },
    },
    async ({ query: { view: given, state, before, limit }, caller }) => {
      const view = given ?? (caller.personal === undefined && caller.scopes.has('read') ? 'all' : 'mine')
      if (view !== 'all') return { proposals: await of(caller).list(view, { state, before, limit }) }
      if (!caller.scopes.has('read'))
        throw new GatewayError('FORBIDDEN', 'All proposals are shown with the scope read.')
      const last = before === undefined ? undefined : await proposals.rows.get(before)
      return { proposals: (await proposals.rows.list({ state, limit, before: last })).map(proposalDocument) }
    },
  )

  app.get(
    '/v1/proposals/:id',
    {
      schema: {
        summary: 'One proposal: what it changes, what it gives, and which recorded sessions it would have refused',
        tags,
        params,
        querystring: z.strictObject({ from: z.coerce.number().int().min(0).default(0) }),
        response: { 200: detailsSchema },
      },
    },
    async ({ params: { id }, query, caller }) => {
      const reader = caller.personal === undefined ? undefined : caller.actor
      const details = await detailsOf(proposals, id, query, reader)
      if (!caller.scopes.has('read') && !details.knows)
        throw new GatewayError('NOT_FOUND', 'There is no such proposal that you may see.')
      const { knows: _, ...shown } = details
      return structuredClone(shown) as unknown as z.output<typeof detailsSchema>
    },
  )

  app.post(
    '/v1/proposals/:id/approve',
    {
      schema: {
        summary: 'Approves it; with the last approval that it needs, exactly that change is applied',
        tags,
        params,
        body: z.strictObject({ reason: words.optional(), /** Of this moment. */ code: codeSchema.optional() }),
        response: { 200: proposalSchema },
      },
    },
    async ({ params: { id }, body: { reason, code }, caller }) => {
      if (byRight(caller)) {
        const approved = await proposals.decideAsAdministrator(id, caller.actor, { approve: true })
        return proposalDocument(approved)
      }
      return decided(await of(caller).approve(id, reason, code))
    },
  )

  app.post(
    '/v1/proposals/:id/deny',
    {
      schema: {
        summary: 'Denies it',
        tags,
        params,
        body: z.strictObject({ reason: words, code: codeSchema.optional() }),
        response: { 200: proposalSchema },
      },
    },
    async ({ params: { id }, body: { reason, code }, caller }) => {
      if (byRight(caller)) {
        const denied = await proposals.decideAsAdministrator(id, caller.actor, { approve: false, reason })
        return proposalDocument(denied)
      }
      return decided(await of(caller).deny(id, reason, code))
    },
  )

  app.post(
    '/v1/proposals/:id/withdraw',
    {
      schema: {
        summary: 'Withdraws it: by whoever proposed it, or the owner',
        tags,
        params,
        response: { 200: proposalSchema },
      },
    },
    async ({ params: { id }, caller }) => proposalDocument(await proposals.withdraw(id, proposerOf(caller))),
  )

  /** Where four eyes are not asked for, whoever may write roles decides on what the gateway proposes. */
  function byRight({ scopes }: Caller): boolean {
    return proposals.fourEyes === undefined && scopes.has('administrate')
  }

  function of(caller: Caller): OwnProposals {
    return createOwnProposals({
      proposals,
      person: personOf(caller, { users }, 'One decides on changes'),
      proveCode: code => authenticator.confirmCode(caller.actor, caller.source, code),
      takeCode: () => false,
    })
  }
}

function decided(answer: Awaited<ReturnType<OwnProposals['approve']>>): ProposalDocument {
  if (answer.is === 'decided') return answer.proposal
  throw new GatewayError('ACCESS_DENIED', 'The decision needs a one-time code of this moment, in the field code.')
}
