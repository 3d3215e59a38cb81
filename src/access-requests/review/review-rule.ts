/** A review rule: which requests are approved, denied or left to people at once, by what is known when they are asked. The shape that people write in resource files. */

import { z } from 'zod'
import { accountSelectorSchema, groupSchema } from '../../policy/on-request.ts'
import { roleSchema } from '../../policy/role.ts'
import { duration } from '../../shared/durations.ts'
import { hoursSchema } from '../../shared/hours.ts'
import { nameSchema } from '../../shared/name-schema.ts'

const DAYS_90_MS = 90 * 86_400_000

export const reviewRuleSchema = z.strictObject({
  name: nameSchema,
  description: z.string().optional(),
  /** The lowest is asked first; of equal ones the first by name. */
  order: z.number().int().min(0).max(100_000).default(100),
  /** All of these must hold; what is not given holds always. */
  when: z
    .strictObject({
      /** One of the roles by which it is asked for. */
      roles: z.array(nameSchema).min(1).optional(),
      accounts: accountSelectorSchema.optional(),
      targets: roleSchema.shape.targets.optional(),
      /** The one who asks: holds one of the roles, and has all of the attributes (values may end in `*`). */
      user: z
        .strictObject({
          roles: z.array(nameSchema).min(1).optional(),
          attributes: z.record(nameSchema, z.string().max(256)).optional(),
        })
        .optional(),
      /** It begins within these hours. */
      hours: hoursSchema.optional(),
      /** It is asked for from there. */
      sources: roleSchema.shape.sources,
      /** For this time at most; with an extension, from the beginning to the new end. */
      atMost: duration.optional(),
      /** Whether the user had no session on the target within that time. */
      firstOnTarget: z.strictObject({ is: z.boolean(), within: duration.default(DAYS_90_MS) }).optional(),
      /** Whether no session of the user came from this network within 90 days. */
      newNetwork: z.boolean().optional(),
      /** Whether none began at this hour of the day (UTC) within 90 days, or there were fewer than ten. */
      unusualHour: z.boolean().optional(),
    })
    .prefault({}),
  /** `ask`: people decide, as the offer says. */
  outcome: z.enum(['approve', 'deny', 'ask']),
  /** With `ask`: these as well, in one more step; so many of each. */
  also: z.array(groupSchema).min(1).max(10).optional(),
})

export type ReviewRule = z.output<typeof reviewRuleSchema>
export type ReviewRuleInput = z.input<typeof reviewRuleSchema>

/** In the order in which they are asked: the first that matches decides. */
export function inOrder(rules: readonly ReviewRule[]): ReviewRule[] {
  return rules.toSorted((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
}
