/** Applying resource files: what would change, and changing it. */

import { z } from 'zod'
import type { Database } from '../../database/database.ts'
import { carryOut, propose } from '../../resources/apply.ts'
import { formatPlan } from '../../resources/format-plan.ts'
import type { Plan } from '../../resources/plan.ts'
import type { RotationTriggers } from '../../rotation/triggers/triggers.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Scope } from '../../shared/scopes.ts'
import { auditedChange } from '../audited.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

export const filesSchema = z
  .array(z.strictObject({ name: z.string().max(1024), text: z.string() }))
  .min(1)
  .max(1000)

const applySchema = z.strictObject({
  files: filesSchema,
  dryRun: z.boolean().default(false),
  prune: z.boolean().default(false),
})

const resource = { kind: z.string(), name: z.string() }
const planSchema = z.object({
  applied: z.boolean(),
  changes: z.array(
    z.object({
      ...resource,
      action: z.enum(['create', 'update', 'delete']),
      differences: z.array(z.object({ path: z.string(), before: z.string().optional(), after: z.string().optional() })),
    }),
  ),
  unchanged: z.number(),
  /** Of the same kinds as the files' resources, but in none of the files. */
  unmanaged: z.array(z.object(resource)),
  /** Accounts of changed targets whose credential is not lent until somebody confirms it. */
  unconfirmed: z.array(z.string()),
  /** The same for people. */
  lines: z.array(z.string()),
})
export type AppliedPlan = z.output<typeof planSchema>

export const BODY_LIMIT_BYTES = 16 * 1024 * 1024
/** So much of a change stands in its audit event. */
const AUDITED_LINES = 150
const ROTATE: ReadonlySet<Scope> = new Set(['rotate'])

export function resources(
  app: ApiRoutes,
  { database, clock, audit, live, vault, connectors, rotationTriggers }: ApiParts,
): void {
  app.post(
    '/v1/resources/apply',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        summary: 'Makes resource files true: all of them or nothing; `dryRun` only says what would change',
        tags: ['resources'],
        body: applySchema,
        response: { 200: planSchema },
      },
    },
    async ({ body: { files, dryRun, prune }, caller }) => {
      const check = (plan: Plan) => {
        mustHave(
          caller,
          plan.scopesGiven,
          missing => `A role or a user with the scope ${missing} is changed by the owner, or by who has that scope.`,
        )
        // What a policy says is done: it would be a way to rotate for who may not.
        if (plan.changes.some(({ kind }) => kind === 'rotation-policy')) {
          mustHave(caller, ROTATE, missing => `A rotation-policy is changed by who has the scope ${missing} as well.`)
        }
      }
      const parts = { database, clock, connectors }
      const proposal = await propose(files, parts, { prune, check })
      const { plan: planned } = proposal.planned
      const waiting = await vault.waitingFor(planned.changedTargets)
      if (dryRun) return answer(planned, false, waiting)
      const event = (plan: Plan) => {
        const lines = formatPlan(plan, waiting.map(formatAccountAddress))
        const left = lines.length - AUDITED_LINES
        const changes = left > 0 ? [...lines.slice(0, AUDITED_LINES), `… and ${left} more lines`] : lines
        return { kind: 'resources.applied' as const, actor: caller.actor, data: { prune, changes } }
      }
      if (planned.changes.length === 0) {
        // Nothing changes, but a change of before may not have reached every gateway's sessions.
        await live.accessChanged()
        return answer(planned, true, waiting)
      }
      // Somebody else may have applied in between: what really changed is reported.
      const follow = followIn(rotationTriggers, caller.actor)
      const expected = event(planned)
      const plan = await auditedChange(
        audit,
        expected,
        change => carryOut(proposal, parts, { prune, change, follow, check }),
        written => (written === planned ? expected : event(written as Plan)),
      )
      await live.accessChanged()
      return answer(plan, true, await vault.followTargets(plan.changedTargets.map(({ name }) => name)))
    },
  )
}

/** What is rotated when, now that policies, targets and users are others. */
function followIn({ planAnew, rotationAfterOffboarding }: RotationTriggers, actor: string) {
  return async ({ changes, withdrawnUsers }: Plan, on: Database) => {
    await rotationAfterOffboarding(withdrawnUsers, actor, on)
    if (changes.some(({ kind }) => kind === 'rotation-policy' || kind === 'target')) await planAnew(on)
  }
}

function answer(plan: Plan, applied: boolean, waiting: readonly AccountAddress[]): AppliedPlan {
  const unconfirmed = waiting.map(formatAccountAddress)
  const { changes, unchanged, unmanaged } = plan
  return {
    applied,
    changes: changes.map(({ differences, ...change }) => ({ ...change, differences: [...differences] })),
    unchanged,
    unmanaged: [...unmanaged],
    unconfirmed,
    lines: formatPlan(plan, unconfirmed),
  }
}
