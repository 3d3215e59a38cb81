/** A gateway with several worker processes is one gateway: codes, limits, kill, follow, cancel, health, the audit file, death. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate as tick } from 'node:timers/promises'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { type SshProcess, startSsh } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const cleanup = new AsyncDisposableStack()
t.teardown(() => cleanup.disposeAsync())
const [sshd, orders] = await Promise.all([startSshd(), startPostgres()])
for (const server of [sshd, orders]) cleanup.defer(() => server.stop())
const MAX_PER_SOURCE = 6
const gateway = await startTestGateway({
  configure(config) {
    config.workers = 2
    // Workers have a log of their own, on stdout.
    config.log.level = 'silent'
    config.audit.file = join(config.dataFolder, 'audit.jsonl')
    config.ssh.maxPerSource = MAX_PER_SOURCE
  },
})
cleanup.defer(() => gateway.close())
const { parts } = gateway

// A password is enough, so that tests need not wait for codes; workers have the machine's clock.
const alice = await addWeb01(gateway, sshd, { factors: [['password']] })
await gateway.addRole({
  name: 'dba',
  targets: { names: ['orders'] },
  accounts: { names: [orders.superuser] },
  factors: [['password', 'totp']],
})
await gateway.addTarget(
  {
    name: 'orders',
    protocol: 'postgres',
    host: orders.host,
    port: orders.port,
    tls: 'disable',
    accounts: [{ name: orders.superuser }],
  },
  { [orders.superuser]: { kind: 'password', password: new Secret(orders.superPassword) } },
)
const login = `alice+${sshd.account}+web-01`

async function openSession(): Promise<{ ssh: SshProcess; id: string; worker: string }> {
  const before = new Set((await parts.sessions.list()).map(row => row.id))
  const ssh = startSsh(gateway.ssh!, login, { password: alice.password }, 'echo ready; cat')
  await ssh.printed(/ready/)
  const row = (await parts.sessions.list()).find(({ id }) => !before.has(id))!
  return { ssh, id: row.id, worker: row.gateway }
}

/** Waits until the session is finalized, by whichever process. */
async function ended(id: string) {
  for (;;) {
    const row = await parts.sessions.get(id)
    if (row?.state === 'ended' && row.recording_hash !== null) return row
    await once(AbortSignal.timeout(20), 'abort')
  }
}

const auditFile = () =>
  readFileSync(gateway.config.audit.file!, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { kind: string; session: string | null; gateway: string })

/** Those of the workers that run, in the order in which they were started. */
function workerProcesses(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children
    .filter(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gateway/workers/main.ts'))
    .map(Number)
}

/** Workers are numbered as they are started: what is new here since it was last asked are the next ones. */
const processes: number[] = []
function processOf(worker: string): number {
  processes.push(...workerProcesses().filter(pid => !processes.includes(pid)))
  return processes[Number(worker.split('-')[1]) - 1]!
}

async function metrics(): Promise<string> {
  const [response] = (await once(get({ socketPath: gateway.api.socket!, path: '/metrics' }), 'response')) as [
    IncomingMessage,
  ]
  return text(response)
}

t.test('each connection goes to the worker with the fewest, and counts once', async t => {
  const [first, second] = [await openSession(), await openSession()]
  t.same([first.worker, second.worker].sort(), [`${parts.gateway}-1`, `${parts.gateway}-2`])

  const health = await asOwner(gateway, ['health', '--json'])
  t.match(health.json(), { status: 'ready', sessions: 2 })
  t.match(await metrics(), /^sallyport_sessions\{protocol="ssh"\} 2$/m)
  t.match(await metrics(), /^sallyport_logins_total\{protocol="ssh",result="accepted"\} 2$/m)

  for (const { ssh } of [first, second]) ssh.stdin.end()
  for (const { ssh, id } of [first, second]) {
    t.equal((await ssh.ended).status, 0)
    const row = await ended(id)
    const file = join(gateway.config.recording.folder, row.recording)
    t.match(await verifyRecording(file, parts.signer.publicKeyPem), { ok: true, hash: row.recording_hash })
  }
  t.match(await metrics(), /^sallyport_sessions\{protocol="ssh"\} 0$/m)
})

t.test('what the workers audit stands in the one file, in the order of the chain', async t => {
  const { ssh, id } = await openSession()
  ssh.stdin.end()
  await ended(id)
  while (!auditFile().some(({ kind, session }) => kind === 'session.ended' && session === id)) await tick()
  const events = auditFile()
  t.ok(
    events.some(event => event.kind === 'session.started' && event.session === id && event.gateway === parts.gateway),
  )
  const kinds = (await parts.audit.list({ limit: 1000 })).map(({ kind }) => kind)
  t.same(
    events.map(({ kind }) => kind),
    kinds.slice(0, events.length),
  )
  t.match(await parts.audit.verify(), { ok: true })
})

t.test('the limit of one source holds for all workers together, and places come back', async t => {
  const sockets = Array.from({ length: MAX_PER_SOURCE }, () => connect(gateway.ssh!))
  for (const socket of sockets) await once(socket, 'data')
  const refused = await startSsh(gateway.ssh!, login, { password: alice.password }, 'true').ended
  t.equal(refused.status, 255)
  const one = connect(gateway.ssh!)
  t.match(String((await once(one, 'data'))[0]), /too many connections/)
  for (const socket of sockets) socket.destroy()
  for (;;) {
    const { status } = await startSsh(gateway.ssh!, login, { password: alice.password }, 'true').ended
    if (status === 0) break
  }
  t.pass('there is room again')
})

t.test('a code counts once, and is remembered, whichever worker it comes to', async t => {
  const bob = await gateway.addUser({ name: 'bob', roles: ['dba'] })
  const { host, port } = gateway.postgres!
  const as = (password: string, ...commands: string[]) =>
    psql(
      `host=${host} port=${port} user=bob+${orders.superuser}+orders dbname=postgres sslmode=require`,
      password,
      commands,
    )
  const code = bob.codeAt(Date.now())
  // Side by side, so that both workers have them.
  const results = await Promise.all([1, 2, 3, 4].map(() => as(`${bob.password}${code}`, 'select 1')))
  t.equal(results.filter(result => result.code === 0).length, 1)
  for (const { code, stderr } of results)
    if (code !== 0) t.match(stderr, /LOGIN_REFUSED: This one-time code has counted already/)

  await gateway.addRole({
    name: 'dba',
    targets: { names: ['orders'] },
    accounts: { names: [orders.superuser] },
    factors: [['password', 'totp']],
    rememberFactor: 60_000,
  })
  const carol = await gateway.addUser({ name: 'carol', roles: ['dba'] })
  const login = `user=carol+${orders.superuser}+orders dbname=postgres sslmode=require`
  const pool = (password: string) => psql(`host=${host} port=${port} ${login}`, password, ['select 1'])
  t.equal((await pool(`${carol.password}${carol.codeAt(Date.now())}`)).code, 0)
  t.same(
    (await Promise.all([1, 2, 3, 4].map(() => pool(carol.password)))).map(result => result.code),
    [0, 0, 0, 0],
  )
})

t.test('a session is followed and killed whichever worker has it', async t => {
  const sessions = [await openSession(), await openSession()]
  for (const { ssh, id } of sessions) {
    const seen = Promise.withResolvers<void>()
    const following = asOwner(gateway, ['session', 'follow', id], {
      printed: text => text.includes('ready') && seen.resolve(),
    })
    await Promise.race([seen.promise, following])
    ssh.stdin.write('seen from the front\n')
    await ssh.printed(/seen from the front/)
    t.match(await asOwner(gateway, ['session', 'kill', id]), { exit: 0 })
    t.match(await ssh.ended, { status: 255, stderr: /an administrator ended the session/ })
    const followed = await following
    t.match(followed, { exit: 0, stdout: /ready.*seen from the front/s, stderr: /The session ended: killed/ })
    t.equal((await ended(id)).end_reason, 'killed')
  }
})

t.test('a cancel request reaches the session of another worker', async t => {
  await gateway.addRole({
    name: 'reports',
    targets: { names: ['orders'] },
    accounts: { names: [orders.superuser] },
    factors: [['password']],
  })
  const dave = await gateway.addUser({ name: 'dave', roles: ['reports'] })
  const { host, port } = gateway.postgres!
  const connection = `host=${host} port=${port} user=dave+${orders.superuser}+orders dbname=postgres sslmode=require`
  const sleepers = "select count(*) from pg_stat_activity where state = 'active' and query = 'select pg_sleep(60)'"
  const client = spawn('psql', ['-X', connection, '-c', 'select pg_sleep(60)'], {
    env: { ...process.env, PGPASSWORD: dave.password },
    stdio: 'ignore',
  })
  const exited = once(client, 'exit')
  while ((await orders.psql(sleepers)) !== '1');
  // It asks to cancel over a connection of its own, which goes to the worker that has none.
  client.kill('SIGINT')
  await exited
  while ((await orders.psql(sleepers)) !== '0');
  t.pass('the statement is cancelled')
})

t.test('a withdrawn role ends sessions on every worker', async t => {
  const sessions = [await openSession(), await openSession()]
  await gateway.addRole({
    name: 'ops',
    targets: { names: ['another'] },
    accounts: { names: [sshd.account] },
    factors: [['password']],
  })
  await parts.live.accessChanged()
  for (const { ssh, id } of sessions) {
    t.equal((await ssh.ended).status, 255)
    t.equal((await ended(id)).end_reason, 'access-revoked')
  }
  await gateway.addRole({
    name: 'ops',
    targets: { names: ['web-01'] },
    accounts: { names: [sshd.account] },
    factors: [['password']],
  })
})

t.test(
  'a worker that dies takes only its own sessions with it; they are finalized, and another takes its place',
  async t => {
    const [doomed, other] = [await openSession(), await openSession()]
    t.not(doomed.worker, other.worker)
    const counted = Number(
      /^sallyport_logins_total\{protocol="ssh",result="accepted"\} (\d+)$/m.exec(await metrics())![1],
    )
    process.kill(processOf(doomed.worker), 'SIGKILL')
    // Before the gateway can know it: half of them are on their way to the dead one.
    const sockets = Array.from({ length: MAX_PER_SOURCE - 2 }, () => connect(gateway.ssh!))
    const fates = await Promise.all(
      sockets.map(socket =>
        Promise.race([once(socket, 'data').then(() => 'greeted'), once(socket, 'close').then(() => 'cut')]),
      ),
    )
    t.ok(fates.includes('greeted'), `nobody is left hanging: ${fates.join()}`)
    for (const socket of sockets) socket.destroy()

    t.equal((await doomed.ssh.ended).status, 255)
    const row = await ended(doomed.id)
    t.equal(row.end_reason, 'interrupted')
    const file = join(gateway.config.recording.folder, row.recording)
    t.match(await verifyRecording(file, parts.signer.publicKeyPem), { ok: true, reason: 'interrupted' })
    t.match(
      (await parts.audit.list({ limit: 1000 })).find(({ kind }) => kind === 'worker.died'),
      {
        data: JSON.stringify({ worker: doomed.worker, how: 'SIGKILL' }),
      },
    )

    other.ssh.stdin.write('still here\n')
    await other.ssh.printed(/still here/)
    // The new one serves, as soon as it has started.
    let served = 0
    for (let worker = ''; worker !== `${parts.gateway}-3`; served++) {
      const next = await openSession()
      worker = next.worker
      next.ssh.stdin.end()
      t.equal((await next.ssh.ended).status, 0)
    }
    const now = /^sallyport_logins_total\{protocol="ssh",result="accepted"\} (\d+)$/m.exec(await metrics())![1]
    t.equal(Number(now), counted + served, 'what the dead one had counted is not lost')
    other.ssh.stdin.end()
    t.equal((await other.ssh.ended).status, 0)
  },
)

t.test('a worker that hangs is killed, and another takes its place', async t => {
  const hung = await openSession()
  process.kill(processOf(hung.worker), 'SIGSTOP')
  const row = await ended(hung.id)
  t.equal(row.end_reason, 'interrupted')
  // With Redis others end its sessions before it is killed: it has not said for long that it lives.
  const data = JSON.stringify({ worker: hung.worker, how: 'SIGKILL' })
  const died = async () => (await parts.audit.list({ limit: 1000 })).some(event => event.data === data)
  while (!(await died())) await once(AbortSignal.timeout(50), 'abort')
  const health = await asOwner(gateway, ['health', '--json'])
  t.match(health.json(), { status: 'ready', checks: { workers: 'ok' } })
  const next = await openSession()
  next.ssh.stdin.end()
  t.equal((await next.ssh.ended).status, 0)
})

t.test('stopping lets sessions end, on every worker, and a second call ends the waiting', async t => {
  const [quick, slow] = [await openSession(), await openSession()]
  const stopped = gateway.stop(60_000)
  for (const { ssh } of [quick, slow]) await ssh.printed(/the gateway is stopping/i)
  quick.ssh.stdin.end()
  t.equal((await quick.ssh.ended).status, 0)
  void gateway.stop()
  t.match(await slow.ssh.ended, { status: 255, stderr: /the gateway is stopping \(session/ })
  await stopped
  t.same(workerProcesses(), [])

  const store = await openDatabase(gateway.config.database)
  t.teardown(() => store.destroy())
  const reasons = await store
    .selectFrom('sessions')
    .select(['id', 'end_reason'])
    .where('id', 'in', [quick.id, slow.id])
    .execute()
  t.same(
    new Map(reasons.map(({ id, end_reason }) => [id, end_reason])),
    new Map([
      [quick.id, 'client-closed'],
      [slow.id, 'gateway-stopped'],
    ]),
  )
  t.equal(auditFile().at(-1)!.kind, 'gateway.stopped')
})
