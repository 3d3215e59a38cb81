/** One gateway at a time on an SQLite store: a second one would take the first for dead, end its sessions and seal its recordings. */

import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { makePrivate } from './private-file.ts'
import { sqliteFile } from './sqlite-file.ts'

const SQLITE_BUSY = 5

/**
 * Holds the store of this URL until it is disposed of, or the process is gone: an exclusive transaction on a file beside it, which
 * the operating system ends with the process. Nothing to hold for PostgreSQL or `sqlite::memory:`. Throws `CONFLICT` when
 * another gateway holds it, `DATABASE_UNAVAILABLE` when the file cannot be used.
 */
export function holdAlone(url: string): Disposable {
  const path = sqliteFile(url)
  if (path === undefined) return { [Symbol.dispose]: () => undefined }
  let lock: DatabaseSync | undefined
  try {
    const file = `${realPath(path)}.lock`
    makePrivate(file)
    lock = new DatabaseSync(file, { timeout: 0 })
    lock.exec('PRAGMA journal_mode=OFF; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock?.close()
    if ((cause as { errcode?: unknown }).errcode !== SQLITE_BUSY) {
      throw new GatewayError('DATABASE_UNAVAILABLE', `The database cannot be opened: ${messageOf(cause)}`, { cause })
    }
    const message = `Another gateway runs on ${path}. Stop it first; several gateways need a PostgreSQL store and a Redis.`
    throw new GatewayError('CONFLICT', message, { cause })
  }
  const held = lock
  return { [Symbol.dispose]: () => held.close() }
}

/** The same for every name of a store: SQLite too follows symbolic links. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path))
}
