/** A target: a host or database that can be reached, its pinned identity, and the accounts on it. */

import { z } from 'zod'
import { LEVELS } from '../policy/role.ts'
import { NAME_PATTERN } from '../shared/names.ts'

const name = z.string().regex(NAME_PATTERN, 'a name has letters, digits, ".", "_" and "-", at most 64')

export const accountSchema = z.strictObject({
  name,
  level: z.enum(LEVELS).default('basic'),
  /** The account that `user+target` means; at most one a target. */
  default: z.boolean().default(false),
})

const common = {
  name,
  description: z.string().optional(),
  host: z.string().min(1),
  labels: z.record(z.string(), z.string()).default({}),
  accounts: z.array(accountSchema).default([]),
}

export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

export const targetSchema = z.discriminatedUnion('protocol', [
  z.strictObject({
    ...common,
    protocol: z.literal('ssh'),
    port: z.number().int().min(1).max(65535).default(22),
    /** Lines as in known_hosts without the host: `ssh-ed25519 AAAA…`. Without one the target is not used. */
    hostKeys: z.array(z.string()).default([]),
  }),
  z.strictObject({
    ...common,
    protocol: z.literal('postgres'),
    port: z.number().int().min(1).max(65535).default(5432),
    database: z.string().optional(),
    tls: z.enum(TLS_MODES).default('verify-full'),
    /** PEM text of the CAs that the server's certificate is checked against; not given: the system's. */
    ca: z.string().optional(),
    /** The name to expect in the certificate where it is not `host`. */
    serverName: z.string().optional(),
  }),
])

export type Target = z.output<typeof targetSchema>
export type TargetInput = z.input<typeof targetSchema>
export type SshTarget = Extract<Target, { protocol: 'ssh' }>
export type PostgresTarget = Extract<Target, { protocol: 'postgres' }>
export type Account = z.output<typeof accountSchema>
