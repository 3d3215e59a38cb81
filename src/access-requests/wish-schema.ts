/** The shape of what may be asked for: whatever else it is, names are names and lists are short. */

import { z } from 'zod'
import { matchingTarget } from '../policy/role.ts'
import { databasePatterns } from '../shared/database-names.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { LEVELS } from '../shared/vocabulary.ts'
import type { TypedAsk } from './choose-offer.ts'

export const selectorSchema = z.strictObject({
  names: z.array(matchingTarget).max(100).optional(),
  labels: z.record(z.string().max(256), z.string().max(256)).optional(),
})

/** Longer than it may be, so that the answer says what is wrong with it. */
const words = z.string().max(20_000)

export const askWishSchema = z.strictObject({
  template: nameSchema.optional(),
  /** Not given: as the template says. */
  on: z.union([z.strictObject({ target: nameSchema }), z.strictObject({ selector: selectorSchema })]).optional(),
  account: nameSchema.optional(),
  level: z.enum(LEVELS).optional(),
  role: nameSchema.optional(),
  channels: z.array(z.string().max(64)).min(1).max(20).optional(),
  databases: databasePatterns.max(100).optional(),
  forMs: z.number().optional(),
  startsAt: z.number().optional(),
  reason: words.optional(),
  ticket: words.optional(),
  permanent: z.boolean().optional(),
}) satisfies z.ZodType<TypedAsk>
