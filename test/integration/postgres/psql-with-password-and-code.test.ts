import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres({
  tls: true,
  sql: `create role dba login superuser password 'only the vault knows'`,
})
t.teardown(() => target.stop())

async function gatewayWithOrders(t: Test, rememberFactor = '0s'): Promise<TestGateway> {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  await gateway.addRole({
    name: 'dba',
    targets: { names: ['orders'] },
    accounts: { names: ['dba'] },
    factors: [['password', 'totp']],
    rememberFactor,
  })
  await gateway.addTarget(
    {
      name: 'orders',
      protocol: 'postgres',
      host: 'localhost',
      port: target.port,
      ca: readFileSync(target.caFile!, 'utf8'),
      accounts: [{ name: 'dba', level: 'admin', default: true }],
    },
    { dba: { kind: 'password', password: new Secret('only the vault knows') } },
  )
  return gateway
}

const to = (gateway: TestGateway, more = 'sslmode=require', user = 'alice+dba+orders') =>
  `host=localhost port=${gateway.postgres!.port} user=${user} ${more}`

t.test('with password and code alice is dba on the target, without ever having known that password', async t => {
  const gateway = await gatewayWithOrders(t)
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const result = await psql(to(gateway), alice.password + alice.code(), [
    'select current_user, current_database()',
    'select 1/0',
  ])
  t.equal(result.stdout, 'dba|postgres')
  t.match(result.stderr, 'division by zero')

  const [session] = await gateway.parts.sessions.list({})
  await gateway.ended(session!.id)
  const ended = await gateway.parts.sessions.get(session!.id)
  t.match(ended, { user: 'alice', account: 'dba', target: 'orders', end_reason: 'client-closed' })

  const statements: RecordedEvent[] = []
  for await (const event of await gateway.parts.recordings.read(session!.id)) {
    if (event.type === 'statement') statements.push(event)
  }
  t.match(statements, [
    { text: 'select current_user, current_database()', tag: 'SELECT 1', rows: 1 },
    { text: 'select 1/0', error: { sqlstate: '22012' } },
  ])
})

t.test('the certificate of the gateway can be verified by name and by address', async t => {
  const gateway = await gatewayWithOrders(t)
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const caFile = join(t.testdir(), 'gateway.pem')
  const own = await gateway.parts.vault.ownKey('tls', () => Promise.reject(new Error('there is one')))
  writeFileSync(caFile, own.public)
  for (const host of ['localhost', '127.0.0.1']) {
    const connection = to(gateway, `host=${host} sslmode=verify-full sslrootcert=${caFile}`)
    t.equal((await psql(connection, alice.password + alice.code(), ['select 7'])).stdout, '7', host)
  }
})

t.test('a wrong code, a wrong password and an unknown user get the same answer, and no session', async t => {
  const gateway = await gatewayWithOrders(t)
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const answers = [
    await psql(to(gateway), `${alice.password}000000`, ['select 1']),
    await psql(to(gateway), `wrong${alice.code()}`, ['select 1']),
    await psql(to(gateway, 'sslmode=require', 'nobody+dba+orders'), `wrong${alice.code()}`, ['select 1']),
  ]
  const texts = answers.map(({ stderr }) => stderr.replace(/ses_\w+/, 'ses').replace(/port \d+/, 'port'))
  t.match(texts[0], /FATAL: +LOGIN_REFUSED: .*\(session ses\)\nHINT: .*one-time code/)
  t.equal(texts[1], texts[0])
  t.equal(texts[2], texts[0])
  t.same(await gateway.parts.sessions.list({}), [])
})

t.test('a code counts once, unless the role remembers a fresh one for a time', async t => {
  const strict = await gatewayWithOrders(t)
  const alice = await strict.addUser({ name: 'alice', roles: ['dba'] })
  const answer = alice.password + alice.code()
  t.equal((await psql(to(strict), answer, ['select 1'])).stdout, '1')
  t.match((await psql(to(strict), answer, ['select 1'])).stderr, 'LOGIN_REFUSED')

  const lenient = await gatewayWithOrders(t, '5m')
  const bob = await lenient.addUser({ name: 'bob', roles: ['dba'] })
  const login = to(lenient, 'sslmode=require', 'bob+orders')
  const again = await psql(login, bob.password + bob.code(), ['select 1', '\\c', 'select current_user'])
  t.equal(again.stdout, '1\ndba', 'psql reconnects with the same answer')
  t.match((await psql(login, `wrong${bob.code()}`, ['select 1'])).stderr, 'LOGIN_REFUSED', 'the password still counts')
})

t.test('without TLS nobody is even asked for a password', async t => {
  const gateway = await gatewayWithOrders(t)
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const answer = await psql(to(gateway, 'sslmode=disable'), alice.password + alice.code(), ['select 1'])
  t.match(answer.stderr, /FATAL: +TLS_REQUIRED.*\nHINT: .*sslmode=require/)
})

t.test('what policy does not give is denied with its code, and by SQLSTATE', async t => {
  const gateway = await gatewayWithOrders(t)
  const eve = await gateway.addUser({ name: 'eve', roles: [] })
  const answer = await psql(to(gateway, 'sslmode=require', 'eve+dba+orders'), eve.password + eve.code(), ['select 1'])
  t.match(answer.stderr, /ACCESS_DENIED|LOGIN_REFUSED/)
  t.equal(answer.stdout, '')
})

t.test('an administrator ends the session: psql reads why, and the statement that ran is in the recording', async t => {
  const gateway = await gatewayWithOrders(t)
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const result = psql(to(gateway), alice.password + alice.code(), ['select pg_sleep(300)'])
  const running = `select count(*) from pg_stat_activity where query = 'select pg_sleep(300)' and state = 'active'`
  while ((await target.psql(running)) === '0');
  const [session] = await gateway.parts.sessions.list({})
  await gateway.parts.live.kill(session!.id)
  t.match((await result).stderr, `FATAL:  Sallyport: an administrator ended the session (session ${session!.id})`)
  while ((await target.psql(running)) !== '0');
  t.equal((await gateway.ended(session!.id)).reason, 'killed')
  const recording = await gateway.parts.recordings.read(session!.id)
  const texts: string[] = []
  for await (const event of recording) if (event.type === 'statement') texts.push(event.text)
  t.same(texts, ['select pg_sleep(300)'])
})

t.test('psql that leaves to ask its user for the password is no refused login', async t => {
  const gateway = await gatewayWithOrders(t)
  await gateway.addUser({ name: 'alice', roles: ['dba'] })
  // An empty password is none for libpq: it leaves at the question, as it does before psql asks at the terminal.
  t.not((await psql(`${to(gateway)} passfile=/nonexistent`, '', ['select 1'])).code, 0)
  await gateway.stop()
  const kinds = (await auditOf(gateway)).map(event => event.kind)
  t.notOk(kinds.includes('login.refused'))
})

async function auditOf(gateway: TestGateway) {
  const store = await openDatabase(gateway.config.database)
  try {
    return await store.selectFrom('audit_events').select('kind').orderBy('seq').execute()
  } finally {
    await store.destroy()
  }
}
