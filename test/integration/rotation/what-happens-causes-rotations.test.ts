/** A gateway, a real PostgreSQL and policies: what happens to an account has its password changed by itself. */

import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const ROLES = ['typed', 'used', 'leaky', 'shown']
const server = await startPostgres({
  sql: ROLES.map(name => `create role ${name} login password 'first of ${name}'`).join(';'),
})
t.teardown(() => server.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { vault, schedule, audit, database, clock } = gateway.parts

const { host, port } = server
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', allowLocal: true, database: 'postgres' },
    accounts: ROLES.map(name => ({ name })),
  },
  Object.fromEntries(
    ROLES.map(name => [name, { kind: 'password' as const, password: new Secret(`first of ${name}`) }]),
  ),
)
await gateway.addRole({
  ...{ name: 'dba', targets: { names: ['orders'] }, accounts: { names: ROLES } },
  factors: [['password', 'totp']],
})
const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })

const addressOf = (account: string) => ({ account, target: 'orders' })
const logsIn = async (account: string) =>
  (await psql(`host=${host} port=${port} user=${account} dbname=postgres`, `first of ${account}`, ['select 1']))
    .code === 0

/** Once the account has this version in force, and nothing is due for it. */
async function rotatedTo(account: string, version: number) {
  const due = async () =>
    (await schedule.list({ kind: 'rotate', key: `${account}@orders`, dueBy: clock.now() })).length > 0
  while ((await vault.standing(addressOf(account)))?.version !== version || (await due())) await setTimeout(50)
  const [newest] = await vault.history(addressOf(account))
  return newest!
}

t.test('an account under a new policy has its times at once', async t => {
  const folder = t.testdir({
    'policies.yaml': `
- { kind: rotation-policy, name: 10-used, targets: { names: [orders] }, accounts: { names: [used] }, after: [session] }
- { kind: rotation-policy, name: 20-rest, targets: { names: [orders] }, every: 30d, verifyEvery: 1d }
`,
  })
  t.equal((await asOwner(gateway, ['apply', '-f', folder])).exit, 0)
  while ((await schedule.list({ kind: 'verify' })).length < 3) await setTimeout(50)
  const planned = (await schedule.list({ kind: 'rotate' })).map(({ key }) => key).sort()
  t.same(planned, ['leaky@orders', 'shown@orders', 'typed@orders'])
})

t.test('what is due is rotated by itself, and comes again after the interval', async t => {
  await schedule.plan({
    ...{ kind: 'rotate', key: 'typed@orders', dueAt: clock.now() },
    payload: { trigger: 'interval', by: 'gateway' },
  })
  t.match(await rotatedTo('typed', 2), { cause: 'rotated', trigger: 'interval' })
  t.equal(await logsIn('typed'), false, 'the server has another password')
  const [next] = await schedule.list({ kind: 'rotate', key: 'typed@orders' })
  t.equal(Math.round((next!.dueAt - clock.now()) / 86_400_000), 30)
})

t.test('after a session on it, where the policy says so', async t => {
  const connection = `host=localhost port=${gateway.postgres!.port} user=alice+used+orders sslmode=require`
  t.equal((await psql(connection, alice.password + alice.code(), ['select 1'])).stdout, '1')
  t.match(await rotatedTo('used', 2), { cause: 'rotated', trigger: 'session' })
  t.equal(await logsIn('used'), false)
})

t.test('when somebody says that it leaked', async t => {
  const wrong = await asOwner(gateway, ['credential', 'leaked', 'nobody@orders', '--reason', 'x'])
  t.equal(wrong.exit, 1)
  t.match(wrong.stderr, /The vault holds no credential for nobody@orders/)
  const told = await asOwner(gateway, ['credential', 'leaked', 'leaky@orders', '--reason', 'in a paste'])
  t.match(told.stdout, /leaky@orders is rotated now/)
  t.match(await rotatedTo('leaky', 2), { cause: 'rotated', trigger: 'leak' })
  const [event] = await audit.list({ kind: 'credential.leaked' })
  t.match(JSON.parse(event!.data), { account: 'leaky@orders', reason: 'in a paste' })
})

t.test('when a user goes who was shown it', async t => {
  // As a check-out that showed it leaves it.
  const times = { started_at: clock.now(), until: clock.now(), ended_at: clock.now() }
  const holder = { id: 'lea_shown', session: '', check_out: 'cho_shown', user: 'alice' }
  await database
    .insertInto('leases')
    .values({ ...holder, ...addressOf('shown'), credential_version: 1, ...times })
    .execute()
  const folder = t.testdir({ 'users.yaml': '{ kind: user, name: alice, roles: [dba], disabled: true }' })
  t.equal((await asOwner(gateway, ['apply', '-f', folder])).exit, 0)
  t.match(await rotatedTo('shown', 2), { cause: 'rotated', trigger: 'offboarding' })
  const states = await Promise.all(ROLES.map(async name => (await vault.standing(addressOf(name)))?.version))
  t.same(states, [2, 2, 2, 2], 'and nothing else with it')
})
