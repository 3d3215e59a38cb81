import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { serialize } from 'pg-protocol'
import t, { type Test } from 'tap'
import type { TargetInput } from '../../../src/targets/target.ts'
import { cstring, frame, int32 } from '../../support/postgres-bytes.ts'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const PASSWORD = 'pässwörd №5 \u00adx'
const LITERAL = `'${PASSWORD}'`

const target = await startPostgres({
  tls: true,
  hba: [
    'host all trusting 127.0.0.1/32 trust',
    'host all cleartext 127.0.0.1/32 password',
    'host all md5 127.0.0.1/32 md5',
    'hostssl all tlsonly 127.0.0.1/32 scram-sha-256',
    'hostnossl all tlsonly 127.0.0.1/32 reject',
    'hostnossl all plainonly 127.0.0.1/32 scram-sha-256',
    'hostssl all plainonly 127.0.0.1/32 reject',
  ],
  sql: [
    ...['scram', 'cleartext', 'tlsonly', 'plainonly', 'trusting'].map(
      n => `create role ${n} login password ${LITERAL}`,
    ),
    `set password_encryption = 'md5'`,
    `create role md5 login password ${LITERAL}`,
  ].join(';'),
})
t.teardown(() => target.stop())
const ca = readFileSync(target.caFile!, 'utf8')
const otherCa = (await startPostgresFront({ target: { port: 1 }, account: 'a', password: 'p' }).then(async front => {
  await front.close()
  return front.certificatePem
})) as string

type PostgresInput = Partial<Extract<TargetInput, { protocol: 'postgres' }>>

/** What psql sees when the gate logs in to the target so; and the causes that only the log is told. */
async function attempt(t: Test, account: string, entry: PostgresInput, password = PASSWORD) {
  const front = await startPostgresFront({ target: { port: target.port, ...entry }, account, password })
  t.teardown(() => front.close())
  const connection = `host=localhost port=${front.port} user=alice+${account}+orders sslmode=require`
  const ssl = 'select current_user, coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)'
  const { stdout, stderr } = await psql(connection, RIGHT_ANSWER, [ssl])
  return { stdout, stderr, causes: front.causes }
}

const VERIFIED = { tls: 'verify-full', host: 'localhost', ca } as const

t.test('every mode of TLS logs in as libpq would', async t => {
  for (const [account, entry, expected] of [
    ['scram', { tls: 'disable' }, 'scram|f'],
    ['scram', { tls: 'allow' }, 'scram|f'],
    ['scram', { tls: 'prefer' }, 'scram|t'],
    ['scram', { tls: 'require' }, 'scram|t'],
    ['scram', { tls: 'verify-ca', ca, host: '127.0.0.1', serverName: 'not.the.name' }, 'scram|t'],
    ['scram', VERIFIED, 'scram|t'],
    ['scram', { ...VERIFIED, host: '127.0.0.1', serverName: 'localhost' }, 'scram|t'],
    ['tlsonly', { tls: 'allow' }, 'tlsonly|t'],
    ['plainonly', { tls: 'prefer' }, 'plainonly|f'],
    ['md5', { tls: 'disable', authentication: ['md5'] }, 'md5|f'],
    ['md5', { ...VERIFIED, authentication: ['scram-sha-256', 'md5'] }, 'md5|t'],
    ['cleartext', { ...VERIFIED, authentication: ['password'] }, 'cleartext|t'],
    ['cleartext', { tls: 'verify-ca', ca, authentication: ['password'] }, 'cleartext|t'],
    ['trusting', { ...VERIFIED, authentication: ['none'] }, 'trusting|t'],
    ['scram', { ...VERIFIED, channelBinding: 'require' }, 'scram|t'],
    ['scram', { ...VERIFIED, channelBinding: 'disable' }, 'scram|t'],
  ] as [string, PostgresInput, string][]) {
    const { stdout, stderr } = await attempt(t, account, entry)
    t.equal(stdout, expected, `${account} ${entry.tls} ${stderr}`)
  }
})

t.test('without a ca of its own, a target is checked against what the system trusts', async t => {
  const { ca, ...entry } = VERIFIED
  process.env.SSL_CERT_FILE = target.caFile
  t.equal((await attempt(t, 'scram', entry)).stdout, 'scram|t')
  t.match((await attempt(t, 'scram', { ...entry, serverName: 'not.the.name' })).stderr, 'TARGET_IDENTITY_MISMATCH')
})

t.test('over TLS the login is bound to the certificate of the target', async t => {
  const calls = t.capture(serialize, 'sendSASLInitialResponseMessage', serialize.sendSASLInitialResponseMessage)
  t.equal((await attempt(t, 'scram', VERIFIED)).stdout, 'scram|t')
  t.equal((await attempt(t, 'scram', { tls: 'disable' })).stdout, 'scram|f')
  t.match(
    calls().map(({ args }) => args),
    [
      ['SCRAM-SHA-256-PLUS', /^p=tls-server-end-point,,/],
      ['SCRAM-SHA-256', /^n,,/],
    ],
  )
})

t.test('what the entry does not allow is not done', async t => {
  for (const [account, entry, code] of [
    ['tlsonly', { tls: 'disable' }, 'TARGET_LOGIN_FAILED'],
    ['plainonly', { tls: 'require' }, 'TARGET_LOGIN_FAILED'],
    ['scram', { ...VERIFIED, ca: otherCa }, 'TARGET_IDENTITY_MISMATCH'],
    ['scram', { ...VERIFIED, serverName: 'not.the.name' }, 'TARGET_IDENTITY_MISMATCH'],
    ['scram', { tls: 'require', ca: otherCa }, 'TARGET_IDENTITY_MISMATCH'],
    ['cleartext', VERIFIED, 'TARGET_AUTHENTICATION_REFUSED'],
    ['md5', VERIFIED, 'TARGET_AUTHENTICATION_REFUSED'],
    ['trusting', VERIFIED, 'TARGET_AUTHENTICATION_REFUSED'],
    ['scram', { ...VERIFIED, authentication: ['md5'] }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['cleartext', { tls: 'require', authentication: ['password'] }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['cleartext', { tls: 'disable', authentication: ['password'] }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['trusting', { tls: 'require', authentication: ['none'] }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['trusting', { ...VERIFIED, authentication: ['none'], channelBinding: 'require' }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['scram', { tls: 'disable', channelBinding: 'require' }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['scram', { ...VERIFIED, scramIterations: { min: 4097 } }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['scram', { ...VERIFIED, scramIterations: { max: 4095 } }, 'TARGET_AUTHENTICATION_REFUSED'],
    ['scram', { port: 1, tls: 'disable' }, 'TARGET_UNREACHABLE'],
  ] as [string, PostgresInput, string][]) {
    const { stdout, stderr } = await attempt(t, account, entry)
    t.equal(stdout, '')
    t.match(stderr, code, `${account} ${entry.tls}`)
  }
})

t.test('a wrong password in the vault is told without the words of the target, which the log gets', async t => {
  const { stderr, causes } = await attempt(t, 'scram', VERIFIED, 'wrong')
  t.match(stderr, /TARGET_LOGIN_FAILED: The target orders did not accept the login of this account/)
  t.notMatch(stderr, 'password authentication failed')
  t.match(causes, [/28P01: password authentication failed for user "scram"/])
})

/** A server that does what `answer` says after each message of the client. */
async function hostileTarget(t: Test, answer: (socket: Socket, bytes: Buffer, turn: number) => void): Promise<number> {
  const server = createServer(socket => {
    let turn = 0
    socket.on('error', () => undefined)
    socket.on('data', bytes => answer(socket, bytes, turn++))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

const authentication = (code: number, ...parts: Buffer[]) => frame('R', int32(code), ...parts)
const offerScram = authentication(10, cstring('SCRAM-SHA-256'), Buffer.alloc(1))

t.test('a server that does not know the password is not believed', async t => {
  const stories: Record<string, (turn: number) => Buffer> = {
    'says come in at once': () => authentication(0),
    'says come in in the middle of SCRAM': turn => (turn === 0 ? offerScram : authentication(0)),
    'asks for the password in the clear instead': turn => (turn === 0 ? offerScram : authentication(3)),
    'asks for Kerberos': () => authentication(7),
    'offers no mechanism': () => authentication(10, Buffer.alloc(1)),
    'speaks of a message without end': () => Buffer.from('R\x7f\xff\xff\xff', 'latin1'),
    'sends an error without end': () => frame('E', Buffer.from('Sno end')),
    'speaks HTTP': () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  }
  for (const [story, answer] of Object.entries(stories)) {
    const port = await hostileTarget(t, (socket, _bytes, turn) => socket.write(answer(turn)))
    const { stdout, stderr } = await attempt(t, 'scram', { port, tls: 'disable' })
    t.equal(stdout, '')
    t.match(stderr, /TARGET_(LOGIN_FAILED|AUTHENTICATION_REFUSED|IDENTITY_MISMATCH)/, story)
  }
})

t.test('bytes behind the answer to SSLRequest end the connection: they come from someone in between', async t => {
  const port = await hostileTarget(t, socket => socket.write(Buffer.concat([Buffer.from('S'), authentication(3)])))
  const { stderr } = await attempt(t, 'scram', { port, tls: 'require' })
  t.match(stderr, 'TARGET_UNREACHABLE')
})

t.test('a server that refuses TLS does not get the login when TLS is asked for', async t => {
  const seen: Buffer[] = []
  const port = await hostileTarget(t, (socket, bytes) => {
    seen.push(bytes)
    socket.write('N')
  })
  const { stderr } = await attempt(t, 'scram', { port, tls: 'require' })
  t.match(stderr, 'TARGET_UNREACHABLE')
  t.equal(Buffer.concat(seen).length, 8, 'nothing but the SSLRequest left the gate')
})
