/** Runs the same test on both engines: on a SQLite file, and on a database of its own in one PostgreSQL server. */

import { join } from 'node:path'
import type { Test } from 'tap'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { startPostgres, type TestPostgres } from './start-postgres.ts'

export interface Store {
  readonly engine: 'sqlite' | 'postgres'
  readonly url: string
  /** Opens the store; closed when the test ends. Call it again for what another gateway would open. */
  open(): Promise<Database>
}

let server: Promise<TestPostgres> | undefined

export async function eachStore(t: Test, promise: string, body: (t: Test, store: Store) => Promise<void>) {
  await t.test(`${promise} (SQLite)`, t => body(t, storeAt(t, 'sqlite', `sqlite:${join(t.testdir(), 'store.db')}`)))
  await t.test(`${promise} (PostgreSQL)`, async t => body(t, storeAt(t, 'postgres', await postgresDatabase())))
}

/** An empty database in the server of this test file, which is started when it is first needed. */
export async function postgresDatabase(): Promise<string> {
  return (await postgresServer()).createDatabase()
}

function postgresServer(): Promise<TestPostgres> {
  server ??= startPostgres()
  return server
}

/** For the end of a test file: `t.teardown(stopStores)`. */
export async function stopStores(): Promise<void> {
  await (await server)?.stop()
}

function storeAt(t: Test, engine: Store['engine'], url: string): Store {
  return {
    engine,
    url,
    async open() {
      const database = await openDatabase(url)
      t.teardown(() => database.destroy())
      return database
    },
  }
}
