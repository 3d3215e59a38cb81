/** Rotation policies, as they were applied. */

import { z } from 'zod'
import type { RotationPolicy } from '../../rotation/policies/rotation-policy.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

/** As it is stored: durations in milliseconds. Transforms cannot be described, so the document says "any object". */
const answerSchema = z.looseObject({ name: z.string() })
export type RotationPolicyAnswer = RotationPolicy

export function rotationPolicies(app: ApiRoutes, { rotationPolicies }: ApiParts): void {
  const tags = ['credentials']
  app.get(
    '/v1/rotation-policies',
    {
      schema: {
        summary: 'All rotation policies: of those that select an account, the first is its own',
        tags,
        response: { 200: z.object({ policies: z.array(answerSchema) }) },
      },
    },
    async () => ({ policies: await rotationPolicies.list() }),
  )
  app.get(
    '/v1/rotation-policies/:name',
    {
      schema: {
        summary: 'One rotation policy',
        tags,
        params: z.object({ name: nameSchema }),
        response: { 200: answerSchema },
      },
    },
    async ({ params: { name } }) => {
      const policy = await rotationPolicies.get(name)
      if (policy === undefined) throw notFound(`There is no rotation-policy ${name}.`)
      return policy
    },
  )
}
