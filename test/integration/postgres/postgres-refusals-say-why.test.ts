/** What a person reads when a database login fails: the true reason, last, whatever the client does with it. */

import { chmodSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { removeFolder, run } from '../../support/child.ts'
import { cstring, frame, RawClient, startup } from '../../support/postgres-bytes.ts'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPgbouncerProcess } from '../../support/start-pgbouncer.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const PASSWORD = 'only the vault knows'
const accounts = ['dba', 'nologin', 'crowded', 'cleartext', 'shut']
const server = await startPostgres({
  tls: true,
  hba: ['host all cleartext 127.0.0.1/32 password', 'host all shut 127.0.0.1/32 reject'],
  sql: `create role dba login superuser password '${PASSWORD}';
    create role nologin password '${PASSWORD}';
    create role crowded login connection limit 0 password '${PASSWORD}';
    create role cleartext login password '${PASSWORD}';
    create role shut login password '${PASSWORD}'`,
})
t.teardown(() => server.stop())
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bouncer-'))
chmodSync(folder, 0o755)
t.teardown(() => removeFolder(folder))
const bouncer = await startPgbouncerProcess({
  folder: join(folder, 'pgbouncer'),
  databases: [`postgres = host=${server.host} port=${server.port}`],
  user: 'dba',
  password: PASSWORD,
})
t.teardown(() => bouncer.stop())

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const everything = { targets: { names: ['*'] }, accounts: { names: accounts }, databases: ['*'] }
await gateway.addRole({ ...everything, name: 'once' })
await gateway.addRole({ ...everything, name: 'often', rememberFactor: '5m' })
const credential = { kind: 'password', password: new Secret(PASSWORD) } as const
const credentials = Object.fromEntries(accounts.map(name => [name, credential]))
const target = {
  protocol: 'postgres',
  host: 'localhost',
  ca: readFileSync(server.caFile!, 'utf8'),
  databases: ['*'],
  authentication: ['scram-sha-256', 'password'],
  accounts: accounts.map(name => ({ name })),
} as const
const mutable = {
  ...target,
  databases: ['*'],
  authentication: [...target.authentication],
  accounts: [...target.accounts],
}
await gateway.addTarget({ ...mutable, name: 'orders', port: server.port }, credentials)
await gateway.addTarget({ ...mutable, name: 'down', port: 1 }, credentials)
await gateway.addTarget(
  { ...mutable, name: 'pooled', port: bouncer.port, tls: 'disable', authentication: ['scram-sha-256'] },
  { dba: credential },
)
const alice = await gateway.addUser({ name: 'alice', roles: ['once'] })
const bob = await gateway.addUser({ name: 'bob', roles: ['often'] })

interface Login {
  account?: string
  to?: string
  database?: string
  sslmode?: string
  options?: string
}

/** The errors that psql shows, without the ids. */
async function errors(answer: string, login: Login = {}, user = alice): Promise<string[]> {
  const { account = 'dba', to = 'orders', database = 'postgres', sslmode = 'require', options } = login
  const connection = `host=localhost port=${gateway.postgres!.port} user=${user.name}+${account}+${to} dbname=${database} sslmode=${sslmode}`
  const environment: Record<string, string> = options === undefined ? {} : { PGOPTIONS: options }
  const { stderr } = await psql(connection, answer, ['select 1'], { environment })
  return [...stderr.matchAll(/FATAL: +(.*) \(session ses_\w+\)/g)].map(match => match[1]!)
}

const usedAnswer = alice.password + alice.code()
await errors(usedAnswer)

t.test('who shows the right password and a code that has counted is told so, and nobody else', async t => {
  const [used] = await errors(usedAnswer)
  t.match(used, /^LOGIN_REFUSED: This one-time code has counted already, .*pg_dump -j, \\c, pools.*rememberFactor/)
  const code = usedAnswer.slice(-6)
  const [wrongPassword] = await errors(`wrong${code}`)
  t.match(wrongPassword, 'LOGIN_REFUSED: The login was refused.')
  t.same(await errors(`${alice.password}000000`), [wrongPassword], 'a wrong code')
  t.same(await errors(`${bob.password}${code}`, {}, bob), [wrongPassword], "another person's")
  t.same(await errors(usedAnswer, {}, { ...alice, name: 'nobody' }), [wrongPassword], 'nobody')
})

t.test('explain names the setting that lets a code count for several connections', async t => {
  const explain = async (user: string) => await asOwner(gateway, ['explain', user, 'dba@orders'])
  t.match((await explain('alice')).stdout, /code +good for one connection; .*pg_dump -j, \\c.*rememberFactor/)
  t.match((await explain('bob')).stdout, /code +counts again for 5m .*rememberFactor/)
  const json = await asOwner(gateway, ['explain', 'bob', 'dba@orders', '--json'])
  t.match(json.json(), { given: { rememberFactorMs: 300_000 } })
})

t.test('pg_dump -j and \\c work with rememberFactor', async t => {
  const connection = `host=localhost port=${gateway.postgres!.port} user=bob+dba+orders dbname=postgres sslmode=require`
  const answer = bob.password + bob.code()
  await server.psql('create table a as select 1; create table b as select 2')
  const dump = ['-Fd', '-j', '3', '-f', join(t.testdir(), 'dump'), connection]
  await run('pg_dump', dump, { env: { ...process.env, PGPASSWORD: answer } })
  const again = await psql(connection, answer, ['select 1', '\\c template1', 'select current_database()'])
  t.equal(again.stdout, '1\ntemplate1')
})

t.test("a target's refusal reaches the person as what it is", async t => {
  const answer = bob.password + bob.code()
  const says = async (login: Login) => (await errors(answer, login, bob)).join()
  for (const [login, expected] of [
    [{ database: 'nowhere' }, 'The target orders says: database "nowhere" does not exist [SQLSTATE 3D000]'],
    [{ account: 'nologin' }, 'The target orders says: role "nologin" is not permitted to log in [SQLSTATE 28000]'],
    [{ account: 'crowded' }, 'The target orders says: too many connections for role "crowded" [SQLSTATE 53300]'],
    [
      { to: 'pooled', options: '-c statement_timeout=1s' },
      'The target pooled says: unsupported startup parameter: statement_timeout [SQLSTATE 08P01]',
    ],
    [{ to: 'pooled', database: 'nowhere' }, /The target pooled says: no such database: nowhere/],
    [{ account: 'shut' }, /The target orders says: pg_hba.conf rejects connection .*\[SQLSTATE 28000\]/],
    [
      { account: 'cleartext', database: 'nowhere' },
      'The target orders refused the login (SQLSTATE 3D000); its words are withheld, as they could hold the credential.',
    ],
  ] as [Login, string | RegExp][]) {
    const said = await says(login)
    if (typeof expected === 'string') t.equal(said, `TARGET_LOGIN_FAILED: ${expected}`)
    else t.match(said, expected)
  }
  const [event] = await gateway.parts.audit.list({ kind: 'session.refused', limit: 1 })
  t.notMatch(JSON.stringify(event), 'does not exist', 'nor does the audit log quote who was told the password')
})

t.test('what it says of the credential is for the administrator', async t => {
  await gateway.parts.vault.setCredential(
    { account: 'dba', target: 'orders' },
    { kind: 'password', password: new Secret('an older one') },
    'test',
  )
  t.teardown(() => gateway.parts.vault.setCredential({ account: 'dba', target: 'orders' }, credential, 'test'))
  const said = await errors(alice.password + alice.code())
  t.same(said, [
    'TARGET_LOGIN_FAILED: The target orders did not accept the login of this account; ask its administrator.',
  ])
})

t.test('the client is told the SQLSTATE of the target', async t => {
  const front = await startPostgresFront({
    target: { port: server.port },
    account: 'dba',
    password: PASSWORD,
    allowPlaintextFromLoopback: true,
  })
  t.teardown(() => front.close())
  const client = await RawClient.to(front.port)
  client.socket.write(startup({ user: 'alice+dba+orders', database: 'nowhere' }))
  await client.sees('R\0\0\0\x08\0\0\0\x03')
  client.socket.write(frame('p', cstring(RIGHT_ANSWER)))
  await client.closed()
  t.match(client.text, /SFATAL\0VFATAL\0C3D000\0MTARGET_LOGIN_FAILED: The target orders says/)
})

t.test('sslmode=prefer, which tries again without TLS, ends with the true reason', async t => {
  const prefer = { sslmode: 'prefer' }
  const last = async (answer: string, login: Login, user = alice) =>
    (await errors(answer, { ...login, ...prefer }, user)).at(-1)
  t.match(await last('wrong', {}), 'LOGIN_REFUSED: The login was refused.')
  t.match(await last(usedAnswer, {}), 'LOGIN_REFUSED: This one-time code has counted already')
  t.match(await last(alice.password + alice.code(), { to: 'nowhere' }), 'ACCESS_DENIED')
  t.match(await last(alice.password + alice.code(), { to: 'down' }), 'TARGET_UNREACHABLE')
  t.match(await last(alice.password + alice.code(), { database: 'nowhere' }), 'database "nowhere" does not exist')
  t.match(await last(alice.password, {}, { ...alice, name: 'no!name' }), 'LOGIN_NAME_INVALID')
})

t.test('the reason is repeated once, for the same login name; without one it is TLS that is wanted', async t => {
  const plain = { sslmode: 'disable' }
  t.match(await errors('x', plain), [/^TLS_REQUIRED: /])
  await errors('')
  t.match(await errors('x', plain), [/^TLS_REQUIRED: /], 'who left at the question was told nothing')
  await errors('wrong')
  t.match(await errors('x', plain, bob), [/^TLS_REQUIRED: /], "nobody reads another's")
  t.match(await errors('x', plain), [/^LOGIN_REFUSED: /])
  t.match(await errors('x', plain), [/^TLS_REQUIRED: /])
})
