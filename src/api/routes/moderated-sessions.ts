/** Sessions that somebody must watch, for those who may: which wait, watching one, and ending it. By a personal token alone: a moderator is a person. */

import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { demandsMetBy } from '../../access-requests/may-moderate.ts'
import type { ModeratorDemand } from '../../policy/session-conditions.ts'
import { readRecordingStream } from '../../recording/store/reader.ts'
import type { ModeratedSession } from '../../session/records/moderated-sessions.ts'
import { GatewayError } from '../../shared/errors.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { audited } from '../audited.ts'
import type { Caller } from '../authentication.ts'
import { notFound } from '../errors.ts'
import { EVENT_LINES_TYPE, encodeEventLines } from '../event-lines.ts'
import type { ApiParts } from '../parts.ts'
import { watchIdSchema } from '../session-presence.ts'
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

/** So often it is looked whether a session that has its moderator is open. */
const LOOK_EVERY_MS = 100

export function moderatedSessions(app: ApiRoutes, parts: ApiParts): void {
  const { moderatedSessions, sessions, users, roles, presence, follow, live, vault, audit } = parts
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
    async ({ query: { state, session: id }, caller }) => {
      const found: ModeratedSession[] = []
      const one = id === undefined ? undefined : await moderatedSessions.get(id)
      const listed = id === undefined ? await moderatedSessions.list() : one === undefined ? [] : [one]
      for (const session of listed) {
        if (state !== undefined && session.state !== state) continue
        if ((await demandsMet(caller, session)).length > 0) found.push(session)
      }
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
      const [session, meets] = await mayModerate(caller, id)
      const { user, account, target } = session
      const { actor, source } = caller
      const left = new AbortController()
      const data = { user, account, target, source, as: 'moderator' }
      await audit.append({ kind: 'recording.followed', actor, session: id, data })
      const mayStill = async () => {
        const now = await demandsMet(caller, session)
        return meets.every(role => now.includes(role))
      }
      const forget = live.onAccessChange(() => {
        mayStill().then(
          may => void (may || reply.raw.destroy()),
          () => reply.raw.destroy(),
        )
      })
      presence.watch(id, { id: watch, user: actor, meets }, reply.raw, mayStill, () => {
        forget()
        left.abort()
        void audit.append({ kind: 'recording.follow-ended', actor, session: id, data }).catch(() => undefined)
      })
      if (!(await untilOpen(id, left.signal)))
        throw new GatewayError('CONFLICT', `Session ${id} did not begin, or has ended.`)
      const recording = await readRecordingStream(follow.follow(id, left.signal), vault.openBytes)
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
      // Decided anew each time: whoever may not any more is soon gone.
      await mayModerate(caller, id)
      await presence.beat(watch, caller.actor)
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
      const [session] = await mayModerate(caller, id)
      const { user, account, target } = session
      const data = { user, account, target, as: 'moderator' }
      await audited(audit, { kind: 'session.kill-requested', actor: caller.actor, session: id, data }, () =>
        live.kill(id, 'moderator-ended'),
      )
      return reply.code(202).send(documentOf(session))
    },
  )

  /** Of whom one may not watch it, it looks as if there were none. */
  async function mayModerate(caller: Caller, id: string): Promise<[ModeratedSession, string[]]> {
    const session = await moderatedSessions.get(id)
    const meets = session === undefined ? [] : await demandsMet(caller, session)
    if (session === undefined || meets.length === 0) throw notFound(`There is no session ${id} that you may moderate.`)
    return [session, meets]
  }

  /** By people and roles as they are now. */
  async function demandsMet({ actor, personal }: Caller, { user, demands }: ModeratedSession): Promise<string[]> {
    if (personal === undefined) return []
    const [moderator, watched] = await Promise.all([users.get(actor), users.get(user)])
    if (moderator === undefined || watched === undefined) return []
    return demandsMetBy(moderator, watched, await demandsNow(demands))
  }

  /** A role that demands none by now has its session go on by who it was. */
  async function demandsNow(demands: readonly ModeratorDemand[]): Promise<ModeratorDemand[]> {
    const now = await roles.getAll(demands.map(({ role }) => role))
    return demands.map(({ role, of }) => ({
      role,
      of: now.find(({ name }) => name === role)?.session?.moderator?.of ?? of,
    }))
  }

  /** False where the moderator has left, or nothing comes of the session. */
  async function untilOpen(id: string, left: AbortSignal): Promise<boolean> {
    while (!left.aborted) {
      const row = await sessions.get(id)
      if (row?.state === 'active') return true
      if (row?.state === 'ended' || (await moderatedSessions.get(id)) === undefined) return false
      await setTimeout(LOOK_EVERY_MS)
    }
    return false
  }
}

function documentOf({ demands: _, gateway: __, since_ms, waits_until_ms, ...session }: ModeratedSession) {
  return { ...session, since: isoTime(since_ms), waitsUntil: isoTime(waits_until_ms) }
}
