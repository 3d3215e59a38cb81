import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'

const user = (name: string, document = '{}') => ({ name, document, updated_at: 0 })
const unavailable = { code: 'DATABASE_UNAVAILABLE' }

/** A store, and another connection to its file, as another process has. */
async function openTwice(t: Test) {
  const path = join(t.testdir(), 'store.db')
  const database = await openDatabase(`sqlite:${path}`)
  t.teardown(() => database.destroy())
  const other = new DatabaseSync(path, { timeout: 0 })
  t.teardown(() => other.close())
  return { database, other }
}

t.test('the file and what SQLite keeps beside it can be read by its owner alone', async t => {
  const folder = t.testdir()
  const path = join(folder, 'store.db')
  writeFileSync(path, '')
  chmodSync(path, 0o644)
  const database = await openDatabase(`sqlite:${path}`)
  t.same(readdirSync(folder).sort(), ['store.db', 'store.db-shm', 'store.db-wal'])
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
  await database.destroy()
})

t.test('a commit is on the disk before it is told', async t => {
  const database = await openDatabase(`sqlite:${join(t.testdir(), 'store.db')}`)
  t.teardown(() => database.destroy())
  const setting = async (name: string) =>
    Object.values((await sql.raw<Record<string, unknown>>(`pragma ${name}`).execute(database)).rows[0]!)[0]
  t.equal(await setting('synchronous'), 2, 'FULL')
  t.equal(await setting('journal_mode'), 'wal')
  t.equal(await setting('foreign_keys'), 1)
})

t.test('a store in memory makes no file', async t => {
  const database = await openDatabase('sqlite::memory:')
  await database.insertInto('users').values(user('a')).execute()
  t.equal((await database.selectFrom('users').selectAll().execute()).length, 1)
  await database.destroy()
})

t.test('a full disk is told as an outage; what was stored stays, and it heals when there is room', async t => {
  const database = await openDatabase(`sqlite:${join(t.testdir(), 'store.db')}`)
  t.teardown(() => database.destroy())
  await database.insertInto('users').values(user('a')).execute()
  await sql`pragma max_page_count = 1`.execute(database)
  const big = database.insertInto('users').values(user('big', 'x'.repeat(1_000_000)))
  await t.rejects(big.execute(), unavailable)
  await t.rejects(
    database.transaction().execute(transaction =>
      transaction
        .insertInto('users')
        .values(user('b', 'x'.repeat(1_000_000)))
        .execute(),
    ),
    unavailable,
  )
  t.same(
    (await database.selectFrom('users').select('name').execute()).map(row => row.name),
    ['a'],
  )
  await sql`pragma max_page_count = 100000`.execute(database)
  await big.execute()
  t.equal((await database.selectFrom('users').select('name').execute()).length, 2)
})

t.test('what is no SQLite file, or cannot be there, is told with the reason', async t => {
  const folder = t.testdir({ 'not.db': 'this is not a database, but long enough to look like one '.repeat(50) })
  await t.rejects(openDatabase(`sqlite:${join(folder, 'not.db')}`), {
    code: 'DATABASE_UNAVAILABLE',
    message: /not a database/,
  })
  await t.rejects(openDatabase(`sqlite:${join(folder, 'missing/store.db')}`), {
    code: 'DATABASE_UNAVAILABLE',
    message: /ENOENT/,
  })
})

t.test('a transaction that reads before it writes does not fail because another process wrote meanwhile', async t => {
  const { database, other } = await openTwice(t)
  await database.transaction().execute(async transaction => {
    await transaction.selectFrom('users').selectAll().execute()
    t.throws(() => other.exec(`insert into users values ('other', '{}', 0)`), /locked/, 'the other one has to wait')
    await transaction.insertInto('users').values(user('mine')).execute()
  })
  other.exec(`insert into users values ('other', '{}', 0)`)
  t.equal((await database.selectFrom('users').selectAll().execute()).length, 2)
})

t.test('the process goes on while a statement waits for the file', async t => {
  const { database, other } = await openTwice(t)
  other.exec('begin immediate')
  const waiting = database.insertInto('users').values(user('late')).execute()
  // On this thread: were the statement waiting here too, it would wait for ever.
  await new Promise(resolve => setImmediate(resolve))
  other.exec('commit')
  await waiting
  t.equal((await database.selectFrom('users').selectAll().execute()).length, 1)
})

t.test('statements that are sent at once get each its own answer, in a transaction and outside of one', async t => {
  const database = await openDatabase('sqlite::memory:')
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  const ask = (from: typeof database) => async (n: number) => {
    if (n % 7 === 0) await t.rejects(sql`select no_such_column`.execute(from), { code: 'ERR_SQLITE_ERROR' })
    else t.same((await sql<{ n: number }>`select ${n} as n`.execute(from)).rows, [{ n }])
  }
  await database.transaction().execute(transaction => Promise.all(numbers.map(ask(transaction))))
  await Promise.all(numbers.map(ask(database)))
  await database.destroy()
})

t.test('a migration that a crash cut short leaves nothing behind', async t => {
  const path = join(t.testdir(), 'store.db')
  // As if a table of the first migration could not be made: `factors` is in the way.
  const before = new DatabaseSync(path)
  before.exec('create table factors (x)')
  await t.rejects(openDatabase(`sqlite:${path}`), { code: 'DATABASE_UNAVAILABLE', message: /factors/ })
  const tables = before.prepare(`select name from sqlite_master where name = 'users'`).all()
  t.same(tables, [], 'the tables made before it are gone too')
  before.exec('drop table factors')
  before.close()
  await (await openDatabase(`sqlite:${path}`)).destroy()
})
