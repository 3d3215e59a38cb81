/** Access requests: asking and deciding by a personal token, which says who they are; seeing all and revoking for whoever has that right. */

import { z } from 'zod'
import { RESULTS } from '../../access-requests/attest/attestation.ts'
import { createOwnRequests, detailsOf, type OwnRequests } from '../../access-requests/own-requests.ts'
import { REQUEST_STATES, type RequestedAccess } from '../../access-requests/request.ts'
import { requestDocument } from '../../access-requests/request-document.ts'
import { templateDocument } from '../../access-requests/templates/template-document.ts'
import { selectorSchema } from '../../access-requests/wish-schema.ts'
import { channelNames } from '../../protocols/registered.ts'
import { databasePatterns } from '../../shared/database-names.ts'
import { durationText } from '../../shared/durations.ts'
import { GatewayError } from '../../shared/errors.ts'
import { REQUEST_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { Secret } from '../../shared/secret.ts'
import { LEVELS } from '../../shared/vocabulary.ts'
import { type Caller, holdsOneOf } from '../authentication.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { personOf } from '../person-of.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const idSchema = z.string().regex(REQUEST_ID_PATTERN, 'the id of a request is req_ and 26 characters')
const channels = z.array(z.lazy(() => z.enum(channelNames())))
/** Longer than it may be, so that the answer says what is wrong with it. */
const words = z.string().max(20_000)
const timeAhead = timeSchema.transform(text => Date.parse(text))

const targetsSchema = z.object({ names: z.array(z.string()), labels: z.record(z.string(), z.string()) })
const accessSchema = z.object({
  targets: targetsSchema,
  chosenBy: targetsSchema.nullable(),
  accounts: z.object({ names: z.array(z.string()), levels: z.array(z.enum(LEVELS)) }),
  channels,
  databases: z.array(z.string()).nullable(),
  for: z.string(),
  startsAt: timeSchema.nullable(),
})

const requestSchema = accessSchema.extend({
  id: z.string(),
  kind: z.enum(['access', 'permanent']),
  state: z.enum(REQUEST_STATES),
  user: z.string(),
  role: z.string(),
  /** Which of the role's offers. */
  offer: z.string(),
  /** As it was asked for: an approver may give less. */
  asked: accessSchema,
  reason: z.string().nullable(),
  ticket: z.string().nullable(),
  template: z.string().nullable(),
  source: z.string(),
  clock: z.enum(['approval', 'first-use']),
  extensionOf: z.string().nullable(),
  /** By the review rules, when it was asked. */
  review: z
    .object({
      outcome: z.enum(['approve', 'deny', 'ask']),
      rule: z.string().nullable(),
      why: z.string(),
      outside: z.array(z.string()),
    })
    .nullable(),
  askedAt: timeSchema,
  waitsUntil: timeSchema.nullable(),
  startsAt: timeSchema.nullable(),
  endsAt: timeSchema.nullable(),
  endedAt: timeSchema.nullable(),
  endedBy: z.string().nullable(),
  words: z.string().nullable(),
})

const detailsSchema = requestSchema.extend({
  approvers: z.string().nullable(),
  deciders: z.object({ names: z.array(z.string()), more: z.boolean() }).nullable(),
  decisions: z.array(
    z.object({
      approver: z.string(),
      step: z.number(),
      decision: z.enum(['approve', 'deny']),
      reason: z.string().nullable(),
      rule: z.string(),
      freshFactor: z.boolean(),
      at: timeSchema,
    }),
  ),
  opens: z.object({ accounts: z.array(z.string()), count: z.number() }),
  sessions: z.array(z.object({ id: z.string(), account: z.string(), live: z.boolean() })),
  /** What was seen when its access was over. */
  attestation: z
    .object({
      result: z.enum(RESULTS),
      at: timeSchema,
      left: z.array(z.string()),
      unknown: z.array(z.string()),
      sessions: z.array(
        z.object({
          session: z.string(),
          account: z.string(),
          endReason: z.string().nullable(),
          client: z.enum(['closed', 'open', 'unknown']),
          target: z.enum(['closed', 'open', 'unknown']),
          atTarget: z.enum(['gone', 'ended', 'open', 'unknown', 'not-asked']),
        }),
      ),
      checkOuts: z.array(z.object({ checkOut: z.string(), account: z.string(), state: z.enum(['returned', 'open']) })),
      rotations: z.array(
        z.object({ account: z.string(), state: z.enum(['rotated', 'waiting', 'failed']), words: z.string() }),
      ),
    })
    .nullable(),
  /** For those who decide. */
  history: z
    .object({
      sessions: z.number(),
      last: z.array(z.object({ id: z.string(), account: z.string(), startedAt: timeSchema })),
      unusual: z.array(z.string()),
    })
    .nullable(),
  /** The proposed change of the rules that became of a request for good. */
  proposal: z.string().nullable(),
  mayDecide: z.boolean(),
  needsCode: z.boolean(),
})

const wishSchema = z
  .strictObject({
    /** What it fills in is left out; what is said beside it only lessens it. */
    template: nameSchema.optional(),
    /** One target; or with `selector` all of those that a role offers. */
    target: nameSchema.optional(),
    selector: selectorSchema.optional(),
    account: nameSchema.optional(),
    level: z.enum(LEVELS).optional(),
    role: nameSchema.optional(),
    channels: channels.min(1).optional(),
    databases: databasePatterns.optional(),
    /** As `2h`; not given: an hour, or what is allowed. */
    for: durationText.optional(),
    startsAt: timeAhead.optional(),
    reason: words.optional(),
    ticket: words.optional(),
    permanent: z.boolean().default(false),
  })
  .refine(
    ({ template, target, selector }) =>
      (target === undefined || selector === undefined) && (template ?? target ?? selector) !== undefined,
    'give target, or selector, or template',
  )

const templateSchema = z.object({
  name: z.string(),
  description: z.string().nullable(),
  /** What it fills in. */
  ask: z.object({
    target: z.string().nullable(),
    targets: targetsSchema.nullable(),
    account: z.string().nullable(),
    level: z.enum(LEVELS).nullable(),
    role: z.string().nullable(),
    channels: channels.nullable(),
    databases: z.array(z.string()).nullable(),
    for: z.string().nullable(),
    reason: z.string().nullable(),
    ticket: z.string().nullable(),
  }),
})

const codeSchema = z
  .string()
  .max(100)
  .transform(text => new Secret(text))

export function requests(app: ApiRoutes, { requests, sessions, authenticator, users, proposals }: ApiParts): void {
  const proposalOf = async (request: string) => (await proposals.rows.ofRequest(request))?.id
  const tags = ['requests']
  const params = z.object({ id: idSchema })

  app.get(
    '/v1/requests',
    {
      schema: {
        summary: "Requests: one's own (mine), those to decide on (to-decide), or with the scope read all of them",
        tags,
        querystring: z.strictObject({
          view: z.enum(['mine', 'to-decide', 'all']).default('mine'),
          /** Of `all` alone. */
          user: nameSchema.optional(),
          state: z.enum(REQUEST_STATES).optional(),
          /** Those that come after this one in the list (mine and all: the newest first; to-decide: the oldest): the last of a page gives the next one. */
          before: idSchema.optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: z.object({ requests: z.array(requestSchema) }) },
      },
    },
    async ({ query: { view, user, state, before, limit }, caller }) => {
      if (view !== 'all') {
        if (user !== undefined) throw new GatewayError('BAD_REQUEST', 'user is given with view=all alone.')
        return { requests: await of(caller).list(view, { state, before, limit }) }
      }
      if (!seesAll(caller))
        throw new GatewayError('FORBIDDEN', 'All requests are shown with the scope read or revoke-requests.')
      const found = await requests.rows.list({
        ...{ user, limit, states: state === undefined ? undefined : [state] },
        before: before === undefined ? undefined : await existing(before),
      })
      return { requests: found.map(requestDocument) }
    },
  )

  app.get(
    '/v1/request-templates',
    {
      schema: {
        summary: 'Request templates: those by which one may ask (usable), or with the scope read all of them',
        tags,
        querystring: z.strictObject({
          /** Not given: `usable` with a personal token, which alone has such, and without the scope read; else `all`. */
          view: z.enum(['usable', 'all']).optional(),
        }),
        response: { 200: z.object({ templates: z.array(templateSchema) }) },
      },
    },
    async ({ query: { view }, caller }) => {
      const seesThemAll = holdsOneOf(caller, ['read'])
      if (view === 'usable' || (view === undefined && (caller.personal !== undefined || !seesThemAll)))
        return { templates: await of(caller).templates() }
      if (!seesThemAll) throw new GatewayError('FORBIDDEN', 'All templates are shown with the scope read.')
      return { templates: (await requests.templates.list()).map(templateDocument) }
    },
  )

  app.get(
    '/v1/requests/:id',
    {
      schema: {
        summary: 'One request: what it opens, who decides, and for those what is unusual',
        tags,
        params,
        response: { 200: detailsSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      if (caller.personal === undefined && seesAll(caller)) return seen(id)
      const own = await of(caller)
        .show(id)
        .catch(error => {
          if (error instanceof GatewayError && error.code === 'NOT_FOUND' && seesAll(caller)) return undefined
          throw error
        })
      return own === undefined ? seen(id) : (structuredClone(own) as z.output<typeof detailsSchema>)
    },
  )

  app.post(
    '/v1/requests',
    {
      schema: {
        summary: 'Asks for what a role gives on request',
        tags,
        body: wishSchema,
        response: {
          201: z.object({
            request: requestSchema,
            /** An account of a lower level that would do as well. */
            lower: z.object({ account: z.string(), level: z.string() }).nullable(),
          }),
        },
      },
    },
    async ({ body: { target, selector, for: forMs, ...wish }, caller }, reply) => {
      const on = target !== undefined ? { target } : selector && { selector }
      return reply.code(201).send(await of(caller).ask({ ...wish, on, forMs }))
    },
  )

  app.post(
    '/v1/requests/:id/extend',
    {
      schema: {
        summary: 'Asks for more time',
        tags,
        params,
        body: z.strictObject({ for: durationText.optional(), reason: words.optional(), ticket: words.optional() }),
        response: { 201: requestSchema },
      },
    },
    async ({ params: { id }, body: { for: forMs, ...wish }, caller }, reply) =>
      reply.code(201).send(await of(caller).extend(id, { ...wish, forMs })),
  )

  app.post(
    '/v1/requests/:id/approve',
    {
      schema: {
        summary: 'Approves it: all of what is asked for, or less',
        tags,
        params,
        body: z.strictObject({
          for: durationText.optional(),
          startsAt: timeAhead.optional(),
          channels: channels.min(1).optional(),
          reason: words.optional(),
          /** A one-time code of this moment, where the offer asks for one. */
          code: codeSchema.optional(),
        }),
        response: { 200: requestSchema },
      },
    },
    async ({ params: { id }, body: { for: forMs, startsAt, channels, reason, code }, caller }) =>
      decided(await of(caller).approve(id, { less: { forMs, startsAt, channels }, reason }, code)),
  )

  app.post(
    '/v1/requests/:id/deny',
    {
      schema: {
        summary: 'Denies it',
        tags,
        params,
        body: z.strictObject({ reason: words, code: codeSchema.optional() }),
        response: { 200: requestSchema },
      },
    },
    async ({ params: { id }, body: { reason, code }, caller }) => decided(await of(caller).deny(id, reason, code)),
  )

  app.post(
    '/v1/requests/:id/cancel',
    {
      schema: {
        summary: "Withdraws one's own, or gives back what was approved; sessions that rest on it end",
        tags,
        params,
        response: { 200: requestSchema },
      },
    },
    async ({ params: { id }, caller }) => of(caller).cancel(id),
  )

  app.post(
    '/v1/requests/:id/revoke',
    {
      schema: {
        summary: 'Takes it away: by somebody who approved it, or with the scope; sessions that rest on it end',
        tags,
        params,
        body: z.strictObject({ reason: words.optional() }),
        response: { 200: requestSchema },
      },
    },
    async ({ params: { id }, body: { reason }, caller }) => {
      if (!caller.scopes.has('revoke-requests')) return of(caller).revoke(id, reason)
      const { state } = await existing(id)
      const ended = await requests.revoke(id, caller.actor, reason)
      if (ended === undefined) throw new GatewayError('CONFLICT', `The request is ${state.is} already.`)
      return requestDocument(ended)
    },
  )

  async function existing(id: string): Promise<RequestedAccess> {
    const found = await requests.rows.get(id)
    if (found === undefined) throw notFound(`There is no request ${id}.`)
    return found
  }

  async function seen(id: string) {
    const { knows: _, ...shown } = await detailsOf({ requests, sessions, users, proposalOf }, await existing(id))
    return structuredClone(shown) as z.output<typeof detailsSchema>
  }

  function of(caller: Caller): OwnRequests {
    const { actor, source } = caller
    return createOwnRequests({
      ...{ requests, sessions, users, proposalOf },
      person: personOf(caller, { users }, 'One asks and decides'),
      proveCode: code => authenticator.confirmCode(actor, source, code),
      takeCode: () => false,
    })
  }
}

function seesAll(caller: Caller): boolean {
  return holdsOneOf(caller, ['read', 'revoke-requests'])
}

function decided(answer: Awaited<ReturnType<OwnRequests['approve']>>) {
  if (answer.is === 'decided') return answer.request
  throw new GatewayError('ACCESS_DENIED', 'The decision needs a one-time code of this moment, in the field code.')
}
