/** What an entry of a PostgreSQL target has beside what all have. */

import { z } from 'zod'
import { databasePatterns } from '../../../shared/database-names.ts'
import type { AnyTarget } from '../../facts.ts'

/** The proofs that a target may ask for, named as in libpq's `require_auth`. */
export const POSTGRES_METHODS = ['scram-sha-256', 'md5', 'password', 'none'] as const

/** How SCRAM is tied to the server's certificate, as libpq's `channel_binding`. */
export const CHANNEL_BINDINGS = ['disable', 'prefer', 'require'] as const

/** What RFC 7677 asks for at least, and every PostgreSQL server has by default. */
const LEAST_ITERATIONS = 4096
/** About a second of one core: a hostile target must not be able to burn minutes. */
const MOST_ITERATIONS = 1_000_000

const iterations = z.number().int().min(1).max(10_000_000)

export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

export const postgresFields = {
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
}

export type PostgresEntry = AnyTarget & z.output<z.ZodObject<typeof postgresFields>>
