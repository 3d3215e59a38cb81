/** `ssh alice@gateway` names no target: she proves who she is, nothing is lent, and the connection ends when she may log in no more. */

import { generateKeyPairSync } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { string, uint32 } from '../../../src/shared/ssh-encoding/wire.ts'
import { blobOf, logInRaw } from '../../support/raw-ssh-client.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

t.test('a login without a target', async t => {
  const gateway = await startSshGateway(t)
  const { run, options, gateway: running } = gateway
  const { parts } = running
  const at = running.ssh!
  const login = (user: string, ...args: string[]) =>
    run('ssh', ...options, '-v', '-p', String(at.port), '-l', user, ...args, at.host)
  const events = async (kind: string) => (await parts.audit.list({})).filter(event => event.kind === kind)

  await t.test('is let in by the factors of her roles, and stays until she leaves', async t => {
    const alice = login('alice', '-N')
    await alice.printed(/Authenticated to/)
    const [accepted] = await events('login.accepted')
    t.match(accepted, { actor: 'alice' })
    t.match(JSON.parse(accepted!.data), { login: 'alice', factors: ['publickey'] })
    t.same(await parts.sessions.list({}), [], 'it is no session: nothing was lent')
    alice.kill()
    await alice.ended
  })

  await t.test('a stranger is refused as with a target', async t => {
    t.match(await login('mallory', '-N').ended, { status: 255, stderr: /Permission denied/ })
  })

  await t.test('ends when the user is disabled', async t => {
    const alice = login('alice', '-N')
    await alice.printed(/Authenticated to/)
    const user = (await parts.users.get('alice'))!
    await parts.users.put({ ...user, disabled: true })
    await parts.live.accessChanged()
    t.match(await alice.ended, { status: 255, stderr: /the access was withdrawn/ })
    t.match(await login('alice', '-N').ended, { status: 255, stderr: /Permission denied/ })
    await parts.users.put(user)
  })

  await t.test('ends when no role lets her in from there any more', async t => {
    const alice = login('alice', '-N')
    await alice.printed(/Authenticated to/)
    const role = (await parts.roles.get('ops'))!
    await parts.roles.put({ ...role, sources: ['192.0.2.0/24'] })
    await parts.live.accessChanged()
    t.match(await alice.ended, { status: 255, stderr: /the access was withdrawn/ })
    t.match(await login('alice', '-N').ended, { stderr: /not allowed from your network\. \[ACCESS_DENIED/ })
    await parts.roles.put(role)
  })

  await t.test('ends after the idle time of her roles, and the longest session of them', async t => {
    const role = (await parts.roles.get('ops'))!
    for (const [terms, text] of [
      [{ idle: 60_000 }, /idle for too long/],
      [{ maxSession: 60_000 }, /maximum time/],
    ] as const) {
      await parts.roles.put({ ...role, ...terms })
      const alice = login('alice', '-N')
      await alice.printed(/Authenticated to/)
      running.clock.advance(61_000)
      running.worker!.live.tick()
      t.match(await alice.ended, { status: 255, stderr: text })
    }
    await parts.roles.put(role)
  })
})

t.test('what breaks the protocol ends the connection, and is audited', async t => {
  const gateway = await startSshGateway(t)
  const key = generateKeyPairSync('ed25519')
  const publicKeys = [`ssh-ed25519 ${blobOf(key).toString('base64')}`]
  const { parts } = gateway.gateway
  await parts.users.put({ ...(await parts.users.get('alice'))!, publicKeys })
  const raw = () => logInRaw(gateway.gateway.ssh!, 'alice', key)
  const open = [string('direct-tcpip'), uint32(0), uint32(1000), uint32(32_768)]
  const to = [string('web-01'), uint32(22), string('127.0.0.1'), uint32(1)]
  for (const [type, ...fields] of [
    [MESSAGE.CHANNEL_DATA, uint32(0), string('to nobody')],
    [MESSAGE.CHANNEL_CLOSE, uint32(7)],
    [MESSAGE.CHANNEL_OPEN, string('session')],
    [MESSAGE.CHANNEL_OPEN_CONFIRMATION, uint32(0), uint32(0), uint32(0), uint32(0)],
    [MESSAGE.REQUEST_SUCCESS],
  ] as const) {
    const client = await raw()
    client.send(type, ...fields)
    await client.ended
  }
  const twice = await raw()
  twice.send(MESSAGE.CHANNEL_OPEN, ...open, ...to)
  twice.send(MESSAGE.CHANNEL_OPEN, ...open, ...to)
  await twice.ended
  const refusedSoFar = () => parts.audit.list({ kind: 'connection.refused' })
  // They are written when the connection has gone already.
  while ((await refusedSoFar()).length < 6) await setImmediate()
  const refused = await refusedSoFar()
  t.equal(refused.length, 6)
  t.ok(refused.every(event => JSON.parse(event.data).code === 'PROTOCOL_VIOLATION'))
  const asks = await raw()
  asks.send(MESSAGE.GLOBAL_REQUEST, string('keepalive@openssh.com'), Buffer.of(1))
  t.equal(await asks.nextOf(MESSAGE.REQUEST_SUCCESS, MESSAGE.REQUEST_FAILURE), MESSAGE.REQUEST_FAILURE)
  asks.transport.destroy()
})
