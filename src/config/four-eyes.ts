/** Which changes of resources need a second person, and who that may be. It stands in the configuration, so that nobody switches it off by the API. */

import { z } from 'zod'
import { durationText } from '../shared/durations.ts'

const LONGEST_MS = 30 * 86_400_000
const KINDS = ['role', 'target', 'rotation-policy', 'review-rule', 'request-template', 'user'] as const

export const fourEyesSchema = z
  .strictObject({
    /** A change of these kinds is proposed, and carried out when others have approved it. */
    kinds: z
      .array(z.enum(KINDS))
      .min(1)
      .default([...KINDS]),
    /** Any one of them approves: `role:security` (whoever holds it) or `user:lee`. */
    approvers: z
      .array(
        z
          .string()
          .regex(
            /^(?:role|user):[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/,
            'an approver of changes is role:NAME or user:NAME',
          ),
      )
      .min(1),
    /** So long a proposal waits for its decision. */
    validFor: durationText.refine(ms => ms >= 60_000 && ms <= LONGEST_MS, 'validFor is from 1m to 30d').prefault('24h'),
  })
  .refine(({ kinds }) => kinds.includes('user'), {
    path: ['kinds'],
    message: 'add user: whoever may change users alone gives themselves any role, also that of an approver',
  })
  .transform(({ kinds, approvers, validFor }) => ({ kinds, approvers, validForMs: validFor }))

export type FourEyes = z.output<typeof fourEyesSchema>
