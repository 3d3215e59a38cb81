/** What people see of rotations: `sallyport credential rotate`, `verify`, `reconcile`, `rotations` and `status`, the API, metrics and the audit log; on a real PostgreSQL and a real sshd. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { ListedRotation, Outcome, StatusAnswer } from '../../../src/api/routes/rotations.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { callApi } from '../../support/call-api.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const server = await startPostgres({
  sql: "create role app login password 'the first'; create role batch login password 'the first'",
})
t.teardown(() => server.stop())
const { host, port, superuser, superPassword } = server
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', database: 'postgres' },
    accounts: [{ name: 'app' }, { name: 'batch' }, { name: superuser }],
  },
  { app: password('the first'), batch: password('the first'), [superuser]: password(superPassword) },
)
await gateway.parts.rotationPolicies.put(
  rotationPolicySchema.parse({ name: 'databases', targets: { names: ['orders'] }, reconcile: superuser }),
)

const run = (...argv: string[]) => asOwner(gateway, ['credential', ...argv], { columns: 80, env: { NO_COLOR: '1' } })

t.test('rotated, and said in one line; then it is verified', async t => {
  const planned = await run('rotate', 'app@orders', '--dry-run')
  t.match(
    planned.stdout,
    'app@orders would be rotated by postgres-role, under the policy databases; version 1 is in force.',
  )
  const rotated = await run('rotate', 'app@orders')
  t.same({ ...rotated }, { ...rotated, exit: 0, stdout: 'Version 2 of app@orders is in force.\n', stderr: '' })
  t.match(await run('verify', 'app@orders'), { exit: 0, stdout: 'Version 2 of app@orders logs in.\n' })
  const again = await asOwner(gateway, ['--json', 'credential', 'rotate', 'app@orders'])
  t.match(again.json<Outcome>(), { result: 'rotated', version: 3, words: '' })
})

t.test('what was changed elsewhere is said, with what to do; reconcile mends it', async t => {
  await server.psql("alter role app password 'of somebody else'")
  const refused = await run('rotate', 'app@orders')
  t.equal(refused.exit, 1)
  t.match(
    refused.stderr,
    /^sallyport: app@orders: not rotated, because the target refuses what is in force; somebody changed it there: .*28P01/,
  )
  t.match(refused.stderr, 'sallyport credential reconcile app@orders')
  const verified = await run('verify', 'app@orders')
  t.match(verified, { exit: 1, stderr: /somebody changed it there/ })
  const status = await run('status')
  t.equal(status.exit, 1)
  t.match(status.stdout, /^3 accounts: 0 due, 0 overdue, 1 failed, 0 unknown, 2 never verified, 0 open\.$/m)
  t.match(status.stdout, /^app@orders +failed +/m)
  for (const line of status.stdout.split('\n')) t.ok(line.length <= 80, line)
  t.match(await run('reconcile', 'app@orders'), { exit: 0, stdout: /^Version \d of app@orders is in force\.$/m })
  t.match(await run('status'), { exit: 0, stderr: 'Nothing needs attention.\n' })
})

t.test('which rotations there were, how all accounts stand, page by page', async t => {
  const { rotations } = (await asOwner(gateway, ['--json', 'credential', 'rotations'])).json<{
    rotations: ListedRotation[]
  }>()
  t.match(
    rotations.map(({ way, state }) => `${way} ${state}`),
    ['reconcile finished', 'rotate backed-out', 'rotate finished', 'rotate finished'],
  )
  const page = (
    await asOwner(gateway, ['--json', 'credential', 'rotations', '--limit', '1', '--before', rotations[0]!.id])
  ).json<{ rotations: ListedRotation[] }>()
  t.same(page.rotations, [rotations[1]])
  const listed = await run('rotations', 'app@orders')
  for (const line of listed.stdout.split('\n')) t.ok(line.length <= 80, line)
  const status = async (...options: string[]) =>
    (await asOwner(gateway, ['--json', 'credential', 'status', ...options])).json<StatusAnswer>()
  const all = await status('--all')
  t.same(
    all.accounts.map(({ account }) => account),
    ['app', 'batch', superuser].sort(),
  )
  t.match(all.accounts[0], {
    account: 'app',
    state: 'ok',
    policy: 'databases',
    verifiedResult: 'works',
    rotation: null,
  })
  t.same(
    (await status('--all', '--limit', '1', '--after', 'app@orders')).accounts.map(({ account }) => account),
    ['batch'],
  )
  t.same(
    (await status('--never-verified')).accounts.map(({ account }) => account),
    ['batch', superuser],
  )
  t.same((await status('batch@orders')).accounts.length, 1)
  t.match(await run('status', '--after', 'nonsense'), { exit: 2 })
})

t.test(
  "a session's login that the target refuses has the credential verified, and what was changed elsewhere said",
  async t => {
    await server.psql("create role late login password 'of somebody else'")
    const entry = (await gateway.parts.targets.get('orders'))!
    await gateway.parts.targets.put({
      ...entry,
      accounts: [...entry.accounts, { name: 'late', level: 'basic', default: false }],
    })
    const late = { account: 'late', target: 'orders' }
    await gateway.parts.vault.setCredential(late, password('the first'), 'test')
    await gateway.addRole({
      name: 'users',
      targets: { names: ['orders'] },
      accounts: { names: ['late'] },
      factors: [['password']],
    })
    const alice = await gateway.addUser({ name: 'alice', roles: ['users'] })
    const { host, port } = gateway.postgres!
    const at = `host=${host} port=${port} user=alice+late+orders dbname=postgres sslmode=require`
    t.not((await psql(at, alice.password, ['select 1'])).code, 0)
    const isSaid = async () =>
      (await gateway.parts.audit.list({ kind: 'credential.changed-elsewhere', limit: 1000 })).some(({ data }) =>
        data.includes('late@orders'),
      )
    while (!(await isSaid())) await setTimeout(50)
    t.match(await run('status', 'late@orders'), { stdout: /^late@orders +failed /m })
  },
)

t.test('open sessions on the account are told, or end where the policy says so', async t => {
  t.match(await run('reconcile', 'late@orders'), { exit: 0 })
  const alice = { password: 'correct horse alice' }
  const { host, port } = gateway.postgres!
  const at = `host=${host} port=${port} user=alice+late+orders dbname=postgres sslmode=require`
  const env = { ...process.env, PGPASSWORD: alice.password }
  const session = spawn('psql', ['-X', at, '-c', 'select pg_sleep(600)'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => session.kill())
  let said = ''
  session.stderr.on('data', text => (said += text))
  const isActive = async () =>
    (await gateway.parts.sessions.list({ state: 'live' })).find(({ state }) => state === 'active')
  while ((await isActive()) === undefined) await setTimeout(50)
  const { id } = (await isActive())!
  t.match(await run('rotate', 'late@orders'), { exit: 0 })
  while (!said.includes('The credential of late@orders was rotated')) await setTimeout(50)
  const policy = (await gateway.parts.rotationPolicies.get('databases'))!
  await gateway.parts.rotationPolicies.put({ ...policy, openSessions: 'cut' })
  const gone = once(session, 'exit')
  t.match(await run('rotate', 'late@orders'), { exit: 0 })
  await gone
  t.match(said, 'the credential of the account was rotated')
  t.equal((await gateway.ended(id)).reason, 'credential-rotated')
})

t.test('only who may rotate does', async t => {
  await gateway.addUser({ name: 'carol', roles: [] })
  const token = async (scopes: string) => {
    const made = await asOwner(gateway, [
      '--json',
      'token',
      'create',
      `t-${scopes}`,
      '--user',
      'carol',
      '--scope',
      scopes,
    ])
    return made.json<{ token: string }>().token
  }
  for (const [scope, status] of [
    ['administrate', 403],
    ['rotate', 200],
  ] as const) {
    const value = await token(scope)
    for (const what of ['rotate', 'verify', 'reconcile']) {
      const answer = await callApi(gateway, `/v1/credentials/orders/batch/${what}`, {
        method: 'POST',
        token: value,
        body: {},
      })
      t.equal(answer.status, status, `${what} with ${scope}`)
    }
  }
})

t.test('it is counted, and audited with who asked for it, and no secret is in what was said', async t => {
  const metrics = (await callApi(gateway, '/metrics', { socket: true })).body
  t.match(metrics, /sallyport_rotations_total\{way="rotate",result="finished"\} [1-9]/)
  t.match(metrics, /sallyport_rotation_seconds_count\{way="reconcile",result="finished"\} 2/)
  await gateway.parts.audit.flush()
  const events = await gateway.parts.audit.list({ limit: 1000 })
  for (const kind of [
    'rotation.applying',
    'rotation.finished',
    'credential.used-for-rotation',
    'credential.changed-elsewhere',
  ])
    t.ok(
      events.some(event => event.kind === kind && event.actor === 'owner'),
      kind,
    )
  t.notMatch(`${gateway.logLines.join('\n')}${JSON.stringify(events)}`, /the first|of somebody else|SCRAM-SHA-256\$/)
})

t.test('the password of a Linux account is rotated over SSH', { skip: whyNoLinuxHost() ?? false }, async t => {
  const linux = await startLinuxHost({ accounts: [{ name: 'deploy', password: 'the first' }] })
  t.teardown(() => linux.stop())
  await gateway.addTarget(linux.target, {
    deploy: password('the first'),
    root: { kind: 'private-key', privateKey: new Secret(linux.rootKey) },
  })
  await gateway.parts.rotationPolicies.put(
    rotationPolicySchema.parse({ name: 'hosts', targets: { names: ['web-01'] }, reconcile: 'root' }),
  )
  t.match(await run('rotate', 'deploy@web-01'), { exit: 0, stdout: 'Version 2 of deploy@web-01 is in force.\n' })
  t.match(await run('verify', 'deploy@web-01'), { exit: 0 })
})
