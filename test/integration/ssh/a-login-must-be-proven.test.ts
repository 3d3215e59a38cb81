/** The mistakes that others made at the door of SSH, each one tried against the gateway. */

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { alice, LOGIN, startGatewayFor } from '../../support/alice-by-raw-ssh.ts'
import { blobOf, connectRaw, nextFailure, publicKeyRequest, type RawClient } from '../../support/raw-ssh-client.ts'
import type { SshListenerParts } from '../../support/start-ssh-listener.ts'
import { startSshd } from '../../support/start-sshd.ts'

const mallory = generateKeyPairSync('ed25519')

const sshd = await startSshd()
t.teardown(() => sshd.stop())

const start = (parts: Partial<SshListenerParts> = {}) => startGatewayFor(sshd, parts)

const request = (client: RawClient, method: string, ...fields: Uint8Array[]) =>
  client.send(MESSAGE.USERAUTH_REQUEST, string(LOGIN), string('ssh-connection'), string(method), ...fields)
const open = (client: RawClient) =>
  client.send(MESSAGE.CHANNEL_OPEN, string('session'), uint32(0), uint32(1000), uint32(32_768))

t.test('the right key, signed for this very connection, is let in', async t => {
  const client = await connectRaw(await start())
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  await t.resolves(client.next(MESSAGE.USERAUTH_SUCCESS))
})

t.test('asking whether a key would do proves nothing', async t => {
  const gateway = await start()
  const client = await connectRaw(gateway)
  client.transport.send(publicKeyRequest(client, LOGIN, undefined, blobOf(alice)))
  await client.next(MESSAGE.USERAUTH_PK_OK)
  open(client)
  await client.ended
  t.same(gateway.sessions, [])
})

t.test('a stranger who asks about the right key and signs with another stays out', async t => {
  const gateway = await start()
  const client = await connectRaw(gateway)
  client.transport.send(publicKeyRequest(client, LOGIN, undefined, blobOf(alice)))
  await client.next(MESSAGE.USERAUTH_PK_OK)
  client.transport.send(publicKeyRequest(client, LOGIN, mallory))
  await nextFailure(client)
  client.transport.send(publicKeyRequest(client, LOGIN, mallory, blobOf(alice)))
  await nextFailure(client)
  client.transport.send(publicKeyRequest(client, LOGIN, alice, blobOf(alice), Buffer.alloc(32)))
  await nextFailure(client)
  t.same(gateway.sessions, [])
})

t.test('a right key is one factor: the code is asked for, and only then is the door open', async t => {
  const gateway = await start({ factors: ['publickey', 'totp'], code: '123456' })
  const client = await connectRaw(gateway)
  request(client, 'none')
  t.same(await nextFailure(client), { methods: ['publickey', 'password'], partial: false })
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  t.same(await nextFailure(client), { methods: ['keyboard-interactive'], partial: true })
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  t.match(await nextFailure(client), { partial: false }, 'the same factor again is not the second one')
  request(client, 'keyboard-interactive', string(''), string(''))
  const question = new WireReader(await client.next(MESSAGE.USERAUTH_INFO_REQUEST), 1)
  t.same([question.utf8(), question.utf8(), question.utf8()], ['Sallyport', '', ''])
  t.same([question.uint32(), question.utf8(), question.boolean()], [1, 'One-time code: ', false])
  client.send(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(1), string('000000'))
  t.match(await nextFailure(client), { methods: ['keyboard-interactive'], partial: false })
  request(client, 'keyboard-interactive', string(''), string(''))
  await client.next(MESSAGE.USERAUTH_INFO_REQUEST)
  client.send(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(1), string('123456'))
  await t.resolves(client.next(MESSAGE.USERAUTH_SUCCESS))
})

t.test('what was proven for one name is not carried over to another', async t => {
  const gateway = await start({ factors: ['publickey', 'totp'], code: '123456' })
  const client = await connectRaw(gateway)
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  await nextFailure(client)
  client.send(MESSAGE.USERAUTH_REQUEST, string('bob+root+box'), string('ssh-connection'), string('none'))
  await client.ended
  t.same(gateway.sessions, [])
})

t.test('a malformed request that waited behind another ends this connection and nothing else', async t => {
  const gateway = await start()
  const client = await connectRaw(gateway)
  client.transport.send(publicKeyRequest(client, LOGIN, undefined, blobOf(alice)))
  client.send(MESSAGE.USERAUTH_REQUEST, string(LOGIN), uint32(0xffffffff))
  await client.ended
  const other = await connectRaw(gateway)
  other.transport.send(publicKeyRequest(other, LOGIN, alice))
  await t.resolves(other.next(MESSAGE.USERAUTH_SUCCESS))
})

t.test('one small answer that claims four billion more costs nothing', async t => {
  const client = await connectRaw(await start({ factors: ['publickey', 'totp'], code: '123456' }))
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  await nextFailure(client)
  request(client, 'keyboard-interactive', string(''), string(''))
  await client.next(MESSAGE.USERAUTH_INFO_REQUEST)
  const before = process.memoryUsage().rss
  client.send(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(0xffffffff))
  await nextFailure(client)
  t.ok(process.memoryUsage().rss - before < 32 * 1024 * 1024)
})

t.test('an answer to no question ends the connection', async t => {
  const client = await connectRaw(await start())
  request(client, 'none')
  await nextFailure(client)
  client.send(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(1), string('123456'))
  await t.resolves(client.ended)
})

t.test('an unknown method, a certificate and SHA-1 are refused like any other wrong try', async t => {
  const client = await connectRaw(await start())
  request(client, 'gssapi-with-mic', uint32(0))
  t.match(await nextFailure(client), { partial: false })
  for (const algorithm of ['ssh-ed25519-cert-v01@openssh.com', 'ssh-rsa']) {
    request(client, 'publickey', boolean(true), string(algorithm), string(blobOf(alice)), string('x'))
    t.match(await nextFailure(client), { partial: false })
  }
})

t.test('no message of the connection protocol counts before the login', async t => {
  for (const type of [MESSAGE.GLOBAL_REQUEST, MESSAGE.CHANNEL_OPEN, MESSAGE.CHANNEL_DATA]) {
    const gateway = await start()
    const client = await connectRaw(gateway)
    client.send(type, string('session'), uint32(0), uint32(1000), uint32(32_768))
    await client.ended
    t.same(gateway.sessions, [])
  }
})

t.test('tries are counted, and the person is told why it ends', async t => {
  const client = await connectRaw(
    await start({ limits: { maxAuthTries: 3 }, password: 'right', factors: ['password'] }),
  )
  for (let i = 0; i < 2; i++) {
    request(client, 'password', boolean(false), string('wrong'))
    await nextFailure(client)
  }
  request(client, 'password', boolean(false), string('wrong'))
  const banner = new WireReader(await client.next(MESSAGE.USERAUTH_BANNER), 1).utf8()
  t.match(banner, /TOO_MANY_TRIES, session ses_/)
  await client.ended
})

t.test('a client that asks about keys without end is sent away', async t => {
  const client = await connectRaw(await start())
  for (let i = 0; i < 40 && !client.transport.over; i++) {
    client.transport.send(publicKeyRequest(client, LOGIN, undefined, blobOf(mallory)))
    await nextFailure(client).catch(() => undefined)
  }
  await t.resolves(client.ended)
})

t.test('a login that takes too long is ended, also one that never says a word', async t => {
  // Where the machine is so busy that the key exchange alone takes that long, it gets longer.
  for (let loginGraceMs = 200; ; loginGraceMs *= 4) {
    const gateway = await start({ limits: { loginGraceMs } })
    const silent = connectRaw(gateway)
    const slow = await connectRaw(gateway).catch(() => undefined)
    if (slow === undefined) continue
    request(slow, 'none')
    if (!(await nextFailure(slow).then(Boolean, () => false))) continue
    t.match(new WireReader(await slow.next(MESSAGE.USERAUTH_BANNER), 1).utf8(), /LOGIN_TOO_SLOW/)
    await slow.ended
    await silent.then(
      ({ ended }) => ended,
      () => undefined,
    )
    return
  }
})

t.test('connections of one source are bounded, and those of them not logged in to a quarter of the places', async t => {
  for (const limits of [{ maxPerSource: 2 }, { maxUnauthenticated: 8 }]) {
    const gateway = await start({ limits })
    const first = await connectRaw(gateway)
    await connectRaw(gateway)
    await t.rejects(connectRaw(gateway))
    t.match(gateway.refusedConnections, [{ code: 'TOO_MANY_CONNECTIONS' }])
    first.transport.destroy()
    await first.ended
    // Our side is closed; the gateway learns of it in its own time.
    while (
      !(await connectRaw(gateway).then(
        () => true,
        () => false,
      ))
    );
    t.pass('a place became free')
  }
})

t.test('HTTP on the port is closed and told of; a port that is only looked at is not', async t => {
  const gateway = await start()
  const looked = connect(gateway.port, gateway.host)
  await once(looked, 'connect')
  looked.destroy()
  const browser = connect(gateway.port, gateway.host).resume()
  browser.write('GET / HTTP/1.1\r\n\r\n')
  await once(browser, 'close')
  t.match(gateway.refusedConnections, [{ code: 'PROTOCOL_VIOLATION' }])
  t.equal(gateway.refusedConnections.length, 1)
})
