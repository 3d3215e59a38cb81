/** A target: a host or database that can be reached, its pinned identity, and the accounts on it. */

import { z } from 'zod'
import { databasePatterns } from '../shared/database-names.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { LEVELS } from '../shared/vocabulary.ts'

/** Control characters end a packet's field or steer a terminal; invisible ones make two logins look alike. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u
const MOST_LOGIN_BYTES = 255

const login = z
  .string()
  .min(1)
  .refine(text => Buffer.byteLength(text) <= MOST_LOGIN_BYTES, `a login has at most ${MOST_LOGIN_BYTES} bytes`)
  .refine(text => !UNFIT.test(text), 'a login has no control characters and no invisible ones')

export const accountSchema = z.strictObject({
  name: nameSchema,
  /** The account's name at the target, where it is another: `svc@corp.local`, `Report User`. Sent as it is written here. */
  login: login.optional(),
  level: z.enum(LEVELS).default('basic'),
  /** The account that `user+target` means; at most one a target. */
  default: z.boolean().default(false),
})

const common = {
  name: nameSchema,
  description: z.string().optional(),
  host: z.string().min(1),
  labels: z.record(z.string(), z.string()).default({}),
  accounts: z.array(accountSchema).default([]),
}

/** The proofs that an SSH target may ask for (RFC 4252); not given: those that the credential's kind calls for. */
export const SSH_METHODS = ['publickey', 'password', 'keyboard-interactive', 'none'] as const

/** The proofs that a PostgreSQL target may ask for, named as in libpq's `require_auth`. */
export const POSTGRES_METHODS = ['scram-sha-256', 'md5', 'password', 'none'] as const

/** How SCRAM is tied to the server's certificate, as libpq's `channel_binding`. */
export const CHANNEL_BINDINGS = ['disable', 'prefer', 'require'] as const

/** What RFC 7677 asks for at least, and every PostgreSQL server has by default. */
const LEAST_ITERATIONS = 4096
/** About a second of one core: a hostile target must not be able to burn minutes. */
const MOST_ITERATIONS = 1_000_000

const iterations = z.number().int().min(1).max(10_000_000)

export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

export const targetSchema = z.discriminatedUnion('protocol', [
  z.strictObject({
    ...common,
    protocol: z.literal('ssh'),
    port: z.number().int().min(1).max(65535).default(22),
    /** Lines as in known_hosts without the host: `ssh-ed25519 AAAA…`. Without one the target is not used. */
    hostKeys: z.array(z.string()).default([]),
    authentication: z.array(z.enum(SSH_METHODS)).min(1).optional(),
    /** Where the host is told who stands behind the account; not given: in `environment`, as SALLYPORT_USER and SALLYPORT_SESSION. */
    showUserIn: z.array(z.enum(['environment'])).optional(),
  }),
  z.strictObject({
    ...common,
    protocol: z.literal('postgres'),
    port: z.number().int().min(1).max(65535).default(5432),
    /** The target's own database: for clients that name none. Not given: `postgres`. */
    database: z.string().optional(),
    /** Which databases roles may give. Not given: the target's own alone. */
    databases: databasePatterns.optional(),
    tls: z.enum(TLS_MODES).default('verify-full'),
    /** PEM text of the CAs that the server's certificate is checked against; not given: the system's. */
    ca: z.string().optional(),
    /** The name to expect in the certificate where it is not `host`. */
    serverName: z.string().optional(),
    authentication: z.array(z.enum(POSTGRES_METHODS)).min(1).default(['scram-sha-256']),
    /** Where the server is told who stands behind the account: `setting` has sallyport.user and sallyport.session. */
    showUserIn: z.array(z.enum(['application_name', 'setting'])).default([]),
    channelBinding: z.enum(CHANNEL_BINDINGS).default('prefer'),
    scramIterations: z
      .strictObject({ min: iterations.default(LEAST_ITERATIONS), max: iterations.default(MOST_ITERATIONS) })
      .prefault({}),
  }),
])

/** Whether a login there is with a server whose certificate was checked against a name, or against authorities of the target's own. */
export function certifies({ tls, ca }: Pick<PostgresTarget, 'tls' | 'ca'>): boolean {
  return tls === 'verify-full' || ((tls === 'verify-ca' || tls === 'require') && ca !== undefined)
}

/** The name that its certificate must have; TLS libraries take an empty one for none given, so it is none here too. */
export function nameInCertificate({ host, serverName }: Pick<PostgresTarget, 'host' | 'serverName'>): string {
  return serverName || host
}

/** The name that the target knows the account by. */
export function loginOf({ name, login }: Pick<Account, 'name' | 'login'>): string {
  return login ?? name
}

export type Target = z.output<typeof targetSchema>
export type TargetInput = z.input<typeof targetSchema>
export type SshTarget = Extract<Target, { protocol: 'ssh' }>
export type PostgresTarget = Extract<Target, { protocol: 'postgres' }>
export type Account = z.output<typeof accountSchema>
