/** What must be known of a server and a role before its password is changed; and why it cannot be changed here. */

import type { PostgresTarget } from '../target.ts'
import { quotedText } from './quote.ts'
import type { Answer } from './sql-session.ts'

/** The first that knows SCRAM. */
const LEAST_VERSION = 100_000
/** Of a server that does not say: what all had before `scram_iterations` (PostgreSQL 16). */
const USUAL_ITERATIONS = 4096

export interface ServerFacts {
  readonly processId: number
  readonly standby: boolean
  readonly version: number
  readonly iterations: number
  /** The role that the connection was logged in as is the one whose password is to be changed. */
  readonly itself: boolean
  /** Undefined: there is no such role. */
  readonly mayLogIn: boolean | undefined
  /** Since when its password is not valid any more. */
  readonly expiredAt: string | undefined
}

/** The names are qualified, so that nobody's search path is in the way. */
export function factsQuery(role: string): string {
  const name = quotedText(role)
  return `SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(),
    pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('scram_iterations', true),
    session_user OPERATOR(pg_catalog.=) ${name}::pg_catalog.name, r.rolcanlogin,
    CASE WHEN r.rolvaliduntil OPERATOR(pg_catalog.<=) pg_catalog.now() THEN r.rolvaliduntil::pg_catalog.text END
    FROM (SELECT) one LEFT JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) ${name}::pg_catalog.name`
}

export function readFacts({ row }: Extract<Answer, { kind: 'done' }>): ServerFacts {
  const [processId, standby, version, iterations, itself, mayLogIn, expiredAt] = row
  return {
    processId: Number(processId),
    standby: standby === 't',
    version: Number(version),
    iterations: Number(iterations) || USUAL_ITERATIONS,
    itself: itself === 't',
    mayLogIn: mayLogIn === null || mayLogIn === undefined ? undefined : mayLogIn === 't',
    expiredAt: expiredAt ?? undefined,
  }
}

/** Why a new password would be of no use here, in words; undefined: nothing is in the way. `processId`: what the connection was told at its start. */
export function obstacle(
  facts: ServerFacts,
  { role, itself, processId }: { readonly role: string; readonly itself: boolean; readonly processId: number },
): string | undefined {
  if (facts.processId !== processId) {
    return (
      'a connection pooler stands between the gateway and the server, and may know passwords from a list of its own: ' +
      "give the target's entry the address of the server itself, or change this account by a program"
    )
  }
  if (facts.standby) return "the server is a standby, which is read-only: give the target's entry the primary's address"
  if (facts.mayLogIn === undefined) return `there is no role ${role} on the server`
  if (itself && !facts.itself) return `the server logged the account in as another role than ${role}`
  if (!facts.mayLogIn) return `the role ${role} may not log in: ALTER ROLE … LOGIN`
  if (facts.expiredAt !== undefined) {
    return `the password of the role ${role} is valid only until ${facts.expiredAt}: no login works before ALTER ROLE … VALID UNTIL`
  }
  return undefined
}

export type VerifierKind = { readonly kind: 'scram'; readonly iterations: number } | { readonly kind: 'md5' }

/** The strongest that entry and server allow; undefined: there is none. */
export function verifierKind(
  { authentication, scramIterations: { min, max } }: Pick<PostgresTarget, 'authentication' | 'scramIterations'>,
  { version, iterations }: Pick<ServerFacts, 'version' | 'iterations'>,
): VerifierKind | undefined {
  const scram = authentication.includes('scram-sha-256') || authentication.includes('password')
  if (scram && version >= LEAST_VERSION) return { kind: 'scram', iterations: Math.min(Math.max(iterations, min), max) }
  return authentication.includes('md5') ? { kind: 'md5' } : undefined
}
