/** Two gateways on one store: what is left when access that was given for a time is over is found, ended or told, whoever dies meanwhile. */

import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { Actor } from '../../../src/access-requests/actor.ts'
import type { Attestation } from '../../../src/access-requests/attest/attestation.ts'
import { createRequests } from '../../../src/access-requests/requests.ts'
import { planAttestation, planRequestJobs } from '../../../src/gateway/access-request-jobs.ts'
import { applyResources } from '../../../src/resources/apply.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { startPgbouncerProcess } from '../../support/start-pgbouncer.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

t.setTimeout(240_000)

if (userInfo().uid !== 0) {
  t.plan(0, 'an account of its own is made by root alone')
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
for (const role of ['reports', 'behind', 'app_a', 'app_b'])
  await sql.raw(`CREATE ROLE ${role} LOGIN PASSWORD '${role}-4711'`).execute(database)

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
const pooler = await startPgbouncerProcess({
  folder: join(t.testdir(), 'pooler'),
  databases: [`* = host=${target.host} port=${target.port}`],
  ...{ user: 'behind', password: 'behind-4711' },
})
t.teardown(() => pooler.stop())
await gateway.addTarget(
  {
    ...{ name: 'pooled', protocol: 'postgres', host: pooler.host, port: pooler.port, tls: 'disable' },
    accounts: [{ name: 'behind' }],
  },
  { behind: { kind: 'password', password: new Secret('behind-4711') } },
)
const turns = {
  ...{ name: 'turns', protocol: 'postgres' as const, host: target.host, port: target.port, tls: 'disable' as const },
  accounts: [{ name: 'app', logins: ['app_a', 'app_b'] as [string, string] }],
}
const appLogin = (name: string) => ({ kind: 'password', password: new Secret(`${name}-4711`), login: name }) as const
await gateway.addTarget(turns, { app: appLogin('app_a') })
const ops = {
  ...{
    name: 'ops',
    targets: { names: ['web-02', 'figures', 'pooled', 'turns'] },
    accounts: {},
    factors: [['publickey' as const], ['password' as const]],
  },
  checkOut: {},
  onRequest: [
    { accounts: { names: [login.name, 'reports', 'behind', 'app'] }, approvers: ['role:leads'], freshFactor: false },
  ],
}
await gateway.addRole(ops)
await gateway.addRole({ name: 'leads', targets: {}, accounts: {} })
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
await gateway.addUser({ name: 'lee', roles: ['leads'] })
await parts.rotationPolicies.put(
  rotationPolicySchema.parse({ name: 'attested', targets: { names: ['web-02', 'pooled', 'turns'] }, attest: true }),
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

/** How often a target was logged in to for it. */
async function questions(): Promise<number> {
  const used = database.selectFrom('audit_events').select('data').where('kind', '=', 'credential.used-for-rotation')
  return (await used.execute()).filter(({ data }) => JSON.parse(data).for === 'attest').length
}

/** As if it had been looked for as long as it is. */
async function afterAWhile(id: string): Promise<void> {
  await database
    .updateTable('access_requests')
    .set({ ended_at: parts.storeClock.now() - 11 * 60_000 })
    .where('id', '=', id)
    .execute()
}

async function attested(id: string): Promise<Attestation> {
  for (;;) {
    const found = await requests.attestationOf(id)
    if (found !== undefined) return found
    await setTimeout(100)
  }
}

const ofRole = (role: string) => sql<{ pid: number }>`SELECT pid FROM pg_stat_activity WHERE usename = ${role}`
const processesOf = async (role = 'reports') => (await ofRole(role).execute(database)).rows

/** A client that is killed in a long statement: the server notices that only at its end. */
async function killedInStatement(account: string, on: string, role: string): Promise<number> {
  const { host, port } = gateway.postgres!
  const address = `host=${host} port=${port} dbname=postgres sslmode=require user=alice+${account}+${on}`
  const client = spawn('psql', ['-X', address, '-c', 'select pg_sleep(600)'], {
    env: { ...process.env, PGPASSWORD: alice.password },
    stdio: 'ignore',
  })
  let sleeping: { pid: number }[] = []
  while (sleeping.length === 0) {
    await setTimeout(50)
    sleeping = (await sql<{ pid: number }>`${ofRole(role)} AND wait_event = 'PgSleep'`.execute(database)).rows
  }
  const [{ pid }] = sleeping as [{ pid: number }]
  client.kill('SIGKILL')
  while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(50)
  return pid
}

t.test('what runs on in the background is listed, and is an alert', async t => {
  const id = await given(login.name, 'web-02')
  // As `su` does, it becomes root; who began it stays.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o755)
  copyFileSync('/usr/bin/sleep', join(folder, 'nap'))
  chmodSync(join(folder, 'nap'), 0o4755)
  const command = `nohup sleep 4711 >/dev/null 2>&1 & setsid tail -f /dev/null >/dev/null 2>&1 & ${folder}/nap 4712 >/dev/null 2>&1 & echo it-began; exec cat`
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
  t.same(left.map(({ what }) => what).sort(), ['nap', 'sleep', 'tail'])
  for (const one of left) process.kill(Number(one.id.split(' ')[1]), 'SIGKILL')
  const written = database.selectFrom('audit_events').select('data').where('kind', '=', 'access-request.attested')
  // Whichever gateway has it.
  while ((await written.execute()).length === 0) await setTimeout(100)
  t.match(
    (await written.execute()).map(({ data }) => JSON.parse(data)),
    [{ request: id, user: 'alice', result: 'left', counts: { left: 3 } }],
  )
})

t.test('sessions on two gateways that end since the role of their request was edited end for one reason', async t => {
  const id = await given(login.name, 'web-02')
  const open = [gateway, other].map(at => two.ssh(at.ssh!, `alice+${login.name}+web-02`, 'echo it-began; exec cat'))
  await Promise.all(open.map(session => session.printed(/it-began/)))
  const { onRequest: _, ...edited } = ops
  const text = JSON.stringify({ kind: 'role', ...edited })
  await applyResources([{ name: 'ops.yaml', text }], { database, clock: parts.storeClock, connectors: new Map() })
  await parts.live.accessChanged()
  for (const { stderr } of await Promise.all(open.map(session => session.ended)))
    t.match(stderr, /the access that was approved for a time is over/)
  t.match(
    (await attested(id)).sessions.map(({ endReason }) => endReason),
    ['request-ended', 'request-ended'],
  )
  await gateway.addRole(ops)
  await parts.live.accessChanged()
})

t.test('a backend whose client went in a long statement is found by its number, and ended', async t => {
  const id = await given('reports', 'figures')
  const pid = await killedInStatement('reports', 'figures', 'reports')
  t.same(await processesOf(), [{ pid }], 'the server has not noticed')
  await requests.cancel(as('alice', 'ops'), id)
  const { result, sessions, rotations } = await attested(id)
  t.match(sessions, [{ client: 'closed', target: 'closed', atTarget: { is: 'seen', connection: 'ended', left: [] } }])
  t.same(rotations, [{ account: 'reports@figures', state: 'rotated', words: '' }], 'as its policy says')
  t.equal(result, 'gone')
  t.same(await processesOf(), [])
})

t.test('behind a pooler no process is known, and none is said to be gone', async t => {
  const id = await given('behind', 'pooled')
  const pid = await killedInStatement('behind', 'pooled', 'behind')
  await requests.cancel(as('alice', 'ops'), id)
  await afterAWhile(id)
  t.match(await attested(id), {
    result: 'unknown',
    sessions: [
      { client: 'closed', target: 'closed', atTarget: { is: 'unknown', words: /a connection pooler stands/ } },
    ],
  })
  await sql`SELECT pg_terminate_backend(${pid})`.execute(database)
})

t.test('of an account with two logins, the one that the session had is asked about', async t => {
  const id = await given('app', 'turns')
  await killedInStatement('app', 'turns', 'app_a')
  await parts.vault.setCredential({ account: 'app', target: 'turns' }, appLogin('app_b'), 'test')
  await requests.cancel(as('alice', 'ops'), id)
  t.match(await attested(id), { result: 'gone', sessions: [{ atTarget: { is: 'seen', connection: 'ended' } }] })
  t.same(await processesOf('app_a'), [])
})

t.test('a target that has another address by now does not tell what is left at the one before', async t => {
  const id = await given('app', 'turns')
  await killedInStatement('app', 'turns', 'app_b')
  await gateway.addTarget({ ...turns, host: 'localhost' }, { app: appLogin('app_b') })
  await requests.cancel(as('alice', 'ops'), id)
  await afterAWhile(id)
  const words = `they were at ${turns.host}:${turns.port}, and the target is at localhost:${turns.port} by now`
  t.match(await attested(id), { result: 'unknown', sessions: [{ atTarget: { is: 'unknown', words } }] })
})

t.test(
  'a gateway that dies in the moment after access ended leaves no session open, and the end is attested',
  async t => {
    const began = async () => {
      const id = await given(login.name, 'web-02')
      const session = two.ssh(other.ssh, `alice+${login.name}+web-02`, 'echo it-began; exec cat')
      await session.printed(/it-began/)
      return { id, session }
    }
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
    const untold = await began()
    await dead.revoke(untold.id, 'owner', 'and nobody hears of it')
    t.match(
      (await untold.session.ended).stderr,
      /the access that was approved for a time is over/,
      'before it is attested',
    )
    dead.onTransition(planAttestation({ schedule, clock }))
    const { id, session } = await began()
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
  const over: { how: string; id: string; checkOut: string }[] = []
  for (const [how, { end, back }] of Object.entries(ends)) {
    const id = await given(login.name, 'web-02')
    const taken = await parts.checkOuts.take(as('alice', 'ops'), address, { reason: 'INC-4711' })
    if (!taken.taken) throw new Error(how)
    await end(id)
    await parts.live.accessChanged()
    over.push({ how, id, checkOut: taken.checkOut.id })
    while ((await parts.checkOuts.get(taken.checkOut.id))?.state.is === 'open') await setTimeout(50)
    await back?.()
    await parts.live.accessChanged()
  }
  for (const { how, id, checkOut } of over) {
    const { checkOuts } = await attested(id)
    t.match(checkOuts, [{ checkOut, account: `${login.name}@web-02`, state: 'returned' }], how)
  }
})

t.test(
  'of a gateway that was killed nobody knows whether its sockets are closed, and what is open at the target is seen',
  async t => {
    const id = await given(login.name, 'web-02')
    const session = two.ssh(other.ssh, `alice+${login.name}+web-02`, 'echo it-began; exec cat')
    await session.printed(/it-began/)
    const before = await questions()
    await other.child.end('SIGKILL')
    await requests.revoke(id, 'owner', 'it is dead')
    while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(100)
    t.equal(await requests.attestationOf(id), undefined, 'it is looked again for a while')
    await afterAWhile(id)
    const { result, sessions } = await attested(id)
    t.equal(result, 'unknown')
    t.match(sessions, [
      { endReason: 'interrupted', client: 'unknown', target: 'unknown', atTarget: { is: 'seen', connection: 'gone' } },
    ])
    t.equal((await questions()) - before, 1, 'the target was logged in to once')
  },
)
