/** Two gateways on one PostgreSQL and one Redis behave as one: codes, kill, follow, the death of a gateway, the loss of Redis. */

import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { readRecordingStream } from '../../../src/recording/store/reader.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { callApi } from '../../support/call-api.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway, type TestUser } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startRedis } from '../../support/start-redis.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const cleanup = new AsyncDisposableStack()
t.teardown(() => cleanup.disposeAsync())
const [postgres, redis, sshd] = await Promise.all([startPostgres(), startRedis({ tls: true }), startSshd()])
for (const server of [postgres, redis, sshd]) cleanup.defer(() => server.stop())

const first = await startTestGateway({
  configure(config) {
    config.database = postgres.url()
    Object.assign(config.cluster, { redis: redis.url, redisCaFile: redis.caFile })
  },
})
cleanup.defer(() => first.close())
const second = await startTestGateway({
  beside: first,
  configure(config) {
    config.fourEyes = { kinds: ['role', 'user'], approvers: ['role:security'], validForMs: 3_600_000 }
  },
})
cleanup.defer(() => second.close())

const alice = await addWeb01(first, sshd)
const login = `alice+${sshd.account}+web-01`

function connect(gateway: TestGateway, user: TestUser, code: string, ...command: string[]) {
  return startSsh(gateway.ssh!, login, { password: user.password, code: () => code }, ...command)
}

async function liveSession(gateway: TestGateway): Promise<string> {
  const [row] = await gateway.parts.sessions.list({ state: 'live' })
  return row!.id
}

t.test('both gateways show the same host key and certificate', async t => {
  const keys = await Promise.all(
    [first, second].map(({ parts }) => parts.database.selectFrom('sealed_keys').selectAll().orderBy('name').execute()),
  )
  t.same(keys[0], keys[1])
})

t.test('settings that all must have alike, and one has otherwise, are named by each', async t => {
  for (const gateway of [first, second]) {
    await gateway.parts.beat()
    const { body } = await callApi(gateway, '/healthz', { socket: true })
    t.match(JSON.parse(body), { status: 'ready', settings: { differs: ['fourEyes'] } })
    t.match(await asOwner(gateway, ['health']), { exit: 0, stdout: /settings +another gateway .* otherwise: fourEyes/ })
    t.match(gateway.logLines.join('\n'), /"settings":\["fourEyes"\].*make them alike/)
    const metrics = await callApi(gateway, '/metrics', { socket: true })
    t.match(metrics.body, /sallyport_settings_differ\{setting="fourEyes"[^}]*\} 1/)
  }
})

t.test('a code that was used on one is refused on the other', async t => {
  const code = alice.code()
  t.equal((await connect(first, alice, code, 'true').ended).status, 0)
  const again = await connect(second, alice, code, 'true').ended
  t.equal(again.status, 255)
  t.match(again.stderr, /Permission denied/)
})

t.test('a session on one is listed, followed and killed from the other', async t => {
  const ssh = connect(first, alice, alice.code(), 'echo ready; cat')
  await ssh.printed(/ready/)
  const session = await liveSession(second)

  const recording = await readRecordingStream(second.parts.follow.follow(session), (purpose, sealed) =>
    second.parts.vault.openBytes(purpose, sealed),
  )
  ssh.stdin.write('seen from afar\n')
  let seen = ''
  for await (const event of recording) {
    if (event.type === 'output') seen += event.bytes.toString()
    if (seen.includes('seen from afar')) break
  }
  t.match(seen, /ready\n.*seen from afar/s)

  await second.parts.live.kill(session)
  const result = await ssh.ended
  t.equal(result.status, 255)
  t.match(result.stderr, /an administrator ended the session/)
  t.equal((await first.ended(session)).reason, 'killed')
})

t.test(
  'the sessions of a gateway that was killed are ended, and sealed as interrupted, by the one that lives',
  async t => {
    const { recording } = first.config
    const { child: doomed, ssh: at } = await startGatewayProcess(second, { dataFolder: join(second.folder, 'doomed') })

    // A code by the child's clock, which nobody moves: of a step that no earlier test has used.
    const bob = await first.addUser({ name: 'bob', roles: ['ops'] })
    const code = bob.codeAt(Date.now())
    const ssh = startSsh(
      at,
      `bob+${sshd.account}+web-01`,
      { password: bob.password, code: () => code },
      'echo ready; cat',
    )
    await ssh.printed(/ready/)
    const session = await liveSession(second)
    await doomed.end('SIGKILL')
    t.equal((await ssh.ended).status, 255)

    // Redis forgets the dead gateway after its time to live; the reaper's rounds find out.
    let row = await second.parts.sessions.get(session)
    while (row?.recording_hash == null) {
      await second.parts.reaper.round()
      row = await second.parts.sessions.get(session)
      if (row?.recording_hash == null) await once(AbortSignal.timeout(250), 'abort')
    }
    t.equal(row.end_reason, 'interrupted')
    const verdict = await verifyRecording(join(recording.folder, row.recording), first.parts.signer.publicKeyPem)
    t.match(verdict, { ok: true, reason: 'interrupted', hash: row.recording_hash })
  },
)

t.test('without Redis sessions go on, new logins are refused with a reason, and all heals when it is back', async t => {
  const ssh = connect(first, alice, alice.code(), 'echo ready; cat')
  await ssh.printed(/ready/)
  await redis.kill()
  ssh.stdin.write('still here\n')
  await ssh.printed(/still here/)

  const refused = await connect(first, alice, alice.code(), 'true').ended
  t.equal(refused.status, 255)
  t.match(refused.stderr, /New logins are refused while the gateways cannot reach each other/)

  await redis.restart()
  while (!first.parts.cluster.available || !second.parts.cluster.available) await once(AbortSignal.timeout(50), 'abort')
  t.equal((await connect(second, alice, alice.code(), 'true').ended).status, 0)
  ssh.stdin.write('and on\n')
  await ssh.printed(/and on/)
  ssh.stdin.end()
  t.equal((await ssh.ended).status, 0)
  t.match(await first.parts.audit.verify(), { ok: true })
})
