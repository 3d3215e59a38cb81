/** Recordings: reading one back, fetching its file, checking it, and following one that is being written. */

import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { AuditKind } from '../../audit/event.ts'
import { reveal } from '../../recording/format/protected-part.ts'
import { compareWithNotes } from '../../recording/format/seal-notes.ts'
import { EVENT_LINES_TYPE, encodeEventLines } from '../../recording/rendering/event-lines.ts'
import type { Recording } from '../../recording/store/reader.ts'
import type { StoredRecording } from '../../recording/store/recording-store.ts'
import type { Verification } from '../../recording/store/verify.ts'
import type { SessionRow } from '../../session/records/session-store.ts'
import { GatewayError } from '../../shared/errors.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { audited } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { createWatchSessions } from '../watch-sessions.ts'
import { type ApiRoutes, sessionIdSchema, timeSchema } from './route.ts'

const verificationSchema = z.object({
  session: z.string(),
  ok: z.boolean(),
  sealed: z.boolean(),
  frames: z.number(),
  bytes: z.number(),
  firstBad: z.object({ frame: z.number(), offset: z.number(), why: z.string() }).nullable(),
  reason: z.string().nullable(),
  endedAt: timeSchema.nullable(),
  /** The last link of the chain that holds; the same as in the session's row and in the audit log. */
  hash: z.string().nullable(),
  /** With the session's row and the audit log. */
  compared: z.object({ result: z.enum(['matches', 'differs', 'not-compared']), text: z.string() }),
})
export type RecordingVerdict = z.output<typeof verificationSchema>

const notesSchema = z.object({
  session: z.string(),
  notes: z.array(
    z.discriminatedUnion('place', [
      z.object({ place: z.literal('session'), hash: z.string() }),
      z.object({ place: z.literal('audit'), event: z.number(), hash: z.string() }),
    ]),
  ),
})
export type SealNotes = z.output<typeof notesSchema>

const params = z.object({ id: sessionIdSchema })
/** Why the events are fetched: it stands in the audit log. */
const purposeSchema = z.object({ purpose: z.enum(['replay', 'export']).default('replay') })
/** A body that goes out as it is read. */
const streamOf = (type: string) => ({
  description: 'A stream',
  content: { [type]: { schema: z.instanceof(Readable) } },
})
const KEEP_ALIVE_MS = 15_000

/** Replaying, exporting and following need the scope `audit`, what is hidden in a recording `reveal`; the audit log knows before the first byte leaves. */
export function recordings(app: ApiRoutes, parts: ApiParts): void {
  const { sessions, sessionRecords, recordings, vault, audit } = parts
  const watching = createWatchSessions(parts)
  const tags = ['recordings']

  app.get(
    '/v1/sessions/:id/events',
    {
      schema: {
        summary: 'The events of a recording as NDJSON: header, events, end',
        tags,
        params,
        querystring: purposeSchema,
        response: { 200: streamOf(EVENT_LINES_TYPE) },
      },
    },
    async (request, reply) => {
      return sendEvents(request, reply, await toShow(request))
    },
  )

  app.get(
    '/v1/own/sessions/:id/events',
    {
      schema: {
        summary: "The events of the recording of one of one's own sessions, as NDJSON",
        tags,
        params,
        querystring: purposeSchema,
        response: { 200: streamOf(EVENT_LINES_TYPE) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      // What is somebody else's looks like what is not there.
      if ((await sessions.get(id))?.user !== request.caller.actor) throw notFound(`There is no session ${id} of yours.`)
      return sendEvents(request, reply, withoutSilentFollowers(await toShow(request)))
    },
  )

  app.get(
    '/v1/sessions/:id/revealed',
    {
      schema: {
        summary:
          'The same with what is hidden in it: literals, values, messages and standard input that may be secrets',
        tags,
        params,
        querystring: purposeSchema,
        response: { 200: streamOf(EVENT_LINES_TYPE) },
      },
    },
    async (request, reply) => {
      const { purpose } = request.query
      const recording = await shown(request, 'recording.revealed', { purpose }, async row =>
        withProtectedParts(await ofSession(row.id, await recordings.read(row.id))),
      )
      return sendEvents(request, reply, recording)
    },
  )

  app.get(
    '/v1/sessions/:id/follow',
    {
      schema: {
        summary: 'A live session from its beginning and on, as NDJSON',
        tags,
        params,
        response: { 200: streamOf(EVENT_LINES_TYPE) },
      },
    },
    async (request, reply) => {
      const { actor, source } = request.caller
      const row = await existing(request.params.id)
      const recording = await watching.follow(row, { actor, source, out: reply.raw })
      return sendEvents(request, reply, recording, 'live')
    },
  )

  app.get(
    '/v1/sessions/:id/recording',
    {
      schema: {
        summary: 'The file of a recording, encrypted and sealed as it is, for archiving and offline verification',
        tags,
        params,
        response: { 200: streamOf('application/octet-stream') },
      },
    },
    async (request, reply) => {
      const stream = await shown(request, 'recording.exported', { form: 'file' }, async row =>
        streamFrom(await recordings.openFile(row.id)),
      )
      return reply.header('content-type', 'application/octet-stream').send(stream)
    },
  )

  app.get(
    '/v1/sessions/:id/verify',
    {
      schema: { summary: 'Checks chain, seal and signature', tags, params, response: { 200: verificationSchema } },
    },
    async ({ params: { id } }) => {
      await existing(id)
      const { subject, ...found } = await recordings.verify(id).catch(unlessNoFile)
      const { ok, sealed, frames, bytes, firstBad, reason, endedAt, hash } = found
      const compared = compareWithNotes(hash, await sessionRecords.sealNotes(id))
      // A whole file that is not the one whose seal was noted is somebody's exchange of files.
      const exchanged = ok && (subject?.session !== id || compared.result === 'differs')
      const why = 'sealed well, but not the recording that was noted when the session ended'
      return {
        session: id,
        ok: ok && !exchanged,
        sealed,
        frames,
        bytes,
        firstBad: exchanged ? { frame: frames, offset: bytes, why } : (firstBad ?? null),
        reason: reason ?? null,
        endedAt: endedAt === undefined ? null : isoTime(endedAt),
        hash: hash ?? null,
        compared,
      }
    },
  )

  app.get(
    '/v1/sessions/:id/seal',
    {
      schema: {
        summary: "The hash of a session's recording as the session's row and the signed audit log have it",
        tags,
        params,
        response: { 200: notesSchema },
      },
    },
    async ({ params: { id } }) => {
      const notes = await sessionRecords.sealNotes(id)
      // Also of a session whose row is gone the audit log may know.
      if (notes.length === 0) await existing(id)
      return { session: id, notes }
    },
  )

  /** The recording as ordinary views have it, once it is in the audit log what for. */
  function toShow(
    request: Pick<FastifyRequest, 'caller'> & { params: { id: string }; query: z.output<typeof purposeSchema> },
  ) {
    const kind = request.query.purpose === 'export' ? 'recording.exported' : 'recording.replayed'
    return shown(request, kind, {}, async row => ofSession(row.id, await recordings.read(row.id)))
  }

  /** Writes the audit event, then opens what the caller will see. */
  async function shown<T>(
    request: { params: { id: string }; caller: FastifyRequest['caller'] },
    kind: AuditKind,
    data: Record<string, unknown>,
    openIt: (row: SessionRow) => Promise<T>,
  ): Promise<T> {
    const row = await existing(request.params.id)
    const { actor, source } = request.caller
    const facts = { user: row.user, account: row.account, target: row.target, source, ...data }
    return audited(audit, { kind, actor, session: row.id, data: facts }, () => openIt(row)).catch(error => {
      if (!(error instanceof GatewayError && error.code === 'NOT_FOUND')) throw error
      throw notFound(
        row.end_reason === 'connect-failed' && row.recording_hash === null
          ? `Nothing was recorded of ${row.id}: it did not begin (${row.end_reason}).`
          : `The recording of ${row.id} is not in this gateway's folder; gateway ${row.gateway} wrote ${row.recording}.`,
      )
    })
  }

  function withProtectedParts(recording: Recording): Recording {
    return {
      header: recording.header,
      get end() {
        return recording.end
      },
      [Symbol.asyncIterator]: () => reveal(recording.header.subject.session, recording, vault.openBytes),
    }
  }

  async function existing(id: string): Promise<SessionRow> {
    const row = await sessions.get(id)
    if (row === undefined) throw notFound(`There is no session ${id}.`)
    return row
  }
}

/** What is no file is a bad recording, and nothing broke. */
function unlessNoFile(error: unknown): Verification {
  if (!(error instanceof GatewayError && error.code === 'RECORDING_DAMAGED')) throw error
  return { ok: false, frames: 0, bytes: 0, sealed: false, firstBad: { frame: -1, offset: 0, why: error.message } }
}

/** For the user of the session, who is not told of them. */
function withoutSilentFollowers(recording: Recording): Recording {
  return {
    header: recording.header,
    get end() {
      return recording.end
    },
    async *[Symbol.asyncIterator]() {
      for await (const event of recording) if (event.type !== 'watched' || event.silent !== true) yield event
    },
  }
}

/** A file in the place of another's is whole, and still not what was asked for. */
async function ofSession(id: string, recording: Recording): Promise<Recording> {
  const { session } = recording.header.subject
  if (session === id) return recording
  // Begun and left, so that the file is closed.
  for await (const _ of recording) break
  throw new GatewayError('RECORDING_DAMAGED', `In the place of this recording lies that of ${session}.`)
}

/** Its bytes; it is closed with the stream. */
function streamFrom(stored: StoredRecording): Readable {
  return Readable.from(stored.bytesFrom(), { objectMode: false }).once('close', () => void stored.close())
}

function sendEvents(request: FastifyRequest, reply: FastifyReply, recording: Recording, live?: 'live') {
  // A follower that vanished without a word must not be served for ever.
  request.raw.socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return reply.header('content-type', EVENT_LINES_TYPE).send(encodeEventLines(recording, live === 'live'))
}
