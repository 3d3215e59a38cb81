/** A role: what its holders may do, and under which conditions. The shape that people write in resource files. */

import { z } from 'zod'
import { databasePatterns } from '../shared/database-names.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { GRANTABLE } from '../shared/scopes.ts'
import { CHANNELS, FACTORS, LEVELS, PROMPTNESS, PROTOCOLS } from '../shared/vocabulary.ts'
import { hoursSchema } from './hours.ts'
import { parseNetwork } from './networks.ts'
import { sizeText } from './size-text.ts'

const namePattern = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\*?$|^\*$/,
    'a target name, or the beginning of one and "*", for example web-*',
  )
const DURATION = /^(\d{1,9})(s|m|h|d)$/
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const DURATION_WORDS = 'a duration is a number and s, m, h or d, for example 15m'

/** `90s`, `15m`, `8h`, `7d`, as people write it; parses to milliseconds. */
export const durationText = z
  .string(DURATION_WORDS)
  .regex(DURATION, DURATION_WORDS)
  .transform(text => {
    const [, amount, unit] = DURATION.exec(text)!
    return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]
  })

/** The same, or milliseconds already: documents are stored parsed. Resource files may not write a bare number. */
export const duration = z.union([durationText, z.number().int().nonnegative()])

/** Of a role that does not say. */
export const LONGEST_SESSION_MS = 12 * 3_600_000

export const roleSchema = z.strictObject({
  name: nameSchema,
  description: z.string().optional(),
  /** Which targets: by name, or by labels that all must match (names and values may end in `*`). Empty matches none. */
  targets: z.strictObject({
    names: z.array(namePattern).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  /** Which accounts on them: by name, or by level. */
  accounts: z.strictObject({ names: z.array(nameSchema).optional(), levels: z.array(z.enum(LEVELS)).optional() }),
  /** Which databases of PostgreSQL targets, of those that the target opens. Not given: the target's own alone. */
  databases: databasePatterns.optional(),
  protocols: z
    .array(z.enum(PROTOCOLS))
    .min(1)
    .default([...PROTOCOLS]),
  channels: z.array(z.enum(CHANNELS)).default(['shell', 'exec', 'sftp', 'sql']),
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
  factors: z
    .array(z.array(z.enum(FACTORS)).min(1))
    .min(1)
    .optional(),
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
  /** What may be shown before it is written: a little, within the published bound, or nothing. */
  recording: z.enum(PROMPTNESS).default('within-bound'),
})

export type Role = z.output<typeof roleSchema>
export type RoleInput = z.input<typeof roleSchema>
