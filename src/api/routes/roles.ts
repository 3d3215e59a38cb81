/** Roles, as they were applied. */

import { z } from 'zod'
import type { roleSchema } from '../../policy/role.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

/** A role as it is stored: durations in milliseconds. Transforms cannot be described, so the document says "any object". */
const answerSchema = z.looseObject({ name: z.string() })
export type RoleAnswer = z.output<typeof roleSchema>

export function roles(app: ApiRoutes, { roles }: ApiParts): void {
  const tags = ['roles']
  app.get(
    '/v1/roles',
    {
      schema: { summary: 'All roles', tags, response: { 200: z.object({ roles: z.array(answerSchema) }) } },
    },
    async () => ({ roles: await roles.list() }),
  )
  app.get(
    '/v1/roles/:name',
    {
      schema: { summary: 'One role', tags, params: z.object({ name: nameSchema }), response: { 200: answerSchema } },
    },
    async ({ params: { name } }) => {
      const role = await roles.get(name)
      if (role === undefined) throw notFound(`There is no role ${name}.`)
      return role
    },
  )
}
