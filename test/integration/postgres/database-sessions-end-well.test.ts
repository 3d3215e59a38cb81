import { once } from 'node:events'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type Front, RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres()
t.teardown(() => target.stop())

async function start(t: Test): Promise<Front> {
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
  })
  t.teardown(() => front.close())
  return front
}

async function connected(front: Front): Promise<pg.Client> {
  const client = new pg.Client({
    host: 'localhost',
    port: front.port,
    user: 'alice+postgres+orders',
    password: RIGHT_ANSWER,
    ssl: { ca: front.certificatePem },
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const active = `select count(*) from pg_stat_activity where query like 'select pg_sleep(%' and state = 'active'`

t.test('a session that is ended by the gateway says so, and what it ran on the target ends too', async t => {
  const front = await start(t)
  const client = await connected(front)
  const running = client.query('select pg_sleep(300)')
  while ((await target.psql(active)) === '0');
  const ended = front.sessionEnded()
  front.kill()
  await t.rejects(running, { code: '57P01', message: /killed \(session ses_/ })
  t.equal(await ended, 'killed')
  while ((await target.psql(active)) !== '0');
  t.match(front.statements(), [{ text: 'select pg_sleep(300)' }], 'what was running is in the recording')
})

t.test('when the target goes away the client hears what the target said last', async t => {
  const front = await start(t)
  const client = await connected(front)
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const failed = once(client, 'error')
  const ended = front.sessionEnded()
  await target.psql(`select pg_terminate_backend(${rows[0].pid})`)
  t.match(await failed, [{ code: '57P01', message: /administrator command/ }])
  t.equal(await ended, 'target-closed')
})

t.test('when the client says goodbye the backend is gone', async t => {
  const front = await start(t)
  const client = await connected(front)
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const ended = front.sessionEnded()
  await client.end()
  t.equal(await ended, 'client-closed')
  while ((await target.psql(`select count(*) from pg_stat_activity where pid = ${rows[0].pid}`)) !== '0');
})

t.test('a client that only disappears is noticed', async t => {
  const front = await start(t)
  const client = await connected(front)
  const ended = front.sessionEnded()
  ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
  t.equal(await ended, 'client-closed')
})
