import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const run = promisify(execFile)
const target = await startPostgres({ settings: { max_wal_senders: 4, wal_level: 'replica' } })
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port },
  account: target.superuser,
  password: target.superPassword,
})
t.teardown(() => front.close())

const login = 'alice+postgres+orders'
const to = (database = 'postgres') =>
  `host=localhost port=${front.port} user=${login} dbname=${database} sslmode=require`
const env = { ...process.env, PGPASSWORD: RIGHT_ANSWER }

t.test('a database is dumped and restored through the gate, unchanged', async t => {
  await target.psql('create database source')
  await target.psql('create database copy')
  await target.psql(
    `create table a as select n, md5(n::text) as text, decode(md5(n::text), 'hex') as bytes from generate_series(1, 20000) n`,
    'source',
  )
  const file = join(t.testdir(), 'dump')
  await run('pg_dump', ['-Fc', '-f', file, to('source')], { env })
  await run('pg_restore', ['-d', to('copy'), file], { env })
  const digest = 'select md5(string_agg(a::text, chr(10) order by n)) from a'
  t.equal(await target.psql(digest, 'copy'), await target.psql(digest, 'source'))
})

t.test('\\copy moves a file in and out, byte by byte', async t => {
  const folder = t.testdir()
  const lines = Array.from({ length: 30_000 }, (_, n) => `${n}\tline ${n} äöü`).join('\n')
  writeFileSync(join(folder, 'in'), `${lines}\n`)
  const before = front.facts.length
  await psql(to(), RIGHT_ANSWER, [
    'create table copied (n int, text text)',
    `\\copy copied from ${join(folder, 'in')}`,
    `\\copy (select * from copied order by n) to ${join(folder, 'out')}`,
  ])
  t.ok(readFileSync(join(folder, 'in')).equals(readFileSync(join(folder, 'out'))))
  const bytes = Buffer.byteLength(lines) + 1
  t.match(
    front.facts.slice(before).filter(fact => fact.type === 'copy'),
    [
      { direction: 'in', bytes },
      { direction: 'out', bytes },
    ],
  )
})

t.test('pgbench runs simple, extended and prepared', async t => {
  await run('pgbench', ['-i', '-q', '-s', '1', target.url()])
  for (const mode of ['simple', 'extended', 'prepared']) {
    const { stdout } = await run('pgbench', ['-n', '-M', mode, '-c', '4', '-t', '20', to()], { env })
    t.match(stdout, 'actually processed: 80/80', mode)
  }
})

t.test('node-postgres binds values; they are in the recording with rows and duration', async t => {
  const client = new pg.Client({
    host: 'localhost',
    port: front.port,
    user: login,
    password: RIGHT_ANSWER,
    database: 'postgres',
    ssl: { ca: front.certificatePem },
  })
  await client.connect()
  const values = [7, 'seven', null, Buffer.from('cafe', 'hex')]
  const { rows } = await client.query('select $1::int as a, $2::text as b, $3::text as c, $4::bytea as d', values)
  t.same(rows, [{ a: 7, b: 'seven', c: null, d: Buffer.from('cafe', 'hex') }])
  await t.rejects(client.query('select $1::int', ['not a number']), { code: '22P02' })
  t.match((await client.query('select 1 as still')).rows, [{ still: 1 }])
  await client.end()
  t.match(
    front.statements().find(({ parameters }) => parameters?.includes('seven')),
    { protocol: 'extended', parameters: ['7', 'seven', null, /cafe/], rows: 1, tag: 'SELECT 1' },
  )
  t.match(front.statements().find(({ error }) => error?.sqlstate === '22P02')?.parameters, ['not a number'])
})

t.test('notifications arrive, notices and warnings too', async t => {
  const options = {
    host: 'localhost',
    port: front.port,
    user: login,
    password: RIGHT_ANSWER,
    database: 'postgres',
    ssl: { ca: front.certificatePem },
  }
  const client = new pg.Client(options)
  await client.connect()
  await client.query('listen orders')
  const heard = once(client, 'notification')
  await target.psql(`notify orders, 'order 66'`)
  t.match(await heard, [{ channel: 'orders', payload: 'order 66' }])
  const told = once(client, 'notice')
  await client.query(`do $$ begin raise notice 'from the target'; end $$`)
  t.match(await told, [{ message: 'from the target' }])
  const fromGateway = once(client, 'notice')
  front.notify('the gateway stops at noon')
  t.match(await fromGateway, [{ message: 'the gateway stops at noon', severity: 'NOTICE' }])
  t.match((await client.query('select 1 as still')).rows, [{ still: 1 }])
  await client.end()
})

t.test('a statement of 20 MB passes; the recording keeps its head and its hash', async t => {
  const input = `select length('${'x'.repeat(20_000_000)}');\n`
  const { stdout } = await psql(to(), RIGHT_ANSWER, [], { input })
  t.equal(stdout, '20000000')
  const recorded = front.statements().find(({ text }) => text.startsWith('select length('))!
  t.match(recorded, { text: `select length('[hidden]'`, cut: { bytes: 20_000_018 } })
  const whole = front.protectedParts.get(recorded)!
  t.match(whole, { text: /^select length\('x{1000000}/, sha256: /^[0-9a-f]{64}$/ })
  t.ok(whole.text!.length < 1_100_000)
})

t.test('psycopg2 works, with parameters, errors and transactions', async t => {
  const script = `
import psycopg2, sys
c = psycopg2.connect(sys.argv[1])
k = c.cursor()
k.execute('create temp table t (a int)')
k.executemany('insert into t values (%s)', [(n,) for n in range(5)])
try:
    k.execute('select nonsense')
except psycopg2.Error as e:
    print(e.pgcode)
    c.rollback()
k.execute('select current_user')
print(k.fetchone()[0])
`
  const { stdout } = await run('/usr/bin/python3', ['-c', script, to()], { env })
  t.equal(stdout, '42703\npostgres\n')
})

t.test('the database is the one that the client names, else the one of the target, never the login name', async t => {
  const named = await psql(to('template1'), RIGHT_ANSWER, ['select current_database()'])
  t.equal(named.stdout, 'template1')
  const uri = `postgresql://alice%2Bpostgres%2Borders@localhost:${front.port}/?sslmode=require`
  t.equal((await psql(uri, RIGHT_ANSWER, ['select current_database()'])).stdout, 'postgres')
  const missing = await psql(to('nowhere'), RIGHT_ANSWER, ['select 1'])
  t.match(missing.stderr, /TARGET_LOGIN_FAILED: The target orders says: database "nowhere" does not exist/)
})

t.test('settings of the client reach the target, dangerous ones are refused by name', async t => {
  const environment = { PGOPTIONS: '-c statement_timeout=1234', PGTZ: 'Asia/Tokyo', PGAPPNAME: 'my tool' }
  const shown = await psql(to(), RIGHT_ANSWER, ['show statement_timeout', 'show timezone', 'show application_name'], {
    environment,
  })
  t.equal(shown.stdout, '1234ms\nAsia/Tokyo\nmy tool')
  const refused = await psql(to(), RIGHT_ANSWER, ['select 1'], { environment: { PGOPTIONS: '-c log_statement=none' } })
  t.match(refused.stderr, /CHANNEL_DENIED: The startup parameter "log_statement" is not passed on/)
})

t.test('replication needs its own channel', async t => {
  const refused = await psql(`${to()} replication=database`, RIGHT_ANSWER, ['IDENTIFY_SYSTEM'])
  t.match(refused.stderr, 'CHANNEL_DENIED: Your role does not allow replication')
  const allowing = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
    channels: ['sql', 'replication'],
  })
  t.teardown(() => allowing.close())
  const connection = `host=localhost port=${allowing.port} user=${login} dbname=postgres sslmode=require replication=database`
  t.match((await psql(connection, RIGHT_ANSWER, ['IDENTIFY_SYSTEM'])).stdout, /^\d+\|1\|/)
})
