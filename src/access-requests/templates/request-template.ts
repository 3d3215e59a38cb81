/** A request template: a form, filled in beforehand, for what people ask for often. It gives nothing that a role does not offer. The shape that people write in resource files. */

import { z } from 'zod'
import { isSeen } from '../../policy/wish-words.ts'
import { channelNames } from '../../protocols/registered.ts'
import { databasePatterns } from '../../shared/database-names.ts'
import { duration } from '../../shared/durations.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { LEVELS } from '../../shared/vocabulary.ts'
import { ticketPattern } from '../../targets/target.ts'
import { selectorSchema } from '../wish-schema.ts'

const words = z.string().trim().min(1).refine(isSeen, 'it has characters that are not seen')

export const requestTemplateSchema = z.strictObject({
  name: nameSchema,
  description: words.max(500).optional(),
  /** What is filled in. What it does not say, the one who asks says, or leaves open as without a template. */
  ask: z
    .strictObject({
      target: nameSchema.optional(),
      targets: selectorSchema
        .refine(
          ({ names = [], labels = {} }) => names.length + Object.keys(labels).length > 0,
          'it chooses nothing: say names or labels',
        )
        .optional(),
      account: nameSchema.optional(),
      level: z.enum(LEVELS).optional(),
      /** By this role, where several offer it. */
      role: nameSchema.optional(),
      channels: z
        .array(z.lazy(() => z.enum(channelNames())))
        .min(1)
        .optional(),
      databases: databasePatterns.max(100).optional(),
      for: duration.optional(),
      /** With `{reason}` and `{ticket}` where what is typed stands. */
      reason: words
        .max(400)
        .refine(
          text => /^(?:[^{}]|\{reason\}|\{ticket\})*$/.test(text),
          'in a reason {reason} and {ticket} stand for what is typed, and no other braces',
        )
        .optional(),
      /** A ticket of this form is demanded. */
      ticket: ticketPattern.optional(),
    })
    .refine(
      ({ target, targets }) => target === undefined || targets === undefined,
      'it is for one target, or for targets, not for both',
    )
    .refine(
      ({ account, level }) => account === undefined || level === undefined,
      'it is for an account, or for a level, not for both',
    )
    .refine(
      ask => Object.values(ask).some(value => value !== undefined),
      'it fills nothing in: say a target, an account, a level, or what else it is for',
    ),
})

export type RequestTemplate = z.output<typeof requestTemplateSchema>

export type FilledIn = RequestTemplate['ask']

/** Undefined: it leaves that to the one who asks. */
export function onOfTemplate({ target, targets }: FilledIn) {
  if (target !== undefined) return { target }
  return targets === undefined ? undefined : { selector: targets }
}

/** What in its reason stands for what is typed. */
export function leavesOpen(
  { reason = '' }: { readonly reason?: string | null | undefined },
  word: 'reason' | 'ticket',
) {
  return reason?.includes(`{${word}}`) === true
}
