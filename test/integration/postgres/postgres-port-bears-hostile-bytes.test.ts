import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import {
  cstring,
  frame,
  gssencRequest,
  int32,
  packet,
  query,
  RawClient,
  sslRequest,
  startup,
} from '../../support/postgres-bytes.ts'
import { type Front, type FrontOptions, RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres()
t.teardown(() => target.stop())

async function start(t: Test, options: Partial<FrontOptions> = {}): Promise<Front> {
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
    ...options,
  })
  t.teardown(() => front.close())
  return front
}

const login = { user: 'alice+postgres+orders' }
const connection = (front: Front, more = 'sslmode=require') =>
  `host=localhost port=${front.port} user=${login.user} ${more}`

async function stillServes(t: Test, front: Front): Promise<void> {
  t.equal((await psql(connection(front), RIGHT_ANSWER, ['select 7'])).stdout, '7', 'the next person is served')
}

/** Sends bytes, waits for the end, gives what came. */
async function answerTo(front: Front, bytes: Buffer): Promise<string> {
  const client = await RawClient.to(front.port)
  client.socket.write(bytes)
  await client.closed()
  return client.text
}

function secure(client: RawClient, ALPNProtocols?: string[]): Promise<TLSSocket> {
  client.socket.removeAllListeners('data')
  const socket = connectTls({
    socket: client.socket,
    rejectUnauthorized: false,
    ...(ALPNProtocols ? { ALPNProtocols } : {}),
  })
  return once(socket, 'secureConnect').then(() => socket)
}

async function loggedIn(front: Front): Promise<RawClient> {
  const raw = await RawClient.to(front.port)
  raw.socket.write(sslRequest)
  await raw.sees('S')
  const client = new RawClient(await secure(raw))
  client.socket.write(startup(login))
  await client.sees('R\0\0\0\x08\0\0\0\x03')
  client.socket.write(frame('p', cstring(RIGHT_ANSWER)))
  await client.sees('Z\0\0\0\x05I')
  return client
}

t.test('other protocols are told where they are', async t => {
  const front = await start(t)
  for (const hello of ['SSH-2.0-OpenSSH_10.0\r\n', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\n']) {
    t.match(await answerTo(front, Buffer.from(hello)), /^E.*VFATAL.*C08P01.*PostgreSQL clients/, hello.trim())
  }
  t.equal(front.refused.length, 3)
  t.match(front.refused[0], { source: '127.0.0.1', code: 'PROTOCOL_VIOLATION' })
  await stillServes(t, front)
})

t.test('impossible first packets are refused with an error', async t => {
  const front = await start(t, { allowPlaintextFromLoopback: true })
  for (const [what, bytes] of Object.entries({
    'a huge length': Buffer.concat([int32(0x7fffffff), int32(196608)]),
    'a negative length': Buffer.concat([int32(-1), int32(196608)]),
    'no length': Buffer.concat([int32(0), int32(196608)]),
    'protocol 2': packet(2 << 16, cstring('alice')),
    'an end missing': packet(196608, Buffer.from('user\0alice')),
    'an SSLRequest with more': packet(80877103, Buffer.from('more')),
    'a cancel key too long': packet(80877102, Buffer.alloc(300)),
    'a parameter twice': packet(196608, cstring('user'), cstring('a'), cstring('user'), cstring('b'), Buffer.alloc(1)),
  })) {
    t.match(await answerTo(front, bytes), 'C08P01', what)
  }
  await stillServes(t, front)
})

t.test('noise of any kind ends its own connection and nothing else', async t => {
  const front = await start(t)
  for (let round = 0; round < 30; round++) {
    const client = await RawClient.to(front.port)
    client.socket.end(Buffer.concat([round % 3 === 0 ? sslRequest : Buffer.alloc(0), randomBytes(1 + round * 7)]))
    await client.closed()
  }
  for (let round = 0; round < 10; round++) {
    const client = await RawClient.to(front.port)
    client.socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]))
    client.socket.resetAndDestroy()
  }
  await stillServes(t, front)
})

t.test('plaintext stuffed behind a request for encryption is refused, never executed (CVE-2021-23214)', async t => {
  const front = await start(t, { allowPlaintextFromLoopback: true })
  const stuffed = Buffer.concat([startup(login), frame('p', cstring(RIGHT_ANSWER)), query('create table stuffed ()')])
  for (const request of [sslRequest, gssencRequest]) {
    t.match(await answerTo(front, Buffer.concat([request, stuffed])), /data was sent before encryption began/)
  }
  t.same(front.proofs, [])
  t.equal(await target.psql(`select count(*) from pg_tables where tablename = 'stuffed'`), '0')
})

t.test("a balancer's own loopback is not this machine's: no plaintext comes from there", async t => {
  const front = await start(t, { allowPlaintextFromLoopback: true, balancer: '10.0.0.5' })
  t.match(await answerTo(front, startup(login)), /TLS_REQUIRED/)
})

t.test('GSS encryption is declined, then TLS is given', async t => {
  const front = await start(t)
  const client = await RawClient.to(front.port)
  client.socket.write(gssencRequest)
  await client.sees('N')
  client.socket.write(sslRequest)
  await client.sees('NS')
  const secured = new RawClient(await secure(client))
  secured.socket.write(startup(login))
  await secured.sees('R\0\0\0\x08\0\0\0\x03')
  secured.socket.destroy()
})

t.test('direct TLS is served with the ALPN of PostgreSQL, and only with it', async t => {
  const front = await start(t)
  const direct = await RawClient.to(front.port)
  const client = new RawClient(await secure(direct, ['postgresql']))
  client.socket.write(startup(login))
  await client.sees('R\0\0\0\x08\0\0\0\x03')
  client.socket.destroy()

  const without = new RawClient(await secure(await RawClient.to(front.port)))
  await without.sees('direct TLS needs the ALPN protocol')
  await t.rejects(secure(await RawClient.to(front.port), ['h2']), 'another protocol does not even get a handshake')
  await stillServes(t, front)
})

t.test('who is slow to log in, or too many, is told so', async t => {
  // Where the machine is so busy that the answer alone takes that long, it gets longer.
  for (let loginGraceMs = 150, stalled = ''; !stalled.startsWith('S'); loginGraceMs *= 4) {
    const slow = await start(t, { loginGraceMs })
    t.match(await answerTo(slow, Buffer.alloc(0)), /LOGIN_TOO_SLOW/)
    stalled = await answerTo(slow, sslRequest)
    t.match(stalled, /^S|LOGIN_TOO_SLOW/, 'a stalled TLS handshake ends too')
  }

  const small = await start(t, { maxPerSource: 1 })
  const first = await RawClient.to(small.port)
  t.match(await answerTo(small, Buffer.alloc(0)), /C53300.*TOO_MANY_CONNECTIONS/)
  first.socket.destroy()
  await first.closed()
})

t.test('a message before the password, or an empty password, is no login', async t => {
  const front = await start(t, { allowPlaintextFromLoopback: true })
  const asked = startup(login)
  for (const bytes of [query('select 1'), frame('p', cstring('')), frame('p', Buffer.from('no end'))]) {
    const client = await RawClient.to(front.port)
    client.socket.write(asked)
    await client.sees('R\0\0\0\x08\0\0\0\x03')
    client.socket.write(bytes)
    await client.closed()
    t.match(client.text, /C28P01|C08P01/)
  }
  t.notOk(front.facts.length)
})

t.test('a malformed message in a session ends that session with a clear error', async t => {
  const front = await start(t)
  for (const bytes of [
    Buffer.concat([Buffer.from('Q'), int32(3)]),
    Buffer.concat([Buffer.from('Q'), int32(-5)]),
    Buffer.concat([Buffer.from('d'), int32(0x7fffffff)]),
    frame('B', Buffer.from('no end')),
    frame('C'),
  ]) {
    const client = await loggedIn(front)
    const ended = front.sessionEnded()
    client.socket.write(bytes)
    t.equal(await ended, 'protocol-violation')
    await client.closed()
  }
  await stillServes(t, front)
})

t.test('messages cut anywhere pass unchanged', async t => {
  const front = await start(t)
  const client = await loggedIn(front)
  for (const byte of query(`select 'cut ' || 'anywhere'`)) {
    client.socket.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  await client.sees('cut anywhere')
  client.socket.destroy()
})
