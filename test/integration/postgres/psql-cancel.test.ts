import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { createCancellations } from '../../../src/protocols/postgres/target-side/cancel.ts'
import { cancelRequest } from '../../../src/protocols/postgres/wire/frontend-messages.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { createLog } from '../../../src/shared/log.ts'
import { cstring, frame, int32, query, RawClient, sslRequest, startup } from '../../support/postgres-bytes.ts'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres, type TestPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres({ tls: true })
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port, tls: 'require' },
  account: target.superuser,
  password: target.superPassword,
})
t.teardown(() => front.close())

/** Resolves once the target runs a statement that begins so. */
async function runsOn(server: TestPostgres, text: string): Promise<void> {
  const asked = `select count(*) from pg_stat_activity where state = 'active' and query like '${text}%' and pid <> pg_backend_pid()`
  while ((await server.psql(asked)) === '0');
}

t.test('Ctrl-C in psql ends the statement, not the session', async t => {
  const connection = `host=localhost port=${front.port} user=alice+postgres+orders sslmode=require`
  const env = { ...process.env, PGPASSWORD: RIGHT_ANSWER, PAGER: 'cat' }
  // psql goes on after Ctrl-C on a terminal only: `script` gives it one.
  const child = spawn('script', ['-q', '-c', `psql -X -A -t "${connection}"`, '/dev/null'], { env })
  const out: string[] = []
  child.stdout.on('data', chunk => out.push(String(chunk)))
  child.stdin.write('select pg_sleep(60);\n')
  await runsOn(target, 'select pg_sleep(60)')
  child.stdin.write('\x03')
  while (!out.join('').includes('canceling statement')) await once(child.stdout, 'data')
  child.stdin.write(`select 'still ' || 'here';\n\\q\n`)
  await once(child, 'close')
  t.match(out.join(''), /canceling statement due to user request[\s\S]*still here/)
  t.match(front.statements().at(-2), { text: 'select pg_sleep(60)', error: { sqlstate: '57014' } })
  t.ok(front.facts.some(({ type }) => type === 'cancel'))
})

/** Logs in by hand with this protocol version; gives the connection, and the key it was told. */
async function logIn(t: Test, version: number): Promise<{ client: RawClient; processId: number; key: Buffer }> {
  const raw = await RawClient.to(front.port)
  raw.socket.write(sslRequest)
  await raw.sees('S')
  raw.socket.removeAllListeners('data')
  const client = new RawClient(connectTls({ socket: raw.socket, rejectUnauthorized: false }))
  t.teardown(() => client.socket.destroy())
  client.socket.write(startup({ user: 'alice+postgres+orders' }, version))
  await client.sees('R\0\0\0\x08\0\0\0\x03')
  client.socket.write(frame('p', cstring(RIGHT_ANSWER)))
  await client.sees('Z\0\0\0\x05I')
  const at = client.text.indexOf('K\0\0\0')
  const length = client.bytes.readUInt32BE(at + 1)
  const body = client.bytes.subarray(at + 5, at + 1 + length)
  return { client, processId: body.readInt32BE(0), key: Buffer.from(body.subarray(4)) }
}

for (const [version, length] of [
  [196608, 4],
  [196610, 32],
] as const) {
  t.test(
    `protocol 3.${version - 196608} gets a key of ${length} bytes, and it cancels; a wrong one does nothing`,
    async t => {
      const { client, processId, key } = await logIn(t, version)
      t.equal(key.length, length)
      client.socket.write(query('select pg_sleep(61)'))
      await runsOn(target, 'select pg_sleep(61)')

      const wrong = Buffer.from(key)
      wrong[0]! ^= 1
      for (const [id, bytes] of [
        [processId, wrong],
        [processId + 1, key],
      ] as const) {
        const stranger = await RawClient.to(front.port)
        stranger.socket.write(cancelRequest(id, bytes))
        await stranger.closed()
        t.equal(stranger.bytes.length, 0, 'nobody is told whether a key was right')
      }
      await runsOn(target, 'select pg_sleep(61)')

      const canceller = await RawClient.to(front.port)
      canceller.socket.write(cancelRequest(processId, key))
      await canceller.closed()
      t.equal(canceller.bytes.length, 0)
      await client.sees('canceling statement due to user request')
    },
  )
}

t.test('a newer protocol or an unknown option is negotiated down, and the login goes on', async t => {
  const raw = await RawClient.to(front.port)
  raw.socket.write(sslRequest)
  await raw.sees('S')
  raw.socket.removeAllListeners('data')
  const client = new RawClient(connectTls({ socket: raw.socket, rejectUnauthorized: false }))
  t.teardown(() => client.socket.destroy())
  client.socket.write(startup({ user: 'alice+postgres+orders', '_pq_.command_tag_format': 'x' }, 196608 + 9999))
  const negotiated = frame('v', int32(196610), int32(1), cstring('_pq_.command_tag_format'))
  await client.sees(Buffer.concat([negotiated, frame('R', int32(3))]).toString('latin1'))
})

t.test(
  'a cancel request that reaches another gateway is done when the one that has the session has done it',
  async t => {
    const workers = new Set(['gw_test-1'])
    const cluster = createLocalCluster({ clock: systemClock, gateway: 'gw_test', workers })
    t.teardown(() => cluster.close())
    const parts = { cluster, log: createLog('silent'), elsewhereTimeoutMs: 2 ** 30 }
    const one = await createCancellations(parts)
    const two = await createCancellations(parts)
    // It waits for an answer that does not come.
    const hasty = await createCancellations({ ...parts, elsewhereTimeoutMs: 100 })
    const cancelled: string[] = []
    const issue = (name: string) =>
      one.issue(42, 32, async () => {
        await once(AbortSignal.timeout(20), 'abort')
        cancelled.push(name)
      })
    const session = issue('session')
    const next = issue('next')
    await hasty.request(42, Buffer.alloc(32))
    t.same(cancelled, [], 'not for a wrong key')
    await two.request(42, session.key)
    t.same(cancelled, ['session'])
    session.forget()
    await hasty.request(42, session.key)
    t.same(cancelled, ['session'], 'not after the session')
    await two.request(42, next.key)
    t.same(cancelled, ['session', 'next'])

    const broken = issue('broken')
    const fails = one.issue(42, 32, () => Promise.reject(new Error('out of reach')))
    await hasty.request(42, fails.key)
    await two.request(42, broken.key)
    t.same(cancelled, ['session', 'next', 'broken'], 'one that fails holds up no other')
    workers.clear()
    const alone = await createCancellations(parts)
    await alone.request(42, Buffer.alloc(32))
    t.pass('who is alone waits for nobody')
    for (const cancellations of [one, two, hasty, alone]) await cancellations.close()
  },
)
