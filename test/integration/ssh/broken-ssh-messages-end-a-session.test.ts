/** After the login, bytes are still hostile: what breaks the connection protocol ends the session, and nothing else. */

import t from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { alice, LOGIN, logIn, startGatewayFor } from '../../support/alice-by-raw-ssh.ts'
import { connectRaw, openSession, publicKeyRequest, type RawClient } from '../../support/raw-ssh-client.ts'
import type { SshListenerParts } from '../../support/start-ssh-listener.ts'
import { startSshd } from '../../support/start-sshd.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

const start = (parts: Partial<SshListenerParts> = {}) => startGatewayFor(sshd, parts)

const VIOLATIONS: Record<string, (client: RawClient, channel: number) => void> = {
  'more data than the window allows': (client, channel) => {
    for (let i = 0; i < 100; i++) client.send(MESSAGE.CHANNEL_DATA, uint32(channel), string(Buffer.alloc(32_000)))
  },
  'data with a length that is not its own': (client, channel) =>
    client.send(MESSAGE.CHANNEL_DATA, uint32(channel), uint32(0xffffffff), Buffer.alloc(10)),
  'a channel with a packet size of nothing': client =>
    client.send(MESSAGE.CHANNEL_OPEN, string('session'), uint32(7), uint32(1000), uint32(0)),
  'a window beyond what there can be': (client, channel) => {
    for (let i = 0; i < 2; i++) client.send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(channel), uint32(0xffffffff))
  },
  'data for a channel that there is not': client => client.send(MESSAGE.CHANNEL_DATA, uint32(4711), string('x')),
  'the number of an open channel again': client =>
    client.send(MESSAGE.CHANNEL_OPEN, string('session'), uint32(0), uint32(1000), uint32(32_768)),
  'an answer to no request': (client, channel) => client.send(MESSAGE.CHANNEL_SUCCESS, uint32(channel)),
  'an answer to no global request': client => client.send(MESSAGE.REQUEST_SUCCESS),
  'a request cut short': (client, channel) =>
    client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), uint32(1000), Buffer.from('exec')),
  'a terminal without its fields': (client, channel) =>
    client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string('pty-req'), boolean(true)),
  'data after the end of data': (client, channel) => {
    client.send(MESSAGE.CHANNEL_EOF, uint32(channel))
    client.send(MESSAGE.CHANNEL_DATA, uint32(channel), string('x'))
  },
  'a message without anything': client => client.send(MESSAGE.CHANNEL_CLOSE),
}

t.test('each of them ends its own session, is audited, and leaves the gateway at work', async t => {
  const gateway = await start()
  for (const [what, send] of Object.entries(VIOLATIONS)) {
    const client = await logIn(gateway)
    const session = gateway.sessions.at(-1)!
    send(client, await openSession(client))
    await client.ended
    await session.ended
    t.equal(session.reason, 'protocol-violation', what)
    t.match(session.refused, [{ what: 'protocol', why: /^the client broke the protocol: / }], what)
  }
  await t.resolves(logIn(gateway), 'the gateway lets the next one in')
})

t.test('what breaks the transport beneath ends the session for the same reason', async t => {
  const gateway = await start()
  const client = await logIn(gateway)
  const session = gateway.sessions.at(-1)!
  await openSession(client)
  client.transport.socket.write(Buffer.alloc(64, 0xff))
  await session.ended
  t.equal(session.reason, 'protocol-violation')
  t.match(session.refused, [{ what: 'protocol', why: /^the client broke the protocol: / }])
})

t.test('the service of user authentication may be asked for before each method, and no other', async t => {
  const gateway = await start()
  const client = await connectRaw(gateway)
  const ask = (service: string) => client.send(MESSAGE.SERVICE_REQUEST, string(service))
  client.send(MESSAGE.USERAUTH_REQUEST, string(LOGIN), string('ssh-connection'), string('none'))
  await client.next(MESSAGE.USERAUTH_FAILURE)
  ask('ssh-userauth')
  t.equal(new WireReader(await client.next(MESSAGE.SERVICE_ACCEPT), 1).utf8(), 'ssh-userauth')
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  await client.next(MESSAGE.USERAUTH_SUCCESS)
  const other = await connectRaw(gateway)
  other.send(MESSAGE.USERAUTH_REQUEST, string(LOGIN), string('ssh-connection'), string('none'))
  await other.next(MESSAGE.USERAUTH_FAILURE)
  other.send(MESSAGE.SERVICE_REQUEST, string('ssh-connection'))
  await other.ended
})

t.test('the target is not asked what policy refuses, and the answers stay in order', async t => {
  const gateway = await start({ channels: ['exec'] })
  const client = await logIn(gateway)
  const channel = await openSession(client)
  const request = (name: string, ...fields: Uint8Array[]) =>
    client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string(name), boolean(true), ...fields)
  request('env', string('LANG'), string('C'))
  request('env', string('LD_PRELOAD'), string('/tmp/evil.so'))
  request('unheard-of@example.com')
  request('exec', string('echo "<$LANG$LD_PRELOAD>"'))
  for (const answer of [
    MESSAGE.CHANNEL_SUCCESS,
    MESSAGE.CHANNEL_FAILURE,
    MESSAGE.CHANNEL_FAILURE,
    MESSAGE.CHANNEL_SUCCESS,
  ]) {
    await client.next(answer)
  }
  t.equal(new WireReader(await client.next(MESSAGE.CHANNEL_DATA), 5).utf8(), '<C>\n')
})

t.test('channels are bounded', async t => {
  const client = await logIn(await start({ limits: { maxChannels: 2 } }))
  await openSession(client)
  for (const number of [1, 2]) {
    client.send(MESSAGE.CHANNEL_OPEN, string('session'), uint32(number), uint32(1000), uint32(32_768))
  }
  const failure = new WireReader(await client.next(MESSAGE.CHANNEL_OPEN_FAILURE), 1)
  t.equal(failure.uint32(), 2)
  t.equal(failure.uint32(), 4)
  t.match(failure.utf8(), /too many channels.*session ses_/)
})

t.test('a kill ends both sides at once, with a last word', async t => {
  const gateway = await start()
  const client = await logIn(gateway)
  const session = gateway.sessions.at(-1)!
  await openSession(client)
  session.abort.abort()
  await Promise.all([client.ended, session.ended])
  t.equal(session.reason, 'killed')
})
