/** Sessions that somebody must watch, for those who may: which wait, watching one, and ending it. By a personal token alone: a moderator is a person. */

import { Readable } from 'node:stream'
import { z } from 'zod'
import { EVENT_LINES_TYPE, encodeEventLines } from '../../recording/rendering/event-lines.ts'
import type { ModeratedSession } from '../../session/records/moderated-sessions.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { Caller } from '../authentication.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { watchIdSchema } from '../session-presence.ts'
import { createWatchSessions } from '../watch-sessions.ts'
import { type ApiRoutes, sessionIdSchema, timeSchema } from './route.ts'

const moderatedSchema = z.object({
  id: z.string(),
  protocol: z.string(),
  user: z.string(),
  account: z.string(),
  target: z.string(),
  role: z.string(),
  request: z.string().nullable(),
  source: z.string(),
  /** `waiting` for a moderator, or `begun`. */
  state: z.enum(['waiting', 'begun']),
  since: timeSchema,
  /** How long it waits. */
  waitsUntil: timeSchema,
})
export type ModeratedSessionDocument = z.output<typeof moderatedSchema>

export function moderatedSessions(app: ApiRoutes, parts: ApiParts): void {
  const watching = createWatchSessions(parts)
  const tags = ['moderation']
  const params = z.object({ id: sessionIdSchema })

  app.get(
    '/v1/own/moderated-sessions',
    {
      schema: {
        summary: 'Sessions that one may watch as their moderator, the oldest first',
        tags,
        querystring: z.object({
          state: z.enum(['waiting', 'begun']).optional(),
          /** This one alone, however many there are. */
          session: sessionIdSchema.optional(),
        }),
        response: { 200: z.object({ sessions: z.array(moderatedSchema) }) },
      },
    },
    async ({ query: { state, session }, caller }) => {
      const found = caller.personal === undefined ? [] : await watching.moderatedBy(caller.actor, { state, session })
      return { sessions: found.map(documentOf) }
    },
  )

  app.get(
    '/v1/own/moderated-sessions/:id/follow',
    {
      schema: {
        summary: 'Watches a session as its moderator, from its beginning and on, as NDJSON; what waits for one begins',
        tags,
        params,
        querystring: z.object({ watch: watchIdSchema }),
        response: {
          200: { description: 'A stream', content: { [EVENT_LINES_TYPE]: { schema: z.instanceof(Readable) } } },
        },
      },
    },
    async ({ params: { id }, query: { watch }, caller }, reply) => {
      const actor = moderatorOf(caller, id)
      const recording = await watching.moderate(id, { actor, source: caller.source, watch, out: reply.raw })
      return reply.header('content-type', EVENT_LINES_TYPE).send(encodeEventLines(recording, true))
    },
  )

  app.post(
    '/v1/own/moderated-sessions/:id/watching',
    {
      schema: {
        summary: 'Says that the client that watches is there: every few seconds, or it counts as gone',
        tags,
        params,
        body: z.strictObject({ watch: watchIdSchema }),
        response: { 204: z.undefined() },
      },
    },
    async ({ params: { id }, body: { watch }, caller }, reply) => {
      await watching.isThere(id, { actor: moderatorOf(caller, id), watch })
      return reply.code(204).send()
    },
  )

  app.post(
    '/v1/own/moderated-sessions/:id/end',
    {
      schema: {
        summary: 'Ends a session of which one may be the moderator',
        tags,
        params,
        response: { 202: moderatedSchema },
      },
    },
    async ({ params: { id }, caller }, reply) => {
      const session = await watching.end(id, moderatorOf(caller, id))
      return reply.code(202).send(documentOf(session))
    },
  )
}

/** Whoever has no personal token is nobody's moderator. */
function moderatorOf({ actor, personal }: Caller, id: string): string {
  if (personal === undefined) throw notFound(`There is no session ${id} that you may moderate.`)
  return actor
}

function documentOf({ demands: _, gateway: __, since_ms, waits_until_ms, ...session }: ModeratedSession) {
  return { ...session, since: isoTime(since_ms), waitsUntil: isoTime(waits_until_ms) }
}
