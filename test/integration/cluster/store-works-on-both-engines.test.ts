import { join } from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { z } from 'zod'
import { openDatabase } from '../../../src/database/database.ts'
import { createDocuments } from '../../../src/database/documents.ts'
import { createStoreGateways } from '../../../src/database/gateways.ts'
import { createTokens } from '../../../src/identity/tokens.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { run } from '../../support/child.ts'
import { movableClock } from '../../support/cluster-promises.ts'
import { eachStore, postgresDatabase, stopStores } from '../../support/each-store.ts'
import { startPostgres } from '../../support/start-postgres.ts'

t.teardown(stopStores)

async function failure(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('this should have failed')
}

await eachStore(t, 'a store is opened again with what was in it', async (t, store) => {
  const first = await store.open()
  await first.insertInto('users').values({ name: 'alice', document: '{}', updated_at: 1 }).execute()
  const again = await store.open()
  t.same(
    (await again.selectFrom('users').selectAll().execute()).map(row => ({ ...row })),
    [{ name: 'alice', document: '{}', updated_at: 1 }],
  )
})

t.test('four gateways that start at once on an empty PostgreSQL all find its tables', async t => {
  const url = await postgresDatabase()
  const opened = await Promise.all([1, 2, 3, 4].map(() => openDatabase(url)))
  t.teardown(() => Promise.all(opened.map(database => database.destroy())))
  for (const database of opened) {
    t.same(await database.selectFrom('audit_head').selectAll().execute(), [{ id: 1, seq: 0, hash: '' }])
  }
})

t.test('three processes that open one SQLite file at once all find its tables', async t => {
  const module = new URL('../../../src/database/database.ts', import.meta.url)
  const script = `const { openDatabase } = await import(${JSON.stringify(module)})
    const database = await openDatabase(process.argv[1])
    console.log(JSON.stringify(await database.selectFrom('audit_head').selectAll().execute()))
    await database.destroy()`
  const url = `sqlite:${join(t.testdir(), 'store.db')}`
  const outputs = await Promise.all(
    [1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '-e', script, url])),
  )
  for (const { stdout } of outputs) t.equal(stdout.trim(), '[{"id":1,"seq":0,"hash":""}]')
})

await eachStore(
  t,
  'times, counts and sums are numbers, RETURNING gives rows, changes are counted',
  async (t, store) => {
    const database = await store.open()
    const at = 1_795_295_133_964
    const inserted = await database
      .insertInto('users')
      .values([
        { name: 'a', document: 'ü\u2028😀', updated_at: at },
        { name: 'b', document: '', updated_at: at },
      ])
      .returning(['document', 'updated_at'])
      .execute()
    t.same(
      inserted.map(row => ({ ...row })),
      [
        { document: 'ü\u2028😀', updated_at: at },
        { document: '', updated_at: at },
      ],
    )
    const row = await database
      .selectFrom('users')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.sum<number>('updated_at').as('sum')])
      .executeTakeFirstOrThrow()
    t.equal(row.count, 2)
    t.equal(row.sum, 2 * at)
    const changed = await database
      .updateTable('users')
      .set({ document: 'x' })
      .where('name', '!=', 'c')
      .executeTakeFirst()
    t.equal(changed.numUpdatedRows, 2n)
    const removed = await database.deleteFrom('users').where('name', '=', 'a').executeTakeFirst()
    t.equal(removed.numDeletedRows, 1n)
  },
)

await eachStore(t, 'a transaction is all or nothing, and those beside it wait their turn', async (t, store) => {
  const database = await store.open()
  const user = (name: string) => ({ name, document: '{}', updated_at: 0 })
  await t.rejects(
    database.transaction().execute(async transaction => {
      await transaction.insertInto('users').values(user('gone')).execute()
      throw new Error('no')
    }),
    /no/,
  )
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      database.transaction().execute(async transaction => {
        const lock = transaction.updateTable('audit_head').set({ seq: sql<number>`seq + 1` })
        const { seq } = await lock.returning('seq').executeTakeFirstOrThrow()
        await transaction
          .insertInto('users')
          .values(user(`u${seq}-${index}`))
          .execute()
      }),
    ),
  )
  t.equal((await database.selectFrom('audit_head').select('seq').executeTakeFirstOrThrow()).seq, 20)
  const names = (await database.selectFrom('users').select('name').execute()).map(row => row.name)
  t.equal(names.length, 20)
  t.notOk(names.includes('gone'))
})

await eachStore(t, 'a wrong statement is not called an outage', async (t, store) => {
  const database = await store.open()
  const twice = sql`insert into users values ('a', '{}', 0)`
  await twice.execute(database)
  for (const wrong of [twice, sql`select nonsense from nowhere`]) {
    const error = await wrong.execute(database).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    t.ok(error instanceof Error && !(error instanceof GatewayError), String(error))
  }
  t.equal((await database.selectFrom('users').selectAll().execute()).length, 1, 'and the store works on')
})

await eachStore(t, 'a store made by a newer version is refused, and left as it is', async (t, store) => {
  const database = await store.open()
  await sql`insert into kysely_migration (name, timestamp) values ('9999-future', 'x')`.execute(database)
  const error = await failure(openDatabase(store.url))
  t.equal(error.code, 'DATABASE_UNAVAILABLE')
  t.match(error.message, /newer version/)
})

await eachStore(t, 'documents are kept, replaced, listed by name and removed', async (t, store) => {
  const schema = z.strictObject({ name: z.string(), port: z.number() })
  const stored = { database: await store.open(), clock: movableClock() }
  const documents = createDocuments('targets', value => schema.parse(value), stored)
  for (const name of ['b', 'B', 'a_', 'a-', 'a.']) await documents.put({ name, port: 1 })
  await documents.put({ name: 'b', port: 2 })
  t.same(await documents.get('b'), { name: 'b', port: 2 })
  t.equal(await documents.get("b' or '1'='1"), undefined)
  t.same(
    (await documents.list()).map(({ name }) => name),
    ['B', 'a-', 'a.', 'a_', 'b'],
    'in the same order on both engines',
  )
  await documents.remove('b')
  await documents.remove('b')
  t.equal(await documents.get('b'), undefined)
  await stored.database.updateTable('targets').set({ document: '{"name":"B"}' }).where('name', '=', 'B').execute()
  await t.rejects(documents.get('B'), 'what does not fit its schema is never handed out')
})

t.test('a PostgreSQL that crashes is told as such, and used again when it is back', async t => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const database = await openDatabase(server.url())
  t.teardown(() => database.destroy())
  const ask = () => database.selectFrom('users').selectAll().execute()
  await Promise.all([ask(), ask(), ask()])
  await server.crash()
  for (let tries = 0; tries < 5; tries++) t.equal((await failure(ask())).code, 'DATABASE_UNAVAILABLE')
  await server.restart()
  t.same(await ask(), [])
})

t.test('a connection that dies within a transaction leaves nothing of it, and is not used again', async t => {
  const url = await postgresDatabase()
  const database = await openDatabase(url)
  const other = await openDatabase(url)
  t.teardown(() => Promise.all([database.destroy(), other.destroy()]))
  const error = await failure(
    database.transaction().execute(async transaction => {
      await transaction.insertInto('users').values({ name: 'a', document: '{}', updated_at: 0 }).execute()
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
      await sql`select pg_terminate_backend(${rows[0]!.pid})`.execute(other)
      await transaction.selectFrom('users').selectAll().execute()
    }),
  )
  t.equal(error.code, 'DATABASE_UNAVAILABLE')
  t.same(await database.selectFrom('users').selectAll().execute(), [])
})

t.test('a database that cannot be opened says why, and never its password', async t => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const wrong = server.url().replace(server.superPassword, 'hush')
  const refused = await failure(openDatabase(wrong))
  t.equal(refused.code, 'DATABASE_UNAVAILABLE')
  t.match(refused.message, /password authentication failed/)
  const gone = await failure(openDatabase(`postgres://u:hush@localhost:1/x`))
  t.match(gone.message, /ECONNREFUSED/)
  const missing = await failure(openDatabase(server.url('nowhere')))
  t.match(missing.message, /"nowhere" does not exist/)
  for (const url of ['postgres://u:hu/sh#hush@h:x/db', 'mysql://u:hush@h/db', 'hush']) {
    const invalid = await failure(openDatabase(url))
    t.equal(invalid.code, 'CONFIG_INVALID', url)
    t.notMatch(`${invalid.message}${invalid.stack}${String(invalid.cause)}`, /hush/)
  }
  for (const error of [refused, gone]) t.notMatch(`${error.message}${error.stack}${String(error.cause)}`, /hush/)
})

await eachStore(t, 'the store knows which gateways use it, until they leave or fall silent', async (t, store) => {
  const database = await store.open()
  const clock = { ...movableClock(), measure: async () => 0 }
  const one = createStoreGateways({ workers: new Set(), database, clock, gateway: 'gw_1' })
  const two = createStoreGateways({ workers: new Set(), database, clock, gateway: 'gw_2' })
  t.same(await one.alive(), new Set(['gw_1']), 'oneself is alive, also before the first beat')
  await one.beat()
  await two.beat()
  clock.move(15_000)
  await one.beat()
  t.same(await one.alive(), new Set(['gw_1', 'gw_2']))
  clock.move(6_000)
  t.same(await one.alive(), new Set(['gw_1']))
  await two.beat()
  t.same(await one.alive(), new Set(['gw_1', 'gw_2']))
  await two.leave()
  t.same(await one.alive(), new Set(['gw_1']))
  clock.move(25 * 60 * 60_000)
  await createStoreGateways({ workers: new Set(), database, clock, gateway: 'gw_3' }).beat()
  t.same(
    (await database.selectFrom('gateways').select('id').execute()).map(row => row.id),
    ['gw_3'],
    'ids of long ago do not pile up',
  )
})

await eachStore(t, 'gateways notice settings that differ, until they are alike again', async (t, store) => {
  const database = await store.open()
  const clock = { ...movableClock(), measure: async () => 0 }
  const told: string[] = []
  const gatewayOf = (gateway: string, settings?: Record<string, string>) =>
    createStoreGateways({
      ...{ workers: new Set([`${gateway}_worker`]), database, clock, gateway },
      ...(settings && { settings, differs: names => void told.push(`${gateway}: ${names}`) }),
    })
  const one = gatewayOf('gw_1', { fourEyes: 'a', factors: 'f' })
  const other = gatewayOf('gw_2', { fourEyes: 'b', factors: 'f' })
  for (const gateway of [one, other, gatewayOf('gw_of_before'), gatewayOf('gw_newer', { more: 'x' }), one, one])
    await gateway.beat()
  t.strictSame(told, ['gw_2: fourEyes', 'gw_1: fourEyes'], 'each says so once')
  await other.leave()
  await one.beat()
  t.strictSame(told.slice(2), ['gw_1: '])
  t.strictSame(one.differing, [])
})

/** What is sealed does not matter there. */
const unsealed = {
  sealBytes: (_purpose: string, bytes: Uint8Array) => Buffer.from(bytes).toString('base64'),
  openBytes: (_purpose: string, sealed: string) => Buffer.from(sealed, 'base64'),
}

await eachStore(t, 'of tokens of one name that are made at once there is one', async (t, { open }) => {
  const one = await open()
  const two = await open()
  const made = await Promise.allSettled(
    [one, two, one, two].map(database =>
      createTokens({ database, clock: systemClock, vault: unsealed }).create({
        name: 'ci',
        user: 'alice',
        scope: 'read',
      }),
    ),
  )
  t.same(made.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected', 'rejected'])
  for (const result of made) if (result.status === 'rejected') t.match(result.reason, { code: 'CONFLICT' })
  t.equal((await createTokens({ database: one, clock: systemClock, vault: unsealed }).list()).length, 1)
})
