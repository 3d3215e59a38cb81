/** Sessions: which there are and were, and ending one. */

import { z } from 'zod'
import { protocolNames } from '../../protocols/registered.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import { sessionDocument } from '../../session/session-document.ts'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, sessionIdSchema, timeSchema } from './route.ts'

export const sessionSchema = z.object({
  id: z.string(),
  protocol: z.string(),
  user: z.string(),
  account: z.string(),
  target: z.string(),
  /** Of a PostgreSQL session. */
  database: z.string().optional(),
  role: z.string(),
  /** The approved request that it rests on. */
  request: z.string().optional(),
  source: z.string(),
  gateway: z.string(),
  state: z.string(),
  startedAt: timeSchema,
  endedAt: timeSchema.nullable(),
  endReason: z.string().nullable(),
  recording: z.object({ file: z.string(), bytes: z.number(), hash: z.string().nullable() }),
  details: z.record(z.string(), z.string()),
})
export type Session = z.output<typeof sessionSchema>

/** Of one's own sessions, and with `user` of all. */
export const ownSessionsQuery = z.object({
  state: z.enum(['live', 'ended']).optional(),
  target: nameSchema.optional(),
  protocol: z.lazy(() => z.enum(protocolNames())).optional(),
  /** Started at this time or after it. */
  since: timeSchema.optional(),
  /** Started before this time. */
  until: timeSchema.optional(),
  /** Those that come after this session in the list: the last of a page gives the next one. */
  before: sessionIdSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const querySchema = ownSessionsQuery.extend({ user: nameSchema.optional() })

export function sessions(app: ApiRoutes, { sessions, live, audit }: ApiParts): void {
  const tags = ['sessions']

  app.get(
    '/v1/sessions',
    {
      schema: {
        summary: 'Sessions, newest first',
        tags,
        querystring: querySchema,
        response: { 200: z.object({ sessions: z.array(sessionSchema) }) },
      },
    },
    async ({ query: { since, until, before, ...filters } }) => {
      const rows = await sessions.list({
        ...filters,
        ...(since === undefined ? {} : { since: Date.parse(since) }),
        ...(until === undefined ? {} : { until: Date.parse(until) }),
        ...(before === undefined ? {} : { before: await existing(before) }),
      })
      return { sessions: rows.map(sessionDocument) }
    },
  )

  app.get(
    '/v1/sessions/:id',
    {
      schema: {
        summary: 'One session',
        tags,
        params: z.object({ id: sessionIdSchema }),
        response: { 200: sessionSchema },
      },
    },
    async ({ params }) => sessionDocument(await existing(params.id)),
  )

  app.post(
    '/v1/sessions/:id/kill',
    {
      schema: {
        summary: 'Ends a live session, wherever it runs',
        tags,
        params: z.object({ id: sessionIdSchema }),
        response: { 202: sessionSchema },
      },
    },
    async ({ params: { id }, caller }, reply) => {
      const row = await existing(id)
      if (row.state === 'ended') throw new GatewayError('CONFLICT', `Session ${id} has ended already.`)
      const data = { user: row.user, account: row.account, target: row.target }
      await audit.append({ kind: 'session.kill-requested', actor: caller.actor, session: id, data })
      await live.kill(id)
      return reply.code(202).send(sessionDocument(row))
    },
  )

  async function existing(id: string): Promise<SessionRow> {
    const row = await sessions.get(id)
    if (row === undefined) throw notFound(`There is no session ${id}.`)
    return row
  }
}
