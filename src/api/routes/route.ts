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
