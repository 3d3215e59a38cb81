/** Where a target moved, or got a further host key, it can prove by what was confirmed that it is the same; nobody else can. */

import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPasswordHost } from '../../support/start-password-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { makeToken } from '../../support/web-01.ts'

/** Another port of the same target; as somebody in between would open it, too. */
async function startForward(t: Test, to: number): Promise<number> {
  const server = createServer(socket => {
    const onward = connect(to, '127.0.0.1')
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

t.test('an SSH host proves itself by a confirmed key: at another port, and for keys beside it', async t => {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const sshd = await startSshd({ hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] })
  t.teardown(() => sshd.stop())
  const { host, port, account, hostKeys } = sshd
  const [ed25519, ecdsa, rsa] = hostKeys as [string, string, string]
  const address = { account, target: 'web-01' }
  const put = (changes: object) =>
    gateway.parts.targets.put(
      targetSchema.parse({
        name: 'web-01',
        protocol: 'ssh',
        allowLocal: true,
        host,
        port,
        hostKeys: [ed25519],
        accounts: [{ name: account }],
        ...changes,
      }),
    )
  const prove = () => asOwner(gateway, ['credential', 'confirm', `${account}@web-01`, '--prove'])
  const waits = async () => (await gateway.parts.vault.standing(address))!.unconfirmed !== undefined
  const proven = async (t: Test, changes: object) => {
    await put(changes)
    t.ok(await waits())
    t.match(await prove(), { exit: 0, stdout: /the target proved itself; confirmed/ })
    t.notOk(await waits())
  }
  const refused = async (t: Test, changes: object, why: RegExp) => {
    await put(changes)
    const { exit, stderr } = await prove()
    t.not(exit, 0)
    t.match(stderr, why)
    t.ok(await waits())
  }
  await put({})
  await gateway.parts.vault.setCredential(
    address,
    { kind: 'private-key', privateKey: new Secret(sshd.privateKey) },
    'owner',
  )
  const stranger = await startPasswordHost(t)
  const [theirs] = stranger.hostKeys as [string]

  await refused(t, { port: stranger.port }, /TARGET_IDENTITY_MISMATCH|did not prove/)
  await refused(t, { hostKeys: [ed25519, theirs] }, /does not own the other keys/)
  await refused(t, { hostKeys: [ed25519, generateKeyPair('ecdsa').public.trim()] }, /does not own the other keys/)
  await refused(t, { hostKeys: [ecdsa] }, /none of the confirmed host keys is pinned any more/)
  await refused(
    t,
    { hostKeys: [ed25519], authentication: ['publickey', 'none'] },
    /more than its address and host keys/,
  )
  await refused(t, { port: await startForward(t, port), hostKeys: [ed25519, ecdsa] }, /change one after the other/)
  await refused(t, { port: 1 }, /answers at/)
  t.same(stranger.given, [])

  await proven(t, { hostKeys: [ed25519, ecdsa, rsa] })
  await proven(t, { hostKeys: [ed25519, ecdsa, rsa], port: await startForward(t, port) })
  const events = (await gateway.parts.audit.list({ kind: 'credential.confirmed' })).map(({ data }) => JSON.parse(data))
  t.same([events.filter(({ failed }) => failed !== undefined).length, events.length], [7, 9])
  t.match(events[0], { account, by: 'proof' })
  const used = await gateway.parts.audit.list({ kind: 'credential.used-for-proof' })
  t.equal(used.length, 3, 'the credential is used only after a confirmed key was shown, and the log knows')
  const admin = await makeToken(gateway, (await gateway.addUser({ name: 'ada' })).name, 'admin')
  await put({ port: 1 })
  const argv = ['credential', 'confirm', `${account}@web-01`, '--prove']
  t.match(await withToken(gateway, admin, argv), { exit: 4, stderr: /scope confirm/ })
})

t.test('a database proves itself by its certificate, under the name that was confirmed', async t => {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const orders = await startPostgres({ tls: true })
  t.teardown(() => orders.stop())
  const other = await startPostgres({ tls: true })
  t.teardown(() => other.stop())
  const ca = readFileSync(orders.caFile!, 'utf8')
  const put = (changes: object) =>
    gateway.parts.targets.put(
      targetSchema.parse({
        name: 'orders',
        protocol: 'postgres',
        allowLocal: true,
        host: 'localhost',
        port: orders.port,
        ca,
        accounts: [{ name: 'app' }],
        ...changes,
      }),
    )
  const address = { account: 'app', target: 'orders' }
  const prove = () => asOwner(gateway, ['credential', 'confirm', 'app@orders', '--prove'])
  await put({})
  await gateway.parts.vault.setCredential(address, { kind: 'password', password: new Secret('x') }, 'owner')
  await put({ port: other.port })
  t.match(await prove(), { exit: 1, stderr: /did not show the certificate/ })
  await put({ ca: readFileSync(other.caFile!, 'utf8'), port: other.port })
  t.match(await prove(), { exit: 2, stderr: /more than its address/ })
  await put({ host: '127.0.0.1' })
  t.match(await prove(), { exit: 2, stderr: /more than its address/ }, 'another name in the certificate')
  await put({ host: '127.0.0.1', serverName: 'localhost', port: await startForward(t, orders.port) })
  t.match(await prove(), { exit: 0 })
  t.equal((await gateway.parts.vault.standing(address))!.unconfirmed, undefined)
})
