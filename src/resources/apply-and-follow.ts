/** Carries a plan out with all that follows from it: rotations, sessions that must end, credentials that must be confirmed; and says so in the audit log. */

import type { AuditEvent } from '../audit/event.ts'
import type { Change } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { RotationTriggers } from '../rotation/triggers/triggers.ts'
import type { LiveSessions } from '../session/live/live-sessions.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Vault } from '../vault/vault.ts'
import { type ApplyParts, carryOut, type PlanOptions, type Proposal } from './apply.ts'
import { formatPlan } from './format-plan.ts'
import type { Plan } from './plan.ts'

/** So much of a change stands in its audit event. */
const AUDITED_LINES = 150

export interface FollowParts extends ApplyParts {
  readonly vault: Pick<Vault, 'waitingFor' | 'followTargets'>
  readonly live: Pick<LiveSessions, 'accessChanged'>
  readonly rotationTriggers: RotationTriggers
}

export interface Applied {
  readonly plan: Plan
  /** Accounts whose credential is not lent until somebody confirms it. */
  readonly waiting: readonly AccountAddress[]
}

/** In one transaction with the event: `eventOf` makes it of what really changed. */
type ChangeAudited = (
  expected: AuditEvent,
  work: (change: Change) => Promise<Plan>,
  eventOf: (plan: Plan) => AuditEvent,
) => Promise<Plan>

export async function applyAndFollow(
  proposal: Proposal,
  { vault, live, rotationTriggers, ...parts }: FollowParts,
  how: PlanOptions & {
    readonly actor: string
    /** In the event, beside the changes. */
    readonly facts: Readonly<Record<string, unknown>>
    readonly changeAudited: ChangeAudited
  },
): Promise<Applied> {
  const { actor, facts, changeAudited, ...options } = how
  const { plan: planned } = proposal.planned
  const waiting = await vault.waitingFor(planned.changedTargets)
  const eventOf = (plan: Plan): AuditEvent => ({
    ...{ kind: 'resources.applied', actor },
    data: { ...facts, changes: auditedLines(plan, waiting) },
  })
  const expected = eventOf(planned)
  const follow = followIn(rotationTriggers, actor)
  const plan = await changeAudited(
    expected,
    change => carryOut(proposal, parts, { ...options, change, follow }),
    // Somebody else may have applied in between: what really changed is reported.
    written => (written === planned ? expected : eventOf(written)),
  )
  await live.accessChanged()
  return { plan, waiting: await vault.followTargets(plan.changedTargets.map(({ name }) => name)) }
}

export function auditedLines(plan: Plan, waiting: readonly AccountAddress[] = []): string[] {
  const lines = formatPlan(plan, waiting.map(formatAccountAddress))
  const left = lines.length - AUDITED_LINES
  return left > 0 ? [...lines.slice(0, AUDITED_LINES), `… and ${left} more lines`] : lines
}

/** What is rotated when, now that policies, targets and users are others. */
function followIn({ planAnew, rotationAfterOffboarding }: RotationTriggers, actor: string) {
  return async ({ changes, withdrawnUsers }: Plan, on: Database) => {
    await rotationAfterOffboarding(withdrawnUsers, actor, on)
    if (changes.some(({ kind }) => kind === 'rotation-policy' || kind === 'target')) await planAnew(on)
  }
}
