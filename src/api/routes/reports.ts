/** Reports on the rules themselves. */

import { z } from 'zod'
import { DUTIES, dutyHolders } from '../../policy/separation.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

const holderSchema = z.object({
  person: z.string(),
  users: z.array(z.string()),
  duties: z.array(z.object({ duty: z.enum(DUTIES), by: z.array(z.string()) })),
})
const separationSchema = z.object({
  /** How many hold each. */
  counts: z.object({ admin: z.int(), approver: z.int(), auditor: z.int() }),
  /** Everybody who holds more than one. */
  several: z.array(holderSchema),
})
export type Separation = z.output<typeof separationSchema>

export function reports(app: ApiRoutes, { users, roles, reviewRules, proposals, tokens, clock }: ApiParts): void {
  app.get(
    '/v1/reports/separation',
    {
      schema: {
        summary: 'Who holds several of the duties of admin, approver and auditor',
        tags: ['policy'],
        response: { 200: separationSchema },
      },
    },
    async () => {
      const now = clock.now()
      const valid = (await tokens.list()).filter(
        ({ genuine, expiresAt }) => genuine && (expiresAt === undefined || expiresAt > now),
      )
      const rules = (await reviewRules.list()).flatMap(({ name, also }) =>
        also === undefined ? [] : [{ who: also.flatMap(({ of }) => of), what: `the review rule ${name}` }],
      )
      const changes = { who: proposals.fourEyes?.approvers ?? [], what: 'changes of the rules' }
      const holders = dutyHolders({
        ...{ users: await users.list(), roles: await roles.list(), tokens: valid },
        approvers: [changes, ...rules],
      })
      const count = (duty: (typeof DUTIES)[number]) =>
        holders.filter(({ duties }) => duties.some(one => one.duty === duty)).length
      const several = holders.filter(({ duties }) => duties.length > 1)
      return {
        counts: { admin: count('admin'), approver: count('approver'), auditor: count('auditor') },
        several: several.map(({ person, users, duties }) => ({
          ...{ person, users: [...users] },
          duties: duties.map(({ duty, by }) => ({ duty, by: [...by] })),
        })),
      }
    },
  )
}
