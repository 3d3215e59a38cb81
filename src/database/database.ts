/** Opens the store that a URL names, SQLite or PostgreSQL, and brings its tables up to date. */

import { Kysely, Migrator, PostgresDialect, SqliteDialect } from 'kysely'
import pg from 'pg'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { migrations } from './migrations.ts'
import { openNodeSqlite } from './node-sqlite.ts'
import type { Schema } from './schema.ts'

export type Database = Kysely<Schema>

const INT8 = 20

/**
 * `url`: `sqlite:PATH`, `sqlite::memory:` or `postgres://user:password@host/database`.
 * Throws `CONFIG_INVALID` for another URL and `DATABASE_UNAVAILABLE` when the store cannot be opened or migrated.
 */
export async function openDatabase(url: string): Promise<Database> {
  const database = new Kysely<Schema>({ dialect: dialectOf(url) })
  const { error } = await new Migrator({
    db: database,
    provider: { getMigrations: async () => migrations },
  }).migrateToLatest()
  if (error !== undefined) {
    await database.destroy().catch(() => undefined)
    throw new GatewayError('DATABASE_UNAVAILABLE', `The database cannot be opened: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return database
}

function dialectOf(url: string) {
  if (url.startsWith('sqlite:'))
    return new SqliteDialect({ database: async () => openNodeSqlite(url.slice('sqlite:'.length)) })
  if (/^postgres(ql)?:\/\//.test(url)) {
    // Every int8 here is a time or a count, far below 2^53.
    const types = {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
    }
    const pool = new pg.Pool({
      connectionString: url,
      max: 10,
      connectionTimeoutMillis: 5000,
      types: types as pg.CustomTypesConfig,
    })
    // A lost idle connection is replaced at the next query; without a listener it would end the process.
    pool.on('error', () => undefined)
    return new PostgresDialect({ pool })
  }
  throw new GatewayError('CONFIG_INVALID', 'The database URL must begin with sqlite: or postgres://')
}
