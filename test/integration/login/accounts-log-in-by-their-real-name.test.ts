/** An account's plain name stands in login strings, policy and records; the target is asked for its real login, byte for byte. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPasswordHost } from '../../support/start-password-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

/** What directories, clouds and old databases call their accounts. */
const LOGINS = [
  'svc@corp.local',
  'CORP\\svc',
  'app@project-1.iam',
  'Report User',
  'größe',
  'gro\u0308ße',
  'app+ro',
  'svc$',
  '"quoted" \'; drop role x; --',
  ' edges ',
  '用户',
]
const PASSWORD = 'of the vault'
const accounts = LOGINS.map((login, index) => ({ name: `a${index}`, login }))
const names = accounts.map(({ name }) => name)

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
await gateway.addRole({
  name: 'all',
  targets: { names: ['*'] },
  accounts: { names: [...names, 'root'] },
  rememberFactor: '1h',
})
await gateway.addRole({
  name: 'keys',
  targets: { names: ['box', 'web-01'] },
  accounts: { names: [...names, 'root'] },
  factors: [['publickey']],
})

t.test('PostgreSQL: roles that need quotes, also with MD5, which hashes the login', async t => {
  const quoted = (login: string) => `"${login.replaceAll('"', '""')}"`
  const role = (login: string) => `create role ${quoted(login)} login password '${PASSWORD}'`
  const orders = await startPostgres({
    sql: [...LOGINS.slice(0, -1).map(role), `set password_encryption = md5`, role(LOGINS.at(-1)!)].join(';'),
    hba: ['host all all 127.0.0.1/32 md5'],
  })
  t.teardown(() => orders.stop())
  const material = { kind: 'password', password: new Secret(PASSWORD) } as const
  await gateway.addTarget(
    {
      name: 'orders',
      protocol: 'postgres',
      host: orders.host,
      port: orders.port,
      tls: 'disable',
      authentication: ['scram-sha-256', 'md5'],
      accounts,
    },
    Object.fromEntries(names.map(name => [name, material])),
  )
  const bob = await gateway.addUser({ name: 'bob', roles: ['all'] })
  const answer = `${bob.password}${bob.code()}`
  for (const { name, login } of accounts) {
    const connection = `host=localhost port=${gateway.postgres!.port} user=bob+${name}+orders sslmode=require`
    const { stdout, stderr } = await psql(connection, answer, ['select session_user, current_database()'])
    t.equal(stdout, `${login}|postgres`, `${login} ${stderr}`)
    const [row] = await gateway.parts.sessions.list({ limit: 1 })
    t.match(row, { account: name, target: 'orders', details: { login } })
  }
  const events = await gateway.parts.database
    .selectFrom('audit_events')
    .select(['kind', 'data'])
    .orderBy('seq')
    .execute()
  const started = events.filter(({ kind }) => kind === 'session.started').map(({ data }) => JSON.parse(data))
  t.match(
    started,
    accounts.map(({ name, login }) => ({ account: `${name}@orders`, login })),
  )
})

t.test('SSH: the login is what the target is asked for, and the account what is recorded', async t => {
  const box = await startPasswordHost(t)
  const material = { kind: 'password', password: new Secret(PASSWORD) } as const
  await gateway.addTarget(
    {
      name: 'box',
      protocol: 'ssh',
      host: box.host,
      port: box.port,
      hostKeys: box.hostKeys,
      accounts,
    },
    Object.fromEntries(names.map(name => [name, material])),
  )
  // A real sshd, where the machine has such a user: the login is root's, the account has another name.
  const sshd = await startSshd()
  t.teardown(() => sshd.stop())
  const { host, port, hostKeys, account: login, privateKey } = sshd
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: 'a0', login }] },
    { a0: { kind: 'private-key', privateKey: new Secret(privateKey) } },
  )
  const identityFile = makeKey(sshd.folder, 'carol', 'ed25519')
  await gateway.addUser({
    name: 'carol',
    roles: ['keys'],
    publicKeys: [readFileSync(`${identityFile}.pub`, 'utf8').trim()],
  })
  const ssh = (account: string, target: string, command: string) =>
    startClient(
      'ssh',
      [
        '-F',
        'none',
        ...clientOptions({ identityFile }),
        '-p',
        String(gateway.ssh!.port),
        '-l',
        `carol+${account}+${target}`,
        '127.0.0.1',
        command,
      ],
      { identityFile },
    ).ended
  for (const { name } of accounts) t.match(await ssh(name, 'box', 'true'), { status: 0 }, name)
  t.same(
    box.given,
    LOGINS.map(each => [each, PASSWORD]),
  )
  t.match(await ssh('a0', 'web-01', 'id -un'), { status: 0, stdout: execFileSync('id', ['-un'], { encoding: 'utf8' }) })
})
