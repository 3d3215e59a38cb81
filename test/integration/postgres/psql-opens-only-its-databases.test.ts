import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { roleSchema } from '../../../src/policy/role.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { removeFolder } from '../../support/child.ts'
import { cstring, frame, packet, RawClient, startup } from '../../support/postgres-bytes.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway, type TestUser } from '../../support/start-gateway.ts'
import { startPgbouncerProcess } from '../../support/start-pgbouncer.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const PASSWORD = 'only the vault knows'
const LONG = `report_${'x'.repeat(56)}`
/** What is there, and what of it a clerk may open: `shop` and what begins with `report_`. */
const OPEN = ['shop', 'report_2026', LONG]
const SHUT = ['other', 'Shop', 'shop ', '"shop"', 'shop\\', 'größe', 'reports', 'dba', 'x=1 dbname=shop', 'a+b']

const server = await startPostgres({
  hba: ['host replication all 127.0.0.1/32 scram-sha-256'],
  settings: { log_connections: 'on', wal_level: 'logical' },
  sql: `create role dba login superuser password '${PASSWORD}'`,
})
t.teardown(() => server.stop())
for (const name of [...OPEN, ...SHUT]) await server.psql(`create database "${name.replaceAll('"', '""')}"`)

const bouncerFolder = mkdtempSync(join(tmpdir(), 'sallyport-bouncer-'))
chmodSync(bouncerFolder, 0o755)
t.teardown(() => removeFolder(bouncerFolder))
const bouncer = await startPgbouncerProcess({
  folder: join(bouncerFolder, 'pgbouncer'),
  databases: [
    `shop = host=${server.host} port=${server.port} dbname=report_2026`,
    `* = host=${server.host} port=${server.port}`,
  ],
  user: 'dba',
  password: PASSWORD,
  settings: ['admin_users = dba'],
})
t.teardown(() => bouncer.stop())

const gateway = await startTestGateway({
  configure(config) {
    // So that a test can spell the bytes.
    config.postgres.allowPlaintextFromLoopback = true
  },
})
t.teardown(() => gateway.close())
const dba = { dba: { kind: 'password', password: new Secret(PASSWORD) } } as const
const entry = { protocol: 'postgres', host: server.host, port: server.port, tls: 'disable' } as const
const accounts = [{ name: 'dba', level: 'admin' as const }]
const opened = ['shop', 'report_*']
await gateway.addTarget({ ...entry, name: 'orders', database: 'shop', databases: ['*'], accounts }, dba)
await gateway.addTarget({ ...entry, name: 'ledger', database: 'shop', accounts }, dba)
await gateway.addTarget({ ...entry, name: 'plain', accounts }, dba)
await gateway.addTarget({ ...entry, name: 'listed', database: 'shop', databases: opened, accounts }, dba)
await gateway.addTarget(
  { ...entry, name: 'pooled', port: bouncer.port, database: 'shop', databases: ['*'], accounts },
  dba,
)
const role = {
  accounts: { names: ['dba'] },
  targets: { names: ['*'] },
  channels: ['sql' as const, 'replication' as const],
  rememberFactor: '1h',
}
await gateway.addRole({ ...role, name: 'clerk', databases: opened })
await gateway.addRole({ ...role, name: 'everything', databases: ['*'] })
await gateway.addRole({ ...role, name: 'plain' })
const clerk = await gateway.addUser({ name: 'clerk', roles: ['clerk'] })
const root = await gateway.addUser({ name: 'root', roles: ['everything'] })
const plain = await gateway.addUser({ name: 'plain', roles: ['plain'] })
/** One answer each, remembered. */
const answers = new Map([clerk, root, plain].map(user => [user, user.password + user.codeAt(gateway.clock.now())]))

/** Logs in with these startup bytes; gives the database that the target says it is, or the refusal. */
async function attempt(user: TestUser, bytes: Buffer): Promise<string> {
  const client = await RawClient.to(gateway.postgres!.port)
  client.socket.write(bytes)
  const asksForPassword = 'R\0\0\0\x08\0\0\0\x03'
  await client.sees(/^E|R\0\0\0\x08\0\0\0\x03/).catch(() => undefined)
  if (!client.text.includes(asksForPassword)) {
    await client.closed()
    return refusalIn(client.text)
  }
  client.socket.write(frame('p', cstring(answers.get(user)!)))
  // An error by its severity: two bytes of it alone can stand in a cancel key, too.
  await client.sees(/Z\0\0\0\x05I|E\0\0[\s\S]{2}S(?:ERROR|FATAL)/)
  if (!client.text.includes('Z\0\0\0\x05I')) {
    await client.closed()
    return refusalIn(client.text)
  }
  client.socket.write(frame('Q', cstring('select current_database()')))
  await client.sees(/D\0[\s\S]*Z\0\0\0\x05I/)
  const name = /D\0\0\0[\s\S]\0\x01\0\0\0[\s\S]([^\0]*?)C\0/.exec(client.text)![1]!
  client.socket.end(frame('X'))
  await client.closed()
  return name
}

const refusalIn = (text: string) => /M([A-Z_]+):/.exec(text)?.[1] ?? JSON.stringify(text)
const as = (user: TestUser, target: string, more: Record<string, string> = {}) =>
  startup({ user: `${user.name}+dba+${target}`, ...more })
const to = (user: TestUser, target: string, database: string) =>
  `host=localhost port=${gateway.postgres!.port} user=${user.name}+dba+${target} dbname='${database.replace(/[\\']/g, '\\$&')}' sslmode=require`

t.test('a role opens the databases that it names, byte by byte, and no other', async t => {
  for (const database of OPEN) t.equal(await attempt(clerk, as(clerk, 'orders', { database })), database)
  for (const database of [...SHUT, 'template1', 'postgres', 'SHOP', 'shop\t', ' shop', 'nowhere']) {
    t.equal(await attempt(clerk, as(clerk, 'orders', { database })), 'ACCESS_DENIED', JSON.stringify(database))
  }
  for (const database of SHUT)
    t.equal((await psql(to(root, 'orders', database), answers.get(root)!, ['select 1'])).stdout, '1', database)
})

t.test(
  'who names no database gets the own one of the target: no name, an empty one, and the login name as libpq sends it',
  async t => {
    for (const more of [
      {} as Record<string, string>,
      { database: '' },
      { database: 'clerk+dba+orders' },
      { database: 'clerk dba orders' },
    ]) {
      t.equal(await attempt(clerk, as(clerk, 'orders', more)), 'shop', JSON.stringify(more))
    }
    t.equal(await attempt(plain, as(plain, 'plain')), 'postgres', 'of an entry that names none')
  },
)

t.test('without a list, role and target open the own database of the target alone', async t => {
  for (const [user, target, database, expected] of [
    [plain, 'orders', 'shop', 'shop'],
    [plain, 'orders', 'report_2026', 'ACCESS_DENIED'],
    [plain, 'plain', 'shop', 'ACCESS_DENIED'],
    [root, 'ledger', 'shop', 'shop'],
    [root, 'ledger', 'report_2026', 'ACCESS_DENIED'],
    [root, 'listed', 'report_2026', 'report_2026'],
    [root, 'listed', 'other', 'ACCESS_DENIED'],
  ] as const) {
    t.equal(await attempt(user, as(user, target, { database })), expected, `${user.name} ${target} ${database}`)
  }
})

t.test('who logs in with a password alone reads that it may be the database', async t => {
  await gateway.addRole({ ...role, name: 'brief', factors: [['password']] })
  const brief = await gateway.addUser({ name: 'brief', roles: ['brief'] })
  t.equal((await psql(to(brief, 'orders', 'shop'), brief.password, ['select 1'])).stdout, '1')
  const { stderr } = await psql(to(brief, 'orders', 'other'), brief.password, ['select 1'])
  t.match(stderr, 'LOGIN_REFUSED: The login was refused. Check the login name and the database, the password,')
})

t.test('no way around it leads anywhere else', async t => {
  const raw = (...texts: string[]) => packet(196608, ...texts.map(cstring), Buffer.alloc(1))
  const login = ['user', 'clerk+dba+orders']
  const ways: [string, Buffer, string][] = [
    ['named twice', raw(...login, 'database', 'shop', 'database', 'other'), 'PROTOCOL_VIOLATION'],
    [
      'named after the end',
      packet(196608, ...[...login, ''].map(cstring), cstring('database'), cstring('other')),
      'PROTOCOL_VIOLATION',
    ],
    ['another spelling of the word', raw(...login, 'DATABASE', 'other'), 'CHANNEL_DENIED'],
    ['the word of connection strings', raw(...login, 'dbname', 'other'), 'CHANNEL_DENIED'],
    ['a setting', raw(...login, 'options', '-c database=other'), 'CHANNEL_DENIED'],
    ['a long switch', raw(...login, 'options', '--dbname=other'), 'CHANNEL_DENIED'],
    ['a short switch', raw(...login, 'options', '-d other'), 'CHANNEL_DENIED'],
    ['a bare word', raw(...login, 'options', 'other'), 'CHANNEL_DENIED'],
    ['a protocol option', raw(...login, '_pq_.database', 'other'), 'shop'],
    ['a URI in the place of the name', raw(...login, 'database', 'postgresql:///other'), 'ACCESS_DENIED'],
    ['a connection string in its place', raw(...login, 'database', 'x=1 dbname=shop'), 'ACCESS_DENIED'],
    ['a name that the server cuts to one of the role', raw(...login, 'database', `${LONG}_of_another`), LONG],
    ['a letter that only looks so', raw(...login, 'database', 'ѕhop'), 'ACCESS_DENIED'],
    [
      'bytes that are no UTF-8',
      packet(196608, ...login.map(cstring), cstring('database'), Buffer.from('shop\xff\0', 'latin1'), Buffer.alloc(1)),
      'ACCESS_DENIED',
    ],
    [
      'the name of the account, which the server takes for want of one',
      raw(...login, 'database', 'dba'),
      'ACCESS_DENIED',
    ],
    [
      'the name of the account in the login',
      raw('user', 'clerk+dba+orders', 'database', 'clerk+dba+ledger'),
      'ACCESS_DENIED',
    ],
    ['protocol 3.2', startup({ user: 'clerk+dba+orders', database: 'other' }, 196610), 'ACCESS_DENIED'],
    ['logical replication', raw(...login, 'database', 'shop', 'replication', 'database'), 'CHANNEL_DENIED'],
    ['physical replication', raw(...login, 'replication', 'true'), 'CHANNEL_DENIED'],
    ['physical replication, by the first letter', raw(...login, 'replication', 't'), 'CHANNEL_DENIED'],
    ['physical replication, by number', raw(...login, 'database', 'shop', 'replication', '1'), 'CHANNEL_DENIED'],
    ['the console of a pooler', as(clerk, 'pooled', { database: 'pgbouncer' }), 'ACCESS_DENIED'],
    ['what a pooler calls otherwise', as(clerk, 'pooled', { database: 'other' }), 'ACCESS_DENIED'],
  ]
  for (const [way, bytes, expected] of ways) t.equal(await attempt(clerk, bytes), expected, way)

  const connect = await psql(to(clerk, 'orders', 'shop'), answers.get(clerk)!, [
    '\\c other',
    'select current_database()',
  ])
  t.notMatch(connect.stdout, 'other', 'psql by \\c')
  t.match(connect.stderr, 'ACCESS_DENIED')

  const reached = new Set(server.log().match(/connection authorized: user=dba database=\S+/g))
  t.notMatch([...reached].join(), /clerk/)
  const rows = await gateway.parts.sessions.list({ user: 'clerk', limit: 1000 })
  const databases = new Set(rows.map(row => row.details.database))
  t.same([...databases].sort(), [...OPEN].sort(), 'no session of the clerk was in any other')
})

t.test('a pooler is asked for the name that was decided about, whatever it makes of it', async t => {
  // Again and again: whatever it calls the process, which is another number each time.
  for (let i = 0; i < 8; i++) {
    t.equal(await attempt(clerk, as(clerk, 'pooled', { database: 'shop' })), 'report_2026')
  }
})

t.test('a replication connection could copy every database: role and target must both open all', async t => {
  // Why: the server takes commands for the whole cluster (BASE_BACKUP, physical slots) also on one that names a database.
  const replicating = `host=${server.host} port=${server.port} user=dba dbname=shop replication=database`
  t.match((await psql(replicating, PASSWORD, ['CREATE_REPLICATION_SLOT s TEMPORARY PHYSICAL'])).stdout, /^s\|/)
  const connection = (target: string) => `${to(root, target, 'shop')} replication=database`
  t.match((await psql(connection('orders'), answers.get(root)!, ['IDENTIFY_SYSTEM'])).stdout, /\|shop$/)
  t.match((await psql(connection('listed'), answers.get(root)!, ['IDENTIFY_SYSTEM'])).stderr, "need databases: ['*']")
})

t.test(
  'what is unknown and what is forbidden read the same; the audit log tells, and the session names its database',
  async t => {
    const words = async (database: string) =>
      (await psql(to(clerk, 'orders', database), answers.get(clerk)!, ['select 1'])).stderr.replace(/ses_\w+/, 'ses')
    const forbidden = await words('other')
    t.match(forbidden, /ACCESS_DENIED: .*\(session ses\)\nHINT: .*database/)
    t.equal(await words('nowhere'), forbidden)

    const denials = await gateway.parts.database
      .selectFrom('audit_events')
      .select('data')
      .where('kind', '=', 'decision.denied')
      .orderBy('seq', 'desc')
      .limit(1)
      .execute()
    t.match(denials[0]!.data, 'no role of the user allows dba@orders, database')
    await psql(to(clerk, 'orders', 'report_2026'), answers.get(clerk)!, ['select 1'])
    const [session] = await gateway.parts.sessions.list({ user: 'clerk', limit: 1 })
    t.match(session, { details: { database: 'report_2026' } })
    await gateway.ended(session!.id)
    const { recording } = (await gateway.parts.sessions.get(session!.id))!
    const file = readFileSync(join(gateway.config.recording.folder, recording))
    t.match(file.toString('latin1'), '"database":"report_2026"', 'in the header of the recording, in the clear')
  },
)

t.test('explain says which databases a user may open, and the session list which they did', async t => {
  const owner = (...argv: string[]) => asOwner(gateway, argv)
  t.match(await owner('explain', 'clerk', 'dba@orders', '--database', 'report_2026'), {
    exit: 0,
    stdout:
      /database +report_2026[\s\S]*✓ databases +shop, report_\* \(orders opens \*\); replication needs "\*" in both/,
  })
  const no = await owner('explain', 'clerk', 'dba@orders', '--database', 'other', '--json')
  t.match(no, { exit: 1 })
  t.match(no.json(), { allowed: false, verdict: 'No: no role of the user allows dba@orders, database "other".' })
  t.match((await owner('explain', 'clerk', 'orders', '--json')).json(), {
    given: { database: 'shop', channels: ['sql'] },
  })
  const list = (await owner('session', 'list', '--user', 'clerk', '--json')).json<{
    sessions: { database?: string }[]
  }>()
  t.ok(list.sessions.length > 0 && list.sessions.every(({ database }) => OPEN.includes(database ?? '')))
})

t.test('a session ends when its database is taken out of the role, and goes on when another is', async t => {
  const client = await RawClient.to(gateway.postgres!.port)
  client.socket.write(as(clerk, 'orders', { database: 'report_2026' }))
  await client.sees(/^R/)
  client.socket.write(frame('p', cstring(answers.get(clerk)!)))
  await client.sees('Z\0\0\0\x05I')
  const apply = async (databases: string[]) => {
    await gateway.parts.roles.put(roleSchema.parse({ ...role, name: 'clerk', databases }))
    await gateway.parts.live.accessChanged()
  }
  t.teardown(() => apply(opened))
  await apply(['report_*'])
  client.socket.write(frame('Q', cstring('select 42')))
  await client.sees('SELECT 1')
  const closed = once(client.socket, 'close')
  await apply(['shop'])
  await closed
  t.match(client.text, /57P01[\s\S]*the access was withdrawn/)
})
