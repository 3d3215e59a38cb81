/** Check-outs of everybody: who has which account, and who had it; ending one by force. */

import { z } from 'zod'
import { type CheckOut, checkOutDocument } from '../../check-out/check-out.ts'
import { GatewayError } from '../../shared/errors.ts'
import { CHECK_OUT_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { CHECK_OUT_WAYS } from '../../shared/vocabulary.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

export const checkOutSchema = z.object({
  id: z.string(),
  user: z.string(),
  account: z.string(),
  target: z.string(),
  mode: z.enum(['exclusive', 'shared']),
  way: z.enum(CHECK_OUT_WAYS),
  reason: z.string().nullable(),
  ticket: z.string().nullable(),
  source: z.string(),
  startedAt: timeSchema,
  until: timeSchema,
  /** When its credential was shown to the person. */
  revealedAt: timeSchema.nullable(),
  endedAt: timeSchema.nullable(),
  endReason: z.enum(['returned', 'time-over', 'forced', 'access-withdrawn']).nullable(),
  endedBy: z.string().nullable(),
})

const idSchema = z.string().regex(CHECK_OUT_ID_PATTERN, 'the id of a check-out is cho_ and 26 characters')

export function checkOuts(app: ApiRoutes, { checkOuts }: ApiParts): void {
  const tags = ['check-outs']

  app.get(
    '/v1/check-outs',
    {
      schema: {
        summary: 'Check-outs, newest first',
        tags,
        querystring: z.strictObject({
          state: z.enum(['open', 'ended']).optional(),
          user: nameSchema.optional(),
          account: nameSchema.optional(),
          target: nameSchema.optional(),
          /** Those that come after this one in the list: the last of a page gives the next one. */
          before: idSchema.optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: z.object({ checkOuts: z.array(checkOutSchema) }) },
      },
    },
    async ({ query: { before, ...filters } }) => {
      const found = await checkOuts.list({
        ...filters,
        ...(before === undefined ? {} : { before: await existing(before) }),
      })
      return { checkOuts: found.map(checkOutDocument) }
    },
  )

  app.get(
    '/v1/check-outs/:id',
    {
      schema: {
        summary: 'One check-out',
        tags,
        params: z.object({ id: idSchema }),
        response: { 200: checkOutSchema },
      },
    },
    async ({ params }) => checkOutDocument(await existing(params.id)),
  )

  app.post(
    '/v1/check-outs/:id/check-in',
    {
      schema: {
        summary: 'Ends a check-out of somebody else, and their sessions on the account',
        tags,
        params: z.object({ id: idSchema }),
        response: { 200: checkOutSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      await existing(id)
      const ended = await checkOuts.force(id, caller.actor)
      if (ended === undefined) throw new GatewayError('CONFLICT', `The check-out ${id} has ended already.`)
      return checkOutDocument(ended)
    },
  )

  async function existing(id: string): Promise<CheckOut> {
    const found = await checkOuts.get(id)
    if (found === undefined) throw notFound(`There is no check-out ${id}.`)
    return found
  }
}
