/** A role: what its holders may do, and under which conditions. The shape that people write in resource files. */

import { z } from 'zod'
import { type Channel, channelNames, protocolNames, protocols } from '../protocols/registered.ts'
import { databasePatterns } from '../shared/database-names.ts'
import { duration } from '../shared/durations.ts'
import { factorSchema } from '../shared/factor-schema.ts'
import { hoursSchema } from '../shared/hours.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { parseNetwork } from '../shared/network/networks.ts'
import { GRANTABLE } from '../shared/scopes.ts'
import { sizeText } from '../shared/size-text.ts'
import { CHECK_OUT_WAYS, PROMPTNESS } from '../shared/vocabulary.ts'
import { accountSelectorSchema, onRequestSchema } from './on-request.ts'
import { sessionConditionsSchema } from './session-conditions.ts'

export const matchingTarget = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\*?$|^\*$/,
    'a target name, or the beginning of one and "*", for example web-*',
  )

/** Of a role that does not say. */
export const LONGEST_SESSION_MS = 12 * 3_600_000

/** Of a role that does not say. */
const LONGEST_CHECK_OUT_MS = 8 * 3_600_000

export const roleSchema = z.strictObject({
  name: nameSchema,
  description: z.string().optional(),
  /** Which targets: by name, or by labels that all must match (names and values may end in `*`). Empty matches none. */
  targets: z.strictObject({
    names: z.array(matchingTarget).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  /** Which accounts on them it gives outright: by name, or by level. */
  accounts: accountSelectorSchema,
  /** What it gives on request beside that, on the same targets and terms. */
  onRequest: onRequestSchema.optional(),
  /** Which databases of targets that have several, of those that the target opens. Not given: the target's own alone. */
  databases: databasePatterns.optional(),
  protocols: z
    .array(z.lazy(() => z.enum(protocolNames())))
    .min(1)
    .default(() => protocolNames()),
  channels: z
    .array(z.lazy(() => z.enum(channelNames())))
    .default(() => protocols().flatMap(({ usualChannels }) => usualChannels) as Channel[]),
  /** When. Not given: always. */
  hours: hoursSchema.optional(),
  /** From where: networks in CIDR notation, IPv4 or IPv6. Not given: anywhere. */
  sources: z
    .array(
      z
        .string()
        .refine(text => parseNetwork(text) !== undefined, 'a network is written as in 10.0.0.0/8 or 2001:db8::/32'),
    )
    .min(1)
    .optional(),
  /** Lists of factors; one list must be proven in full. Not given: the gateway's default. */
  factors: z.array(z.array(factorSchema).min(1)).min(1).optional(),
  maxSession: duration.default(LONGEST_SESSION_MS),
  idle: duration.optional(),
  /** How long a fresh factor of the same user and source counts for PostgreSQL, so that `\c` and pools work. 0s: never. */
  rememberFactor: duration.default(0),
  /** Whether what is typed is recorded too (never what is typed at a prompt that does not echo). */
  recordInput: z.boolean().default(false),
  /** SSH: whether the standard input of commands and shells without a terminal is recorded, file transfers apart. */
  recordExecInput: z.boolean().default(true),
  /** SSH: how much of each stream of a channel without a terminal is kept, where that is more than the gateway's limit; `none`: all. */
  execOutputLimit: z.union([z.literal('none'), sizeText]).optional(),
  /** What holders may do at the API with a token of their own, besides seeing what is their own. Not given: nothing. */
  api: z.array(z.enum(GRANTABLE)).optional(),
  /** Whether holders may check accounts out that can be. Not given: no. */
  checkOut: z
    .strictObject({
      /** `reveal`: they may be shown the credential, with a fresh second factor. */
      ways: z.array(z.enum(CHECK_OUT_WAYS)).min(1).default(['inject']),
      maxTime: duration.default(LONGEST_CHECK_OUT_MS),
      /** Whether they read who has an account that they cannot have now. */
      seeHolder: z.boolean().default(false),
    })
    .optional(),
  /** Conditions on the sessions themselves. */
  session: sessionConditionsSchema.optional(),
  /** What may be shown before it is written: a little, within the published bound, or nothing. */
  recording: z.enum(PROMPTNESS).default('within-bound'),
})

export type Role = z.output<typeof roleSchema>
export type RoleInput = z.input<typeof roleSchema>
