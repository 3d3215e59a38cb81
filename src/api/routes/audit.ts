/** The audit log: reading it, and checking that its chain is whole. */

import { Readable } from 'node:stream'
import { z } from 'zod'
import type { AuditRow } from '../../audit/chain/chain.ts'
import { hashesOf, readHead } from '../../audit/chain/walk.ts'
import type { AuditKind } from '../../audit/event.ts'
import { exportSessions } from '../../evidence/export-sessions.ts'
import { GatewayError } from '../../shared/errors.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, sessionIdSchema, timeSchema } from './route.ts'

const eventSchema = z.object({
  seq: z.number(),
  at: timeSchema,
  gateway: z.string(),
  kind: z.string(),
  actor: z.string(),
  session: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
})
export type AuditEntry = z.output<typeof eventSchema>

const number = z.coerce.number().int().min(0)
const querySchema = z.object({
  /** Events after this number, oldest first from there. */
  after: number.optional(),
  /** Events before this number. */
  before: number.optional(),
  kind: z
    .string()
    .regex(/^[a-z.-]{1,64}$/, 'a kind is written as session.started')
    .optional(),
  actor: z.string().max(64).optional(),
  session: sessionIdSchema.optional(),
  since: timeSchema.optional(),
  until: timeSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const head = z.object({ seq: z.number(), hash: z.string() })
const verdictSchema = z.union([
  /** `head` is worth noting down: as `checkpoint` it proves later that nothing was cut off. */
  z.object({ ok: z.literal(true), events: z.number(), head }),
  z.object({
    ok: z.literal(false),
    events: z.number(),
    seq: z.number(),
    problem: z.string(),
    message: z.string(),
    /** The number of the event that the store says is the last. */
    end: z.number(),
  }),
])
export type AuditVerdict = z.output<typeof verdictSchema>
export type EventHash = z.output<typeof head>

const checkpointSchema = z.object({
  seq: number,
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'a hash is 64 hex digits'),
})

const LIST_TYPE = 'application/x-ndjson'
const CHUNK_CHARACTERS = 64 * 1024

export function audit(app: ApiRoutes, { audit, database, signer, clock, gateway }: ApiParts): void {
  const tags = ['audit']

  app.get(
    '/v1/audit',
    {
      schema: {
        summary: 'Audit events in the order of the chain: the last that match, or the first after `after`',
        tags,
        querystring: querySchema,
        response: { 200: z.object({ events: z.array(eventSchema) }) },
      },
    },
    async ({ query: { since, until, kind, ...filters } }) => {
      const rows = await audit.list({
        ...filters,
        ...(kind === undefined ? {} : { kind: kind as AuditKind }),
        ...(since === undefined ? {} : { since: Date.parse(since) }),
        ...(until === undefined ? {} : { until: Date.parse(until) }),
      })
      return { events: rows.map(entryOf) }
    },
  )

  app.post(
    '/v1/audit/verify',
    {
      schema: {
        summary: 'Checks the whole chain; `checkpoint` is a head that was noted earlier',
        tags,
        body: z.object({ checkpoint: checkpointSchema.optional() }),
        response: { 200: verdictSchema },
      },
    },
    async ({ body: { checkpoint } }) => {
      const verdict = await audit.verify(checkpoint === undefined ? {} : { checkpoint })
      return verdict.ok ? verdict : { ...verdict, end: (await readHead(database).catch(() => ({ seq: 0 }))).seq }
    },
  )

  app.post(
    '/v1/audit/hashes',
    {
      schema: {
        summary:
          'The hashes of events, for comparing them with heads that were sent out; events that are not there are left out',
        tags,
        body: z.object({ seqs: z.array(z.number().int().min(1)).max(500) }),
        response: { 200: z.object({ hashes: z.array(head) }) },
      },
    },
    async ({ body: { seqs } }) => ({ hashes: await hashesOf(database, seqs) }),
  )

  app.get(
    '/v1/audit/sessions',
    {
      schema: {
        summary: 'The signed list of sessions and their recordings, out of the audit log, as NDJSON',
        tags,
        querystring: z.object({ since: timeSchema.optional(), until: timeSchema.optional() }),
        response: {
          200: { description: 'A stream', content: { [LIST_TYPE]: { schema: z.instanceof(Readable) } } },
        },
      },
    },
    async ({ query: { since, until }, caller: { actor, source } }, reply) => {
      await audit.append({ kind: 'audit.exported', actor, data: { since, until, source } })
      const range = { since: since && Date.parse(since), until: until && Date.parse(until) }
      const lines = exportSessions({ database, signer, clock, gateway }, range as { since?: number; until?: number })
      return reply.header('content-type', LIST_TYPE).send(Readable.from(endWithError(lines), { objectMode: false }))
    },
  )
}

/** A log that is broken ends the list with a line that says why, in the place of the signed end. */
async function* endWithError(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = ''
  let sent = false
  try {
    for await (const line of lines) {
      chunk += line
      // The header at once: who asks sees that the gateway is at it.
      if (sent && chunk.length < CHUNK_CHARACTERS) continue
      sent = true
      yield chunk
      chunk = ''
    }
    yield chunk
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === 'CONFLICT')) throw error
    yield `${chunk}${JSON.stringify({ type: 'refused', why: error.message })}\n`
  }
}

function entryOf({ seq, at, gateway, kind, actor, session, data }: AuditRow): AuditEntry {
  return { seq, at: isoTime(at), gateway, kind, actor, session, data: JSON.parse(data) }
}
