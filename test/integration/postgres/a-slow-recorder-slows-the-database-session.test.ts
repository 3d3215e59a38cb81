import { once } from 'node:events'
import pg from 'pg'
import t from 'tap'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres()
t.teardown(() => target.stop())

t.test('while the recorder is behind nothing flows, and then everything goes on', async t => {
  const disk = { behind: false, caughtUp: Promise.withResolvers<void>() }
  const asked = Promise.withResolvers<void>()
  const recorder = {
    mayPass: () => !disk.behind,
    progress() {
      asked.resolve()
      return disk.caughtUp.promise
    },
  }
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
    recorder,
  })
  t.teardown(() => front.close())
  const client = new pg.Client({
    host: 'localhost',
    port: front.port,
    user: 'alice+postgres+orders',
    password: RIGHT_ANSWER,
    ssl: { ca: front.certificatePem },
  })
  await client.connect()
  await client.query('create table slow (n int)')

  disk.behind = true
  const first = client.query('insert into slow values (1)')
  await asked.promise
  t.match(front.facts.at(-1), { type: 'asked', of: { text: 'insert into slow values (1)' } }, 'it is with the recorder')
  const second = client.query('insert into slow values (2)')
  const settled: string[] = []
  void first.then(() => settled.push('first'))
  void second.then(() => settled.push('second'))
  for (let look = 0; look < 5; look++) await target.psql('select 1')
  t.equal(await target.psql('select count(*) from slow'), '0', 'no statement gets to the target')
  t.same(settled, [])

  disk.behind = false
  disk.caughtUp.resolve()
  await Promise.all([first, second])
  t.same(settled, ['first', 'second'])
  t.equal(await target.psql('select count(*) from slow'), '2')
  const ended = once(client, 'end')
  await client.end()
  await ended
})

t.test('an answer does not get past the recorder either', async t => {
  const disk = { behind: false, caughtUp: Promise.withResolvers<void>() }
  const recorder = { mayPass: () => !disk.behind, progress: () => disk.caughtUp.promise }
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
    recorder,
  })
  t.teardown(() => front.close())
  const client = new pg.Client({
    host: 'localhost',
    port: front.port,
    user: 'alice+postgres+orders',
    database: 'postgres',
    password: RIGHT_ANSWER,
    ssl: { ca: front.certificatePem },
  })
  await client.connect()
  const holder = new pg.Client(target.url())
  await holder.connect()
  await holder.query('select pg_advisory_lock(10)')
  let answered = false
  const waiting = client.query('select pg_advisory_lock(10)').then(() => {
    answered = true
  })
  const isTrue = async (condition: string) => (await target.psql(`select ${condition}`)) === 't'
  while (!(await isTrue('exists (select from pg_locks where not granted)')));
  disk.behind = true
  await holder.query('select pg_advisory_unlock(10)')
  while (
    !(await isTrue("not exists (select from pg_stat_activity where state = 'active' and wait_event = 'advisory')"))
  );
  await holder.end()
  t.equal(answered, false, 'the target has answered, and the person waits')
  disk.behind = false
  disk.caughtUp.resolve()
  await waiting
  await client.end()
})

t.test('a session whose recorder is stuck ends when it must, and what was held is never passed on', async t => {
  const disk = { behind: false }
  const asked = Promise.withResolvers<void>()
  const recorder = {
    mayPass: () => !disk.behind,
    progress() {
      asked.resolve()
      return new Promise<void>(() => undefined)
    },
  }
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
    recorder,
  })
  t.teardown(() => front.close())
  const client = new pg.Client({
    host: 'localhost',
    port: front.port,
    user: 'alice+postgres+orders',
    password: RIGHT_ANSWER,
    ssl: { ca: front.certificatePem },
  })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('create table never (n int)')
  disk.behind = true
  const insert = client.query('insert into never values (1)')
  await asked.promise
  front.kill()
  await t.rejects(insert)
  t.equal(await target.psql('select count(*) from never'), '0')
})
