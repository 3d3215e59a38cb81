/** A credential that others may know by now: it is rotated at once, whatever its policy says. */

import { z } from 'zod'
import { formatAccountAddress } from '../../shared/names.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, addressSchema } from './route.ts'

export function leaks(app: ApiRoutes, { vault, audit, rotationTriggers }: ApiParts): void {
  app.post(
    '/v1/credentials/:target/:account/leaked',
    {
      schema: {
        summary:
          'Has a credential rotated at once that others may know; while somebody has it alone, when they return it',
        tags: ['credentials'],
        params: addressSchema,
        body: z.strictObject({ reason: z.string().trim().min(1).max(500) }),
        response: { 202: z.object({ account: z.string(), rotation: z.literal('planned') }) },
      },
    },
    async ({ params, body: { reason }, caller }, reply) => {
      const account = formatAccountAddress(params)
      if ((await vault.standing(params)) === undefined) throw notFound(`The vault holds no credential for ${account}.`)
      const event = { kind: 'credential.leaked' as const, actor: caller.actor, data: { account, reason } }
      await auditedChange(audit, event, change =>
        change(on => rotationTriggers.rotationAfterLeak(params, caller.actor, on)),
      )
      return reply.code(202).send({ account, rotation: 'planned' })
    },
  )
}
