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
import type { Documents } from '../../database/documents.ts'
import { SESSION_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'

export type ApiRoutes = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

export const sessionIdSchema = z.string().regex(SESSION_ID_PATTERN, 'a session id is ses_ and 26 characters')
/** An account, in the path of a route. */
export const addressSchema = z.object({ account: nameSchema, target: nameSchema })
/** A time as people and programs read it. */
export const timeSchema = z.iso.datetime({ offset: true })

/** A page of what has names; neither given: all of them. The next one begins after the last name of this one. */
export const namePageSchema = z.object({
  after: nameSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
})

/** By name, or a page in the store's own order. */
export function pageOf<T extends { name: string }>(
  documents: Pick<Documents<T>, 'list' | 'page'>,
  { after, limit }: z.output<typeof namePageSchema>,
): Promise<T[]> {
  return after === undefined && limit === undefined ? documents.list() : documents.page({ after, limit: limit ?? 1000 })
}
