/** What every file of routes shares: the type of the application, its names and its times. */

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

export const nameSchema = z.string().regex(NAME_PATTERN, 'a name has letters, digits, ".", "_" and "-", at most 64')
export const sessionIdSchema = z.string().regex(/^ses_[0-9a-z]{26}$/, 'a session id is ses_ and 26 characters')
/** A time as people and programs read it. */
export const timeSchema = z.iso.datetime({ offset: true })

/** Milliseconds since the epoch, as ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
