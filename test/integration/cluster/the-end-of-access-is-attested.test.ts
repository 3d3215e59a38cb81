/** Two gateways on one store: what is left when access that was given for a time is over is found, ended or told, whoever dies meanwhile. */

import { spawn } from 'node:child_process'
import { userInfo } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { Actor } from '../../../src/access-requests/actor.ts'
import type { Attestation } from '../../../src/access-requests/attest/attestation.ts'
import { createRequests } from '../../../src/access-requests/requests.ts'
import { planAttestation, planRequestJobs } from '../../../src/gateway/access-request-jobs.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

t.setTimeout(240_000)

if (userInfo().uid !== 0) {
  t.pass('an account of its own is made by root alone')
  process.exit()
}

const two = await startTwoGateways({ role: {} })
const { gateway, other, publicKeys } = two
const { parts } = gateway
const { database, requests } = parts
const sshd = await startSshd({ passwordAccount: true })
t.teardown(() => sshd.stop())
const login = sshd.passwordAccount!
const target = (await parts.targets.get('orders'))!
await sql`CREATE ROLE reports LOGIN PASSWORD 'reports-4711'`.execute(database)

await gateway.addTarget(
  {
    ...{ name: 'web-02', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: login.name, checkOut: {} }],
  },
  { [login.name]: { kind: 'password', password: new Secret(login.password) } },
)
await gateway.addTarget(
  {
    ...{ name: 'figures', protocol: 'postgres', host: target.host, port: target.port, tls: 'disable' },
    accounts: [{ name: 'reports' }],
  },
  { reports: { kind: 'password', password: new Secret('reports-4711') } },
)
const ops = {
  ...{
    name: 'ops',
    targets: { names: ['web-02', 'figures'] },
    accounts: {},
    factors: [['publickey' as const], ['password' as const]],
  },
  checkOut: {},
  onRequest: [{ accounts: { names: [login.name, 'reports'] }, approvers: ['role:leads'], freshFactor: false }],
}
await gateway.addRole(ops)
await gateway.addRole({ name: 'leads', targets: {}, accounts: {} })
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
await gateway.addUser({ name: 'lee', roles: ['leads'] })
await parts.rotationPolicies.put(
  rotationPolicySchema.parse({ name: 'attested', targets: { names: ['web-02'] }, attest: true }),
)
await parts.rotationPolicies.put(
  rotationPolicySchema.parse({ name: 'figures', targets: { names: ['figures'] }, attest: true, after: ['session'] }),
)
await parts.live.accessChanged()

const as = (user: string, role: string): Actor => ({
  ...{ user, roles: [role], proven: new Set(['publickey'] as const), sourceAddress: '127.0.0.1' },
})

async function given(account: string, on: string): Promise<string> {
  const { request } = await requests.ask(as('alice', 'ops'), { account, on: { target: on }, reason: 'INC-4711' })
  await requests.approve(as('lee', 'leads'), request.id, {})
  return request.id
}

async function attested(id: string): Promise<Attestation> {
  for (;;) {
    const found = await requests.attestationOf(id)
    if (found !== undefined) return found
    await setTimeout(100)
  }
}

const processesOf = async () =>
  (await sql<{ pid: number }>`SELECT pid FROM pg_stat_activity WHERE usename = 'reports'`.execute(database)).rows

t.test('what runs on in the background is listed, and is an alert', async t => {
  const id = await given(login.name, 'web-02')
  const command =
    'nohup sleep 4711 >/dev/null 2>&1 & setsid tail -f /dev/null >/dev/null 2>&1 & echo it-began; exec cat'
  const session = two.ssh(other.ssh, `alice+${login.name}+web-02`, command)
  await session.printed(/it-began/)
  await requests.revoke(id, 'owner', 'enough')
  t.match((await session.ended).stderr, /the access that was approved for a time is over/)
  const { result, sessions } = await attested(id)
  t.equal(result, 'left')
  t.match(sessions, [{ endReason: 'request-ended', client: 'closed', target: 'closed' }])
  const [{ atTarget }] = sessions as [Attestation['sessions'][number]]
  t.match(atTarget, { is: 'seen', connection: 'gone' }, 'the host has nothing of the connection')
  const left = atTarget !== 'not-asked' && atTarget.is === 'seen' ? atTarget.left : []
  t.same(left.map(({ what }) => what).sort(), ['sleep', 'tail'])
  for (const one of left) process.kill(Number(one.id.split(' ')[1]), 'SIGKILL')
  await parts.audit.flush()
  const event = await database
    .selectFrom('audit_events')
    .select('data')
    .where('kind', '=', 'access-request.attested')
    .execute()
  t.match(
    event.map(({ data }) => JSON.parse(data)),
    [{ request: id, user: 'alice', result: 'left', counts: { left: 2 } }],
  )
})

t.test('a backend whose client went in a long statement is found by its number, and ended', async t => {
  const id = await given('reports', 'figures')
  const { host, port } = gateway.postgres!
  const address = `host=${host} port=${port} dbname=postgres sslmode=require user=alice+reports+figures`
  const client = spawn('psql', ['-X', address, '-c', 'select pg_sleep(600)'], {
    env: { ...process.env, PGPASSWORD: alice.password },
    stdio: 'ignore',
  })
  while ((await processesOf()).length === 0) await setTimeout(50)
  const [{ pid }] = (await processesOf()) as [{ pid: number }]
  await setTimeout(200)
  client.kill('SIGKILL')
  while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(50)
  t.same(await processesOf(), [{ pid }], 'the server has not noticed')
  await requests.cancel(as('alice', 'ops'), id)
  const { result, sessions, rotations } = await attested(id)
  t.match(sessions, [{ client: 'closed', target: 'closed', atTarget: { is: 'seen', connection: 'ended', left: [] } }])
  t.same(rotations, [{ account: 'reports@figures', state: 'rotated', words: '' }], 'as its policy says')
  t.equal(result, 'gone')
  t.same(await processesOf(), [])
})

t.test(
  'a gateway that dies in the moment after access ended leaves no session open, and the end is attested',
  async t => {
    const id = await given(login.name, 'web-02')
    const session = two.ssh(other.ssh, `alice+${login.name}+web-02`, 'echo it-began; exec cat')
    await session.printed(/it-began/)
    // All that a gateway does in the transaction, and nothing of what it does after that.
    const { outbox, access, users, roles, targets, cluster, storeClock: clock, schedule } = parts
    const dead = await createRequests({
      ...{ database, outbox, audit: parts.audit, access, users, roles, targets, clock },
      cluster: { subscribe: cluster.subscribe, publish: async () => undefined },
      jobs: planRequestJobs(schedule),
      reviewer: {} as never,
      endUses: async () => undefined,
      count: () => undefined,
    })
    dead.onTransition(planAttestation({ schedule, clock }))
    await dead.revoke(id, 'owner', 'and then it died')
    await dead.close()
    t.match((await session.ended).stderr, /the access that was approved for a time is over/)
    t.match(await attested(id), { result: 'gone', sessions: [{ client: 'closed', target: 'closed' }] })
  },
)

t.test('a check-out that hangs on it is returned, and that is attested, however it ends', async t => {
  const address = { account: login.name, target: 'web-02' }
  const entry = (await parts.targets.get('web-02'))!
  const user = (await parts.users.get('alice'))!
  const { onRequest: _, ...noOffer } = ops
  const ends: Record<string, { end(id: string): Promise<unknown>; back?(): Promise<unknown> }> = {
    'it is revoked': { end: id => requests.revoke(id, 'owner', undefined) },
    'it is given back': { end: id => requests.cancel(as('alice', 'ops'), id) },
    'the user is disabled': {
      end: () => parts.users.put({ ...user, disabled: true }),
      back: () => parts.users.put(user),
    },
    'the user loses the role': {
      end: () => parts.users.put({ ...user, roles: [] }),
      back: () => parts.users.put(user),
    },
    'the role does not offer it any more': {
      end: () => gateway.addRole({ ...noOffer, accounts: { names: ['nobody'] } }),
      back: () => gateway.addRole(ops),
    },
    'the target is gone': { end: () => parts.targets.remove('web-02'), back: () => parts.targets.put(entry) },
  }
  for (const [how, { end, back }] of Object.entries(ends)) {
    const id = await given(login.name, 'web-02')
    const taken = await parts.checkOuts.take(as('alice', 'ops'), address, { reason: 'INC-4711' })
    if (!taken.taken) throw new Error(how)
    await end(id)
    await parts.live.accessChanged()
    const { checkOuts } = await attested(id)
    t.match(checkOuts, [{ checkOut: taken.checkOut.id, account: `${login.name}@web-02`, state: 'returned' }], how)
    await back?.()
    await parts.live.accessChanged()
  }
})

t.test(
  'of a gateway that was killed nobody knows whether its sockets are closed, and what is open at the target is seen',
  async t => {
    const id = await given(login.name, 'web-02')
    const session = two.ssh(other.ssh, `alice+${login.name}+web-02`, 'echo it-began; exec cat')
    await session.printed(/it-began/)
    await other.child.end('SIGKILL')
    await requests.revoke(id, 'owner', 'it is dead')
    while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(100)
    t.equal(await requests.attestationOf(id), undefined, 'it is looked again for a while')
    // As if that while were over.
    await database
      .updateTable('access_requests')
      .set({ ended_at: clock() - 11 * 60_000 })
      .where('id', '=', id)
      .execute()
    const { result, sessions } = await attested(id)
    t.equal(result, 'unknown')
    t.match(sessions, [
      { endReason: 'interrupted', client: 'unknown', target: 'unknown', atTarget: { is: 'seen', connection: 'gone' } },
    ])
  },
)

const clock = () => parts.storeClock.now()
