/** Two gateways on one store: where a role allows one live session at a time, that holds on both, in both protocols, and when one of them is killed. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startRedis } from '../../support/start-redis.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

const cleanup = new AsyncDisposableStack()
t.teardown(() => cleanup.disposeAsync())
const [postgres, redis, sshd] = await Promise.all([startPostgres(), startRedis(), startSshd()])
for (const server of [postgres, redis, sshd]) cleanup.defer(() => server.stop())
const gateway = await startTestGateway({
  configure(config) {
    config.database = postgres.url()
    config.cluster.redis = redis.url
  },
})
cleanup.defer(() => gateway.close())
const { parts } = gateway

const { account } = sshd
const { superuser, superPassword } = postgres
const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
await gateway.addRole({
  ...{ name: 'admins', targets: { names: ['web-01', 'orders'] }, accounts: { names: [account, superuser] } },
  factors: [['publickey'], ['password']],
  session: { live: 'one' },
})
await gateway.addTarget(
  {
    ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: account }],
  },
  { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
)
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
    accounts: [{ name: superuser }],
  },
  { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
)
const alice = await gateway.addUser({ name: 'alice', roles: ['admins'], publicKeys })
await gateway.addUser({ name: 'bob', roles: ['admins'], publicKeys })
const here = gateway.ssh!
const other = await startGatewayProcess(gateway, { dataFolder: join(gateway.folder, 'other'), postgres: true })
cleanup.defer(() => other.child.end('SIGKILL'))

const ssh = (at: { host: string; port: number }, user: string, command: string) => {
  const login = ['-p', String(at.port), '-l', `${user}+${account}+web-01`, at.host, command]
  return startClient('ssh', ['-F', 'none', ...clientOptions({ identityFile }), ...login], { identityFile })
}
const sql = ({ host, port }: { host: string; port: number }) => {
  const server = `host=${host} port=${port} dbname=postgres sslmode=require`
  return psql(`${server} user=alice+${superuser}+orders`, alice.password, ['-c', 'select 1'])
}

t.test('while one is live no other begins, on either gateway and in either protocol', async t => {
  const first = ssh(other.ssh, 'alice', 'echo it-began; exec cat')
  await first.printed(/it-began/)
  const [row] = await parts.sessions.list({ user: 'alice', state: 'live' })
  for (const at of [here, other.ssh]) {
    const { status, stderr } = await ssh(at, 'alice', 'true').ended
    t.equal(status, 255)
    t.match(
      stderr,
      new RegExp(
        `You have a live session, ${row!.id} \\(${account}@web-01 from 127.0.0.1 since .*SESSION_ALREADY_LIVE`,
      ),
    )
  }
  for (const at of [gateway.postgres!, other.postgres!]) {
    const { code, stderr } = await sql(at)
    t.equal(code, 2)
    t.match(
      stderr,
      /FATAL: +SESSION_ALREADY_LIVE: You have a live session, ses_.*\nHINT: +Close the other connection first/,
    )
  }
  t.equal((await ssh(here, 'bob', 'true').ended).status, 0, 'it is of one user')
  first.stdin.end()
  t.equal((await first.ended).status, 0, 'the first is not disturbed')
  const refused = await parts.database
    .selectFrom('audit_events')
    .select('data')
    .where('kind', '=', 'session.refused')
    .where('actor', '=', 'alice')
    .execute()
  t.equal(refused.filter(({ data }) => data.includes(`${row!.id} is live, and admins allows one`)).length, 4)
})

t.test('one after the other they begin, however quickly', async t => {
  for (const at of [here, other.ssh, here, other.ssh]) t.equal((await ssh(at, 'alice', 'true').ended).status, 0)
  t.equal((await sql(gateway.postgres!)).code, 0)
  t.equal((await ssh(other.ssh, 'alice', 'true').ended).status, 0)
})

t.test('of two logins at one instant one begins', async t => {
  const both = [here, other.ssh].map(at => ssh(at, 'alice', 'echo it-began; exec cat'))
  const began = await Promise.all(both.map(one => Promise.race([one.printed(/it-began/).then(() => one), one.ended])))
  t.equal(began.filter(one => 'stdin' in one).length, 1)
  for (const one of both) one.stdin.end()
  t.same((await Promise.all(both.map(({ ended }) => ended))).map(({ status }) => status).sort(), [0, 255])
})

t.test('a gateway that is killed shuts nobody out for longer than it takes to be found dead', async t => {
  const first = ssh(other.ssh, 'alice', 'echo it-began; exec sleep 600')
  await first.printed(/it-began/)
  await other.child.end('SIGKILL')
  t.match((await ssh(here, 'alice', 'true').ended).stderr, /SESSION_ALREADY_LIVE/, 'nobody knows yet that it is dead')
  while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(100)
  t.equal((await ssh(here, 'alice', 'true').ended).status, 0)
})
