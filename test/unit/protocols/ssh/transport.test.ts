import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { KEY_EXCHANGES } from '../../../../src/protocols/ssh/transport/algorithms.ts'
import { generateKeyPair } from '../../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { parseHostKeys } from '../../../../src/protocols/ssh/transport/host-keys.ts'
import { HYBRID } from '../../../../src/protocols/ssh/transport/hybrid-key-exchange.ts'
import { Transport, type TransportListener } from '../../../../src/protocols/ssh/transport/transport.ts'
import { systemClock } from '../../../../src/shared/clock.ts'
import { message, string, uint32 } from '../../../../src/shared/ssh-encoding/wire.ts'

const hostKeys = parseHostKeys([generateKeyPair('ed25519').secret, generateKeyPair('ecdsa').secret])
const NEVER = { rekeyBytes: Number.POSITIVE_INFINITY, rekeyMs: Number.POSITIVE_INFINITY }

/** A server end, and a raw socket in front of it. */
async function serverEnd(t: Test, listener: TransportListener, limits = NEVER): Promise<Socket> {
  const server = createServer(socket => {
    const transport = new Transport(socket, { side: 'server', hostKeys }, listener, limits, systemClock)
    // As the relay does.
    listener.ready = () => transport.reuseMemory()
    transport.start()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'connect')
  return socket
}

interface Pair {
  readonly client: Transport
  readonly exchanged: () => number
}

async function pair(
  t: Test,
  limits: typeof NEVER,
  atServer: (payload: Buffer) => void,
  algorithm = 'ssh-ed25519',
): Promise<Pair> {
  const socket = await serverEnd(t, { message: (_type, payload) => atServer(Buffer.from(payload)), ended() {} }, limits)
  const ready = Promise.withResolvers<void>()
  const client = new Transport(
    socket,
    { side: 'client', hostKeyAlgorithms: [algorithm], verifyHostKey: () => true },
    { ready: ready.resolve, message() {}, ended: error => ready.reject(error ?? new Error('closed')) },
    NEVER,
    systemClock,
  )
  let exchanges = 0
  client.onKeyExchange = () => {
    exchanges++
  }
  client.start()
  await ready.promise
  return { client, exchanged: () => exchanges }
}

const data = (bytes: Uint8Array) => message(94, uint32(0), string(bytes))

t.test('both sides agree on the post-quantum exchange, by either host key', async t => {
  for (const algorithm of ['ssh-ed25519', 'ecdsa-sha2-nistp256']) {
    const arrived = Promise.withResolvers<Buffer>()
    const { client } = await pair(t, NEVER, arrived.resolve, algorithm)
    client.send(data(Buffer.from('hello')))
    t.ok((await arrived.promise).equals(data(Buffer.from('hello'))))
    t.equal(client.keyExchange, HYBRID)
  }
  t.equal(KEY_EXCHANGES[0], HYBRID)
})

t.test('new keys are agreed on by bytes while messages go on, and none is lost or out of order', async t => {
  const total = 200
  let next = 0
  const all = Promise.withResolvers<void>()
  const { client, exchanged } = await pair(t, { ...NEVER, rekeyBytes: 100_000 }, payload => {
    t.equal(payload.readUInt32BE(9), next++)
    if (next === total) all.resolve()
  })
  for (let i = 0; i < total; i++) {
    client.send(data(Buffer.concat([uint32(i), Buffer.alloc(5_000)])))
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  await all.promise
  t.ok(exchanged() >= 4, `keys were exchanged ${exchanged()} times`)
})

t.test('what is not SSH gets a clean end and an error, never an exception', async t => {
  const line = 'SSH-2.0-x\r\n'
  const packet = (length: number) => Buffer.concat([Buffer.from(line), uint32(length), Buffer.alloc(64)])
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n'),
    Buffer.from('x'.repeat(300)),
    Buffer.from('SSH-1.5-old\r\n'),
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]),
    packet(0xffffffff),
    packet(0x7fffffff),
    packet(0),
    // A message of the connection protocol before the key exchange.
    Buffer.concat([Buffer.from(line), Buffer.from([0, 0, 0, 12, 10, 90]), Buffer.alloc(10)]),
  ]) {
    const ended = Promise.withResolvers<Error | undefined>()
    const socket = await serverEnd(t, { message: () => t.fail('a message'), ended: ended.resolve })
    socket.resume().write(bytes)
    const closed = once(socket, 'close')
    if (bytes[0] === 0x16) socket.end()
    else t.type(await ended.promise, Error)
    await closed
  }
})
