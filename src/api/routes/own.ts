/** What is a person's own: who they are here, their sessions, targets and tokens. Whose, the token says and nothing that is asked. */

import { z } from 'zod'
import type { PrincipalFacts } from '../../identity/principal.ts'
import { explainOffers } from '../../policy/explain.ts'
import { channelNames, protocolNames } from '../../protocols/registered.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import { sessionDocument } from '../../session/session-document.ts'
import { GatewayError } from '../../shared/errors.ts'
import { FACTORS } from '../../shared/factors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { SCOPES } from '../../shared/scopes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { LEVELS } from '../../shared/vocabulary.ts'
import type { Caller } from '../authentication.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { offersSchema } from './explain.ts'
import { personalTokenOf, personalTokensSchema } from './personal-token.ts'
import { type ApiRoutes, sessionIdSchema, timeSchema } from './route.ts'
import { ownSessionsQuery, sessionSchema } from './sessions.ts'

const whoamiSchema = z.object({
  /** The user, or `owner`. */
  user: z.string(),
  /** How they are known: by the Unix socket, a token that was made for them, or one that they made. */
  by: z.enum(['owner', 'token', 'personal-token']),
  token: z.string().nullable(),
  /** What they may do here and now. */
  scopes: z.array(z.enum(SCOPES)),
  /** What a personal token was made for and no role gives now. */
  withheld: z.array(z.enum(SCOPES)),
  expiresAt: timeSchema.nullable(),
})
export type Whoami = z.output<typeof whoamiSchema>

const ownTargetSchema = z.object({
  account: z.string(),
  target: z.string(),
  protocol: z.lazy(() => z.enum(protocolNames())),
  level: z.enum(LEVELS),
  description: z.string().optional(),
  labels: z.record(z.string(), z.string()),
})
export type OwnTarget = z.output<typeof ownTargetSchema>

const explanationSchema = z.object({
  allowed: z.boolean(),
  verdict: z.string(),
  given: z
    .object({
      account: z.string(),
      database: z.string().optional(),
      channels: z.array(z.lazy(() => z.enum(channelNames()))),
      endsAt: timeSchema,
      idleMs: z.number().optional(),
      recordInput: z.boolean(),
      recordExecInput: z.boolean(),
    })
    .optional(),
  onRequest: offersSchema,
  /** None: which other roles there are is not for everybody. */
  roles: z.array(z.never()),
})

export function own(app: ApiRoutes, { sessions, access, personalAccess, users, tokens: apiTokens }: ApiParts): void {
  const tags = ['own']

  app.get(
    '/v1/whoami',
    { schema: { summary: 'Who calls, and what they may do', tags, response: { 200: whoamiSchema } } },
    async ({ caller }) => {
      const { actor: user, scopes, token, personal } = caller
      const facts = { user, scopes: [...scopes], token: token ?? null, withheld: [], expiresAt: null }
      if (token === undefined) return { ...facts, by: 'owner' as const }
      if (personal !== undefined) {
        const withheld = [...personal.token.scopes.difference(scopes)]
        const expiresAt = isoTime(personalAccess.endOf(personal.token))
        return { ...facts, by: 'personal-token' as const, withheld, expiresAt }
      }
      const end = (await apiTokens.list()).find(({ name }) => name === token)?.expiresAt
      return { ...facts, by: 'token' as const, expiresAt: end === undefined ? null : isoTime(end) }
    },
  )

  app.post(
    '/v1/logout',
    {
      schema: { summary: 'Ends the personal token that it is called with', tags, response: { 204: z.undefined() } },
    },
    async ({ caller: { actor, personal } }, reply) => {
      if (personal === undefined)
        throw new GatewayError('BAD_REQUEST', 'This is no personal token: `sallyport token revoke` ends it.')
      await personalAccess.revoke(actor, personal.token.name, { actor })
      return reply.code(204).send()
    },
  )

  app.get(
    '/v1/own/sessions',
    {
      schema: {
        summary: "One's own sessions, newest first",
        tags,
        querystring: z.strictObject(ownSessionsQuery.shape),
        response: { 200: z.object({ sessions: z.array(sessionSchema) }) },
      },
    },
    async ({ query: { since, until, before, ...filters }, caller }) => {
      const { user } = await personOf(caller)
      const rows = await sessions.list({
        ...filters,
        user,
        ...(since === undefined ? {} : { since: Date.parse(since) }),
        ...(until === undefined ? {} : { until: Date.parse(until) }),
        ...(before === undefined ? {} : { before: await ownSession(user, before) }),
      })
      return { sessions: rows.map(sessionDocument) }
    },
  )

  app.get(
    '/v1/own/sessions/:id',
    {
      schema: {
        summary: "One of one's own sessions",
        tags,
        params: z.object({ id: sessionIdSchema }),
        response: { 200: sessionSchema },
      },
    },
    async ({ params: { id }, caller }) => sessionDocument(await ownSession((await personOf(caller)).user, id)),
  )

  app.get(
    '/v1/own/targets',
    {
      schema: {
        summary: 'The accounts that one may use now, from where one calls',
        tags,
        response: { 200: z.object({ targets: z.array(ownTargetSchema) }) },
      },
    },
    async ({ caller }) => {
      const found = await access.reachable(await personOf(caller))
      const key = ({ target, account }: OwnTarget) => `${target} ${account}`
      return {
        targets: found.map(one => ({ ...one, labels: { ...one.labels } })).sort((a, b) => (key(a) < key(b) ? -1 : 1)),
      }
    },
  )

  app.get(
    '/v1/own/explain',
    {
      schema: {
        summary: 'Whether one may reach an account; what is forbidden and what does not exist get the same answer',
        tags,
        querystring: z.strictObject({ account: nameSchema.optional(), target: nameSchema }),
        response: { 200: explanationSchema },
      },
    },
    async ({ query: { account, target }, caller }) => {
      const decision = await access.look(await personOf(caller), {
        target,
        ...(account === undefined ? {} : { account }),
      })
      if (!decision.granted)
        return { allowed: false, verdict: decision.message, onRequest: explainOffers(decision.onRequest), roles: [] }
      const { database, channels, endsAt, idleMs, recordInput, recordExecInput } = decision
      const given = {
        account: decision.account.name,
        ...(database === undefined ? {} : { database }),
        channels: [...channels],
        endsAt: isoTime(endsAt),
        ...(idleMs === undefined ? {} : { idleMs }),
        ...{ recordInput, recordExecInput },
      }
      return { allowed: true, verdict: 'Yes.', given, onRequest: [], roles: [] }
    },
  )

  app.get(
    '/v1/own/tokens',
    { schema: { summary: "One's own personal tokens", tags, response: { 200: personalTokensSchema } } },
    async ({ caller }) => {
      const { user } = await personOf(caller)
      return { tokens: (await personalAccess.list(user)).map(token => personalTokenOf(token, personalAccess)) }
    },
  )

  app.delete(
    '/v1/own/tokens/:name',
    {
      schema: {
        summary: "Revokes one of one's own personal tokens at once",
        tags,
        params: z.object({ name: nameSchema }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { name }, caller }, reply) => {
      const { user } = await personOf(caller)
      if (!(await personalAccess.revoke(user, name, { actor: user })))
        throw notFound(`There is no token ${name} of yours.`)
      return reply.code(204).send()
    },
  )

  /** The user behind the caller, as policy knows them now. */
  async function personOf({ actor, personal, source }: Caller): Promise<PrincipalFacts> {
    const user = await users.get(actor)
    if (user === undefined || user.disabled)
      throw new GatewayError('BAD_REQUEST', 'The owner of the gateway is no user: nothing here is their own.')
    // Of a token that was made for somebody it is not known: as in `explain`, factors then count as proven.
    const proven = personal?.token.proven ?? new Set(FACTORS)
    return { user: user.name, roles: user.roles, proven, sourceAddress: source }
  }

  /** What is somebody else's looks like what is not there. */
  async function ownSession(user: string, id: string): Promise<SessionRow> {
    const row = await sessions.get(id)
    if (row?.user !== user) throw notFound(`There is no session ${id} of yours.`)
    return row
  }
}
