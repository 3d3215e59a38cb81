import t from 'tap'
import type { ScheduledJob } from '../../../src/api/routes/schedule.ts'
import { SCOPES } from '../../../src/shared/scopes.ts'
import { callApi } from '../../support/call-api.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { schedule, database, audit } = gateway.parts

// No gateway does these: they stay as they are.
await schedule.plan({ kind: 'some-day', key: 'root@web-01', dueAt: gateway.clock.now() + 7_200_500 })
await schedule.plan({ kind: 'now', key: 'dba@orders', dueAt: gateway.clock.now() - 120_000, payload: { trigger: 'x' } })
await schedule.plan({ kind: 'broken', key: 'cho_1', dueAt: gateway.clock.now() - 60_000 })
const failure = { attempts: 3, last_error: 'web-01 does not answer.', failed_at: gateway.clock.now() - 30_000 }
await database.updateTable('jobs').set(failure).where('kind', '=', 'broken').execute()

/** What the gateway plans by itself. */
const OWN = /^(plan-rotations|delete-old-versions)\b/

const listed = async (...options: string[]) =>
  (await asOwner(gateway, ['schedule', 'list', '--json', ...options]))
    .json<{ jobs: ScheduledJob[] }>()
    .jobs.filter(({ kind }) => !OWN.test(kind))

t.test('who asks sees what is planned, for what, when, and what failed', async t => {
  const { stdout } = await asOwner(gateway, ['--no-color', 'schedule', 'list'], { columns: 120 })
  const lines = stdout.split('\n').filter(line => !OWN.test(line))
  t.match(lines[0], /^WHAT +FOR +DUE +STATE +LAST ERROR$/)
  t.match(lines[1], /^now +dba@orders +2m ago +due$/)
  t.match(lines[2], /^broken +cho_1 +1m ago +failed 3 times +web-01 does not answer\.$/)
  t.match(lines[3], /^some-day +root@web-01 +in (2h|1h 59m) +waiting$/)
})

t.test('a list can be asked for some of them', async t => {
  const kinds = async (...options: string[]) => (await listed(...options)).map(({ kind }) => kind)
  t.same(await kinds('--due'), ['now', 'broken'])
  t.same(await kinds('--failed'), ['broken'])
  t.same(await kinds('--state', 'waiting'), ['some-day'])
  t.same(await kinds('--key', 'dba@orders'), ['now'])
  t.same(await kinds('--kind', 'some-day'), ['some-day'])
  t.same(await kinds('--limit', '1'), ['now'])
  t.match(await listed('--kind', 'now'), [{ payload: { trigger: 'x' }, attempts: 0, lastError: null, gateway: null }])
  const wrong = await asOwner(gateway, ['schedule', 'list', '--state', 'tired'])
  t.equal(wrong.exit, 2)
})

t.test('what failed is tried again when somebody says so, and that is audited', async t => {
  const before = await listed('--kind', 'broken')
  const { stdout, exit } = await asOwner(gateway, ['schedule', 'retry', 'broken', 'cho_1'])
  t.equal(exit, 0)
  t.equal(stdout, 'broken of cho_1 is due now.\n')
  t.ok((await listed('--kind', 'broken'))[0]!.dueAt > before[0]!.dueAt)
  const [event] = await audit.list({ kind: 'job.retried' })
  t.match(JSON.parse(event!.data), { job: 'broken', for: 'cho_1', lastError: 'web-01 does not answer.' })
})

t.test('nothing comes before its time: only what failed is tried again', async t => {
  const { exit, stderr } = await asOwner(gateway, ['schedule', 'retry', 'some-day', 'root@web-01'])
  t.equal(exit, 1)
  t.match(stderr, /did not fail, or runs now/)
  t.equal((await asOwner(gateway, ['schedule', 'retry', 'rotate', 'root@web-01'])).exit, 1)
})

t.test('a rotation is tried again by who may rotate, and everything else by who operates', async t => {
  await gateway.addUser({ name: 'ada', roles: [] })
  const tokenOf = async (scope: string) =>
    (await asOwner(gateway, ['token', 'create', scope, '--user', 'ada', '--scope', scope, '--json'])).json<{
      token: string
    }>().token
  const tokens = Object.fromEntries(
    await Promise.all(SCOPES.filter(scope => scope !== 'own').map(async scope => [scope, await tokenOf(scope)])),
  ) as Record<string, string>
  const rotates = ['rotate', 'verify', 'rotate-batch', 'plan-rotations', 'tell-dependents']
  for (const kind of [...rotates, 'check-out-end', 'some-day']) {
    await database.deleteFrom('jobs').where('kind', '=', kind).execute()
    await schedule.plan({ kind, key: 'nobody@nowhere', dueAt: gateway.clock.now() + 7_200_000 })
    const [job] = await schedule.list({ kind })
    for (const [scope, token] of Object.entries(tokens)) {
      const { status } = await callApi(gateway, `/v1/schedule/${job!.id}/retry`, { method: 'POST', token })
      // It did not fail: whoever may have it tried again is told that.
      const wanted = rotates.includes(kind) ? 'rotate' : 'operate'
      t.equal(status, scope === wanted ? 409 : 403, `${kind} with ${scope}`)
    }
  }
})
