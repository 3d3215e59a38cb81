/** A review rule: which requests are approved, denied or left to people at once, by what is known when they are asked. The shape that people write in resource files. */

import { z } from 'zod'
import { accountSelectorSchema, groupSchema } from '../../policy/on-request.ts'
import { roleSchema } from '../../policy/role.ts'
import { duration } from '../../shared/durations.ts'
import { hoursSchema } from '../../shared/hours.ts'
import { nameSchema } from '../../shared/name-schema.ts'

const DAYS_90_MS = 90 * 86_400_000

/** What a ticket's state may be called. */
export const TICKET_STATE = /^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?$/
const TICKET_STATE_WORDS = 'a state of a ticket has letters, digits, spaces, ".", "_" and "-"'

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
      /** Whether the one who asks, or one of those who approve the first step, is on call when it begins, by a calendar of the configuration. */
      onCall: z
        .strictObject({
          calendar: nameSchema,
          who: z.enum(['requester', 'approver']).default('requester'),
          is: z.boolean().default(true),
        })
        .optional(),
      /** The ticket is in one of these states, as the configuration's `ticketCheck` says; `assignee`: and it is theirs who asks. */
      ticket: z
        .strictObject({
          states: z.array(z.string().regex(TICKET_STATE, TICKET_STATE_WORDS)).min(1).max(20),
          assignee: z.literal('requester').optional(),
        })
        .optional(),
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
