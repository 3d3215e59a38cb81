/** A gateway, a real PostgreSQL and policies: what happens to an account has its password changed by itself. */

import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const ROLES = ['typed', 'used', 'leaky', 'shown', 'held', 'late']
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
    ROLES.slice(0, -1).map(name => [name, { kind: 'password' as const, password: new Secret(`first of ${name}`) }]),
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
  while ((await schedule.list({ kind: 'verify' })).length < 4) await setTimeout(50)
  const planned = (await schedule.list({ kind: 'rotate' })).map(({ key }) => key).sort()
  t.same(planned, ['held@orders', 'leaky@orders', 'shown@orders', 'typed@orders'])
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
  t.same(states, [2, 2, 2, 2, 1, undefined], 'and nothing else with it')
})

t.test('many are rotated at once by hand, and each that fails is named', async t => {
  const only = ['--targets', 'orders', '--accounts']
  const dry = await asOwner(gateway, ['credential', 'rotate', ...only, 'typed,used', '--dry-run'])
  t.match(dry.stdout, /typed@orders +20-rest\nused@orders +10-used\n2 would be rotated; nothing was done\.\n/)
  // Somebody else changes one of them.
  await server.psql(`alter role used password 'another'`)
  const { stdout, exit } = await asOwner(gateway, ['credential', 'rotate', ...only, 'typed,used', '--parallel', '2'])
  t.equal(exit, 1)
  const lines = stdout.trimEnd().split('\n').sort()
  t.match(lines[0], /^1 of 2 rotated, 1 failed\.$/)
  t.match(lines[1], /^failed +used@orders +.*password/)
  t.match(lines[2], /^rotated +typed@orders$/)
  t.match(await rotatedTo('typed', 3), { cause: 'rotated', trigger: 'by-hand', createdBy: 'owner' })
  const seen = await asOwner(gateway, ['credential', 'rotate', ...only, 'typed,used'], { columns: 80 })
  t.match(seen.stdout, /\r\u001b\[K/, 'on a terminal a line is written again')
  t.match(seen.stdout, /failed +used@orders/)
  t.notMatch(seen.stdout, /rotated +typed@orders/, 'and what went well is counted alone')
  const listed = await asOwner(gateway, ['credential', 'batch', 'list', '--json'])
  const [batch] = listed.json<{ batches: { id: string }[] }>().batches
  const shown = await asOwner(gateway, ['credential', 'batch', 'show', batch!.id])
  t.match(shown.stdout, /^failed +used@orders.*\ndone: 1 of 2 rotated, 1 failed\.\n$/)
  t.match((await asOwner(gateway, ['credential', 'batch', 'stop', batch!.id])).stderr, /is over already/)
})

t.test('what selects nothing, or makes no sense, is told', async t => {
  const rotate = (...options: string[]) => asOwner(gateway, ['credential', 'rotate', ...options])
  for (const [options, exit, words] of [
    [[], 2, /Name an account, or select targets/],
    [['--accounts', 'root'], 2, /Name an account, or select targets/],
    [['typed@orders', '--targets', 'orders'], 2, /use one of them/],
    [['--selector', 'production'], 2, /"production" is not a label and its value/],
    [['--targets', 'orders', '--parallel', '0'], 2, /--parallel: "0" is not a number/],
    [['--targets', 'orders', '--parallel', '99'], 2, /parallel/],
    [['--targets', '*-web'], 2, /targets/],
    [['--targets', 'nothing-*'], 1, /The vault has no credential of an account that is selected/],
  ] as const) {
    const answer = await rotate(...options)
    t.equal(answer.exit, exit, options.join(' '))
    t.match(answer.stderr, words)
  }
})

t.test('while somebody has it alone it is not rotated, and then it is', async t => {
  const until = clock.now() + 4000
  await database
    .insertInto('check_outs')
    .values({
      ...{ id: 'cho_test', user: 'alice', ...addressOf('held'), exclusive: 1, way: 'inject', open_sessions: 'tell' },
      ...{ source: '127.0.0.1', proven: '', gateway: 'gw', started_at: clock.now(), until },
    })
    .execute()
  await schedule.plan({ kind: 'check-out-end', key: 'cho_test', dueAt: until })
  await asOwner(gateway, ['credential', 'leaked', 'held@orders', '--reason', 'in a paste'])
  for (;;) {
    const [job] = await schedule.list({ kind: 'rotate', key: 'held@orders' })
    if (job?.dueAt === until) break
    await setTimeout(20)
  }
  t.equal((await vault.standing(addressOf('held')))?.version, 1)
  t.match(await rotatedTo('held', 2), { cause: 'rotated', trigger: 'leak' })
  const [row] = await database.selectFrom('check_outs').selectAll().where('id', '=', 'cho_test').execute()
  // No role of hers offers it: who looks at what is checked out each minute may find that first.
  t.match(row?.end_reason, /^(?:time-over|access-withdrawn)$/)
})

t.test('an account whose credential is stored later gets its times, too', async () => {
  await asOwner(gateway, ['credential', 'set', 'late@orders', '--stdin'], { stdin: 'first of late' })
  while ((await schedule.list({ key: 'late@orders' })).length < 2) await setTimeout(100)
})
