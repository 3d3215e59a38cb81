import { once } from 'node:events'
import pg from 'pg'
import t from 'tap'
import { RIGHT_ANSWER, startPostgresFront } from '../support/postgres-front.ts'
import { startPostgres } from '../support/start-postgres.ts'

const target = await startPostgres()
t.teardown(() => target.stop())

t.test('while the recorder is behind nothing flows, and then everything goes on', async t => {
  const disk = { behind: false, caughtUp: Promise.withResolvers<void>() }
  const asked = Promise.withResolvers<void>()
  const recorder = {
    get behind() {
      return disk.behind
    },
    drained() {
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
  // A long statement is followed at once, so it finds the recorder behind as it passes: its bytes are the last that are read.
  const first = client.query(`insert into slow values (1) -- ${'x'.repeat(10_000)}`)
  await asked.promise
  const second = client.query('insert into slow values (2)')
  const settled: string[] = []
  void first.then(() => settled.push('first'))
  void second.then(() => settled.push('second'))
  while ((await target.psql('select count(*) from slow')) === '0');
  for (let look = 0; look < 5; look++) await target.psql('select 1')
  t.same(settled, [], 'no answer comes through')
  t.equal(await target.psql('select count(*) from slow'), '1', 'and no statement gets to the target')

  disk.behind = false
  disk.caughtUp.resolve()
  await Promise.all([first, second])
  t.same(settled, ['first', 'second'])
  const ended = once(client, 'end')
  await client.end()
  await ended
})
