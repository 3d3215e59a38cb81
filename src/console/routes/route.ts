/** What every file of routes shares: the type of the application, and how times and streams go out. */

import { Readable } from 'node:stream'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { NAME_PATTERN } from '../../shared/names.ts'

export type ApiRoutes = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

export const NDJSON = 'application/x-ndjson'

export const nameSchema = z.string().regex(NAME_PATTERN, 'a name has letters, digits, ".", "_" and "-", at most 64')
export const sessionIdSchema = z.string().regex(/^ses_[0-9a-z]{26}$/, 'a session id is ses_ and 26 characters')
/** A time as people and programs read it. */
export const timeSchema = z.iso.datetime({ offset: true })

/** Milliseconds since the epoch, as ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** One JSON value a line. An error in the middle cuts the connection, so that a part is never taken for the whole. */
export function ndjson(values: AsyncIterable<unknown>): Readable {
  async function* lines() {
    for await (const value of values) yield `${JSON.stringify(value)}\n`
  }
  return Readable.from(lines(), { objectMode: false, highWaterMark: 256 * 1024 })
}
