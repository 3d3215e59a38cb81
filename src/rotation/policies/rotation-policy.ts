/** A rotation policy: when the credentials of which accounts are changed, by what, and how they look. The shape that people write in resource files. */

import { z } from 'zod'
import { roleSchema } from '../../policy/role.ts'
import { duration } from '../../shared/durations.ts'
import { isTimeZone } from '../../shared/hours.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { whyNoCron } from './cron.ts'
import { passwordRuleSchema } from './password-rule.ts'

export const rotationPolicySchema = z.strictObject({
  name: nameSchema,
  description: z.string().optional(),
  /** Which targets: selected as in a role. */
  targets: roleSchema.shape.targets,
  /** Which accounts on them; not given: all. */
  accounts: roleSchema.shape.accounts.optional(),
  /** After so long since the last change, and up to the jitter later. */
  every: duration.optional(),
  jitter: duration.optional(),
  /** At set times: a cron expression in a time zone. */
  at: z
    .strictObject({
      cron: z.string().superRefine((text, context) => {
        const message = whyNoCron(text)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      }),
      zone: z.string().refine(isTimeZone, 'a time zone is named as in Europe/Berlin or UTC').default('UTC'),
    })
    .optional(),
  /**
   * After each check-out of the account, after each session on it, and when a user is disabled or removed who had a session with the
   * credential that is in force. Whatever was shown to that user is rotated in any case.
   */
  after: z.array(z.enum(['check-in', 'session', 'offboarding'])).default([]),
  /** How often the credential is tried at the target without changing it. */
  verifyEvery: duration.optional(),
  password: passwordRuleSchema.prefault({}),
  /** What changes it; not given: the protocol's own. */
  connector: nameSchema.optional(),
  /** The account on the same target that mends what the account cannot change itself. */
  reconcile: nameSchema.optional(),
  /** Versions that are kept: so many, and each at least so long after it was replaced. */
  retention: z
    .strictObject({ keep: z.number().int().min(1).max(1000).default(10), for: duration.optional() })
    .prefault({}),
  /** Whether, when access that was given for a time is over, the target is asked what is left of it: by a login of the account itself. */
  attest: z.boolean().optional(),
  /** What happens to open sessions on the account: their people are told, or they end. */
  openSessions: z.enum(['tell', 'cut']).default('tell'),
})

export type RotationPolicy = z.output<typeof rotationPolicySchema>
