/** Applying resource files: what would change, and changing it, or proposing to. */

import { z } from 'zod'
import { proposalDocument } from '../../proposals/proposal-document.ts'
import { type Proposal, propose } from '../../resources/apply.ts'
import { applyAndFollow } from '../../resources/apply-and-follow.ts'
import { formatPlan } from '../../resources/format-plan.ts'
import type { Plan } from '../../resources/plan.ts'
import { refuseUnknownCalendars } from '../../resources/unknown-calendars.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Scope } from '../../shared/scopes.ts'
import { auditedChange } from '../audited.ts'
import { type Caller, OWNER } from '../authentication.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import { proposerOf } from '../proposer-of.ts'
import { proposalSchema } from './proposals.ts'
import type { ApiRoutes } from './route.ts'

export const filesSchema = z
  .array(z.strictObject({ name: z.string().max(1024), text: z.string() }))
  .min(1)
  .max(1000)

const applySchema = z.strictObject({
  files: filesSchema,
  dryRun: z.boolean().default(false),
  prune: z.boolean().default(false),
  /** Why, for those who approve it, where the change needs a second person. */
  reason: z.string().max(20_000).optional(),
  /** Without a second person, and why: by the owner alone; somebody is alerted. */
  breakGlass: z.string().trim().min(1).max(500).optional(),
})

const resource = { kind: z.string(), name: z.string() }
const planSchema = z.object({
  applied: z.boolean(),
  /** In place of being applied, it waits for others: that change, and nothing else, is applied when they have approved it. */
  proposal: proposalSchema.nullable(),
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
const ROTATE: ReadonlySet<Scope> = new Set(['rotate'])

export function resources(
  app: ApiRoutes,
  { database, clock, audit, live, vault, users, connectors, outside, rotationTriggers, proposals }: ApiParts,
): void {
  app.post(
    '/v1/resources/apply',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        summary:
          'Makes resource files true: all of them or nothing; `dryRun` only says what would change. Where four eyes are asked for, it is proposed',
        tags: ['resources'],
        body: applySchema,
        response: { 200: planSchema },
      },
    },
    async ({ body: { files, dryRun, prune, reason, breakGlass }, caller }) => {
      if (breakGlass !== undefined && caller !== OWNER)
        throw new GatewayError('FORBIDDEN', "Only the owner, on the gateway's machine, breaks the glass.")
      const check = (plan: Plan) => checkCaller(caller, plan)
      const parts = { database, clock, connectors }
      const proposal = await propose(files, parts, { prune, check })
      refuseUnknownCalendars(proposal, outside)
      const { plan: planned } = proposal.planned
      const waiting = await vault.waitingFor(planned.changedTargets)
      if (dryRun) return answer(planned, { applied: false, waiting })
      if (planned.changes.length === 0) {
        // Nothing changes, but a change of before may not have reached every gateway's sessions.
        await live.tellAgain()
        return answer(planned, { applied: true, waiting })
      }
      const alone = await mayAlone(proposal, caller, breakGlass)
      if (alone === undefined) {
        const made = await proposals.make(proposal, proposerOf(caller), { reason })
        return { ...answer(planned, { applied: false, waiting }), proposal: proposalDocument(made) }
      }
      const changeAudited = ((expected, work, eventOf) =>
        auditedChange(audit, expected, work, written => eventOf(written as Plan))) satisfies Parameters<
        typeof applyAndFollow
      >[2]['changeAudited']
      const applied = await applyAndFollow(
        proposal,
        { ...parts, vault, live, rotationTriggers },
        { actor: caller.actor, facts: { prune, ...alone }, prune, check: stillAlone(check, alone), changeAudited },
      )
      return answer(applied.plan, { applied: true, waiting: applied.waiting })
    },
  )

  /** Why it needs nobody else; undefined: it does. */
  async function mayAlone(
    proposal: Proposal,
    caller: Caller,
    breakGlass: string | undefined,
  ): Promise<{ breakGlass?: string; firstSetUp?: true } | undefined> {
    if (!proposals.needsTwo(proposal.planned.plan)) return {}
    if (breakGlass !== undefined) return { breakGlass }
    // There is nobody yet who could approve it.
    if (caller === OWNER && (await users.page({ limit: 1 })).length === 0) return { firstSetUp: true }
    return undefined
  }

  /** Somebody else may have applied in between: what it would change by then counts. */
  function stillAlone(check: (plan: Plan) => void, alone: { breakGlass?: string; firstSetUp?: true }) {
    return (plan: Plan) => {
      check(plan)
      const needsMore = alone.breakGlass === undefined && alone.firstSetUp === undefined && proposals.needsTwo(plan)
      if (needsMore)
        throw new GatewayError('CONFLICT', 'Others have changed what this change is of by now: apply it once more.')
    }
  }
}

function checkCaller(caller: Caller, plan: Plan): void {
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

function answer(
  plan: Plan,
  { applied, waiting }: { readonly applied: boolean; readonly waiting: readonly AccountAddress[] },
): AppliedPlan {
  const unconfirmed = waiting.map(formatAccountAddress)
  const { changes, unchanged, unmanaged } = plan
  return {
    ...{ applied, proposal: null },
    changes: changes.map(({ differences, ...change }) => ({ ...change, differences: [...differences] })),
    unchanged,
    unmanaged: [...unmanaged],
    unconfirmed,
    lines: formatPlan(plan, unconfirmed),
  }
}
