/** Opens the store that a URL names, SQLite or PostgreSQL, and brings its tables up to date. */

import { type Dialect, Kysely, Migrator, PostgresDialect } from 'kysely'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { migrations } from './migrations.ts'
import { openPostgresPool } from './postgres-pool.ts'
import type { Schema } from './schema.ts'
import { SqliteThreadDialect } from './sqlite-dialect.ts'

/**
 * Queries throw `DATABASE_UNAVAILABLE` when the store cannot be reached or used now, and the engine's own error when the
 * statement is wrong. Inside `transaction().execute(callback)` use the callback's argument alone: SQLite has one connection,
 * and asking for another there waits for ever.
 */
export type Database = Kysely<Schema>

/** How many connections a pool of PostgreSQL may have. */
export const MOST_CONNECTIONS = 10

/**
 * `url`: `sqlite:PATH`, `sqlite::memory:` or `postgres://user:password@host/database`.
 * Throws `CONFIG_INVALID` for another URL and `DATABASE_UNAVAILABLE` when the store cannot be opened or migrated.
 */
export async function openDatabase(url: string, connections = MOST_CONNECTIONS): Promise<Database> {
  if (url.startsWith('sqlite:')) {
    return migrate(open(new SqliteThreadDialect(url.slice('sqlite:'.length))))
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    const dialect = (limits: 'limited' | 'unlimited') =>
      new PostgresDialect({ pool: openPostgresPool(url, limits, connections) })
    // With a pool of its own: a migration may take longer than any other query is allowed to.
    await (await migrate(open(dialect('unlimited')))).destroy()
    return open(dialect('limited'))
  }
  throw new GatewayError('CONFIG_INVALID', 'The database URL must begin with sqlite: or postgres://')
}

function open(dialect: Dialect): Database {
  return new Kysely<Schema>({ dialect })
}

/** Several gateways may do this at once on one PostgreSQL: Kysely takes an advisory lock. */
async function migrate(database: Database): Promise<Database> {
  const { error } = await new Migrator({
    db: database,
    provider: { getMigrations: async () => migrations },
  }).migrateToLatest()
  if (error === undefined) return database
  await database.destroy().catch(() => undefined)
  throw new GatewayError('DATABASE_UNAVAILABLE', `The database cannot be opened: ${reasonOf(error)}`, { cause: error })
}

function reasonOf(error: unknown): string {
  const message = messageOf(error)
  if (/corrupted migrations/.test(message)) return 'its tables were made by a newer version of Sallyport'
  const cause = error instanceof GatewayError ? error.cause : undefined
  // Node's error for a host with several addresses has no message of its own, only a code.
  return cause === undefined ? message : messageOf(cause) || String((cause as { code?: unknown }).code)
}
