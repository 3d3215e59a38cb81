/** Lets Kysely's PostgreSQL dialect drive `pg`: connections that failed are not used again, and errors say when the store is gone. */

import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { GatewayError } from '../shared/errors.ts'
import { databaseUnavailable } from './unavailable.ts'

/** The types of times and counts, and of their sums: far below 2^53, so they are read as numbers, as from SQLite. */
const NUMBER_TYPES = new Set<number>([pg.types.builtins.INT8, pg.types.builtins.NUMERIC])

const CONNECT_TIMEOUT_MS = 5000
/** No query here is long: what takes this long hangs on a lock or on a dead network. The server gives up first. */
const QUERY_TIMEOUT_MS = 15_000
const SERVER_LIMITS = `set statement_timeout = 10000; set lock_timeout = 5000; set idle_in_transaction_session_timeout = 10000`

/** SQLSTATE classes and codes of a server that cannot serve now: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNAVAILABLE_STATES = /^(08...|53...|57...|58...|XX...|25006|25P03|28...|3D000|40...|55P03)$/

/**
 * `url` as libpq reads it; `unlimited` queries may take as long as they like. Throws `CONFIG_INVALID` without repeating the URL,
 * which may hold a password.
 */
export function openPostgresPool(url: string, limits: 'limited' | 'unlimited', connections: number): PostgresPool {
  if (!URL.canParse(url)) {
    throw new GatewayError(
      'CONFIG_INVALID',
      'The database URL cannot be read: characters like / and # in a password must be written as %2F and %23.',
    )
  }
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      NUMBER_TYPES.has(oid) && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format as 'text'),
  }
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'sallyport',
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: types as pg.CustomTypesConfig,
    ...(limits === 'unlimited'
      ? {}
      : {
          query_timeout: QUERY_TIMEOUT_MS,
          // By statement, not at startup: a PgBouncer between (in session mode) refuses such parameters.
          onConnect: async (client: pg.ClientBase) => void (await client.query(SERVER_LIMITS)),
        }),
  })
  // A lost idle connection is replaced at the next query; without a listener it would end the process.
  pool.on('error', () => undefined)
  return {
    connect: async () => {
      try {
        return wrap(await pool.connect())
      } catch (error) {
        throw databaseUnavailable(error)
      }
    },
    end: () => pool.end(),
  }
}

function wrap(client: pg.PoolClient): PostgresPoolClient {
  let broken: Error | undefined
  // Told of a connection that breaks while it is lent; the query at hand fails by itself.
  const noted = (error: Error) => {
    broken = error
  }
  client.on('error', noted)
  // Kysely calls it in this form alone; the other one is for cursors, which nobody here asks for.
  const query = async (text: string, parameters: readonly unknown[]) => {
    try {
      return await client.query(text, [...parameters])
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) broken = error as Error
      else if (!UNAVAILABLE_STATES.test(error.code ?? '')) throw error
      throw databaseUnavailable(error)
    }
  }
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release() {
      client.off('error', noted)
      // A connection in an unknown state (a query timed out, the socket broke) must not serve the next one.
      client.release(broken)
    },
  }
}
