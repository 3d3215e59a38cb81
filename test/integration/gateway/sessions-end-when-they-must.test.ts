/** Deadline, idle time, kill, withdrawn access, a stopping gateway: the session ends at once, says why, and its recording is sealed. */

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { startTestGateway, type TestGateway, type TestUser } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, startSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

async function start(): Promise<{ gateway: TestGateway; alice: TestUser }> {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd, { maxSession: '4h', idle: '10m' })
  return { gateway, alice }
}

/** Opens a session that would stay open, lets `act` end it, and checks the end from every side. */
async function endsWith(
  t: Test,
  reason: string,
  words: RegExp,
  act: (parts: { gateway: TestGateway; session: string; chat: () => Promise<void> }) => Promise<void>,
) {
  const { gateway, alice } = await start()
  const ssh = startSession(gateway, alice, sshd.account, 'echo ready; cat')
  await ssh.printed(/ready/)
  const [row] = await gateway.parts.sessions.list({ state: 'live' })
  let said = 0
  const chat = async () => {
    said++
    ssh.stdin.write(`word ${said}\n`)
    await ssh.printed(new RegExp(`word ${said}`))
  }
  await act({ gateway, session: row!.id, chat })
  const result = await ssh.ended
  t.equal(result.status, 255)
  t.match(result.stderr, words)
  t.match(result.stderr, row!.id)
  // Stopping finalizes the sessions and closes the store; what is left is read from outside.
  await gateway.stop()
  const store = await openDatabase(gateway.config.database)
  t.teardown(() => store.destroy())
  const ended = await store.selectFrom('sessions').selectAll().where('id', '=', row!.id).executeTakeFirstOrThrow()
  t.match(ended, { state: 'ended', end_reason: reason })
  const path = join(gateway.config.recording.folder, ended.recording)
  const verdict = await verifyRecording(path, gateway.parts.signer.publicKeyPem)
  t.match(verdict, { ok: true, reason, hash: ended.recording_hash })
  const leases = await store.selectFrom('leases').selectAll().where('ended_at', 'is', null).execute()
  t.same(leases, [], 'the lease has ended')
}

t.test('at the maximum time of the role', t =>
  endsWith(t, 'deadline', /maximum time/, async ({ gateway, chat }) => {
    for (let hour = 0; hour < 24; hour++) {
      gateway.clock.advance(9 * 60_000)
      await chat()
      gateway.worker!.live.tick()
    }
    gateway.clock.advance(3_600_000)
    gateway.worker!.live.tick()
  }),
)

t.test('when nothing happens for the idle time', t =>
  endsWith(t, 'idle', /idle for too long/, async ({ gateway }) => {
    gateway.worker!.live.tick()
    gateway.clock.advance(11 * 60_000)
    gateway.worker!.live.tick()
  }),
)

t.test('when an administrator kills it', t =>
  endsWith(t, 'killed', /an administrator ended the session/, async ({ gateway, session }) =>
    gateway.parts.live.kill(session),
  ),
)

t.test('when the user is disabled', t =>
  endsWith(t, 'access-revoked', /the access was withdrawn/, async ({ gateway }) => {
    const alice = await gateway.parts.users.get('alice')
    await gateway.parts.users.put({ ...alice!, disabled: true })
    await gateway.parts.live.accessChanged()
  }),
)

t.test('when the role no longer gives the account', t =>
  endsWith(t, 'access-revoked', /the access was withdrawn/, async ({ gateway }) => {
    const role = await gateway.parts.roles.get('ops')
    await gateway.parts.roles.put({ ...role!, accounts: { names: ['someone-else'] } })
    await gateway.parts.live.accessChanged()
  }),
)

t.test('when the gateway stops, after the time to drain', t =>
  endsWith(t, 'gateway-stopped', /the gateway is stopping/, async ({ gateway }) => {
    void gateway.stop(10)
  }),
)

t.test('a change that does not touch a session leaves it alone', async t => {
  const { gateway, alice } = await start()
  const ssh = startSession(gateway, alice, sshd.account, 'echo ready; cat')
  await ssh.printed(/ready/)
  await gateway.addRole({ name: 'other', targets: {}, accounts: {} })
  await gateway.parts.live.accessChanged()
  ssh.stdin.write('still here\n')
  await ssh.printed(/still here/)
  ssh.stdin.end()
  t.equal((await ssh.ended).status, 0)
})
