/** Lets Kysely's SQLite dialect drive Node's own `node:sqlite`, which needs no native package to be built. */

import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SqliteAdapter, type SqliteDatabase, SqliteDialect } from 'kysely'
import { databaseUnavailable } from './unavailable.ts'

/** How long another process (a backup, say) may hold the file before a statement fails. The main thread waits for it. */
const BUSY_TIMEOUT_MS = 2000

/** SQLite's result codes that mean that the store cannot be used, rather than that a statement is wrong: https://www.sqlite.org/rescode.html */
const UNAVAILABLE_CODES = new Set([
  5, // SQLITE_BUSY
  6, // SQLITE_LOCKED
  8, // SQLITE_READONLY
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  13, // SQLITE_FULL
  14, // SQLITE_CANTOPEN
  26, // SQLITE_NOTADB
])

/** A migration is one transaction on SQLite too, so that a crash in its midst leaves no half of it. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

export class NodeSqliteDialect extends SqliteDialect {
  constructor(path: string) {
    super({ database: async () => openNodeSqlite(path) })
  }

  override createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter()
  }
}

/**
 * Opens a SQLite file (or `:memory:`) for Kysely. Every commit is on the disk before it returns
 * (`synchronous=FULL`, WAL: https://www.sqlite.org/pragma.html#pragma_synchronous). Statements run on the main thread:
 * a login should need few commits. Throws `DATABASE_UNAVAILABLE`.
 */
function openNodeSqlite(path: string): SqliteDatabase {
  return available(() => {
    if (path !== ':memory:') makePrivate(path)
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      database.exec(
        'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF',
      )
    } catch (error) {
      database.close()
      throw error
    }
    return { close: () => database.close(), prepare: sql => available(() => prepare(database, sql)) }
  })
}

/** SQLite gives `-wal` and `-shm` the mode of the file itself: https://www.sqlite.org/wal.html */
export function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

function prepare(database: DatabaseSync, sql: string): ReturnType<SqliteDatabase['prepare']> {
  // Deferred transactions that read first can fail when they write: the lock is taken at once, where waiting for it is possible.
  const statement: StatementSync = database.prepare(sql === 'begin' ? 'begin immediate' : sql)
  // A full disk makes SQLite roll back by itself; an error of this statement would then hide the one that tells why.
  const done = () => sql === 'rollback' && !database.isTransaction
  const values = (parameters: readonly unknown[]) => parameters as SQLInputValue[]
  return {
    // INSERT ... RETURNING gives rows as well, and then has columns.
    reader: statement.columns().length > 0,
    all: parameters => available(() => statement.all(...values(parameters))),
    run: parameters =>
      done() ? { changes: 0, lastInsertRowid: 0 } : available(() => statement.run(...values(parameters))),
    iterate: parameters => statement.iterate(...values(parameters)) as IterableIterator<unknown>,
  }
}

function available<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    const { code, errcode } = error as { code?: string; errcode?: number }
    // The low byte is the primary code: https://www.sqlite.org/rescode.html#pve
    const sqlite = code === 'ERR_SQLITE_ERROR' && UNAVAILABLE_CODES.has((errcode ?? 0) & 0xff)
    const system = (error as { syscall?: string }).syscall !== undefined
    throw sqlite || system ? databaseUnavailable(error) : error
  }
}
