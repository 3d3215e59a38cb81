/** Review rules, as they were applied. */

import { z } from 'zod'
import { inOrder, type ReviewRule } from '../../access-requests/review/review-rule.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

/** As it is stored: durations in milliseconds. Transforms cannot be described, so the document says "any object". */
const answerSchema = z.looseObject({ name: z.string() })
export type ReviewRuleAnswer = ReviewRule

export function reviewRules(app: ApiRoutes, { reviewRules }: ApiParts): void {
  const tags = ['requests']
  app.get(
    '/v1/review-rules',
    {
      schema: {
        summary: 'All review rules, in the order in which they are asked: the first that matches decides',
        tags,
        response: { 200: z.object({ rules: z.array(answerSchema) }) },
      },
    },
    async () => ({ rules: inOrder(await reviewRules.list()) }),
  )
  app.get(
    '/v1/review-rules/:name',
    {
      schema: {
        summary: 'One review rule',
        tags,
        params: z.object({ name: nameSchema }),
        response: { 200: answerSchema },
      },
    },
    async ({ params: { name } }) => {
      const rule = await reviewRules.get(name)
      if (rule === undefined) throw notFound(`There is no review-rule ${name}.`)
      return rule
    },
  )
}
