/** A server that says what it likes while a password is changed: the connector claims no more than it can know, and shows nothing that a login could be made of. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { postgresRole } from '../../../../src/protocols/postgres/rotation/connector.ts'
import { Secret } from '../../../../src/shared/secret.ts'
import { targetSchema } from '../../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../../src/vault/lease.ts'
import { directDialer } from '../../../support/direct-dialer.ts'
import { complete, cstring, error, frame, int16, int32 } from '../../../support/postgres-bytes.ts'

const PROCESS = 4711
const authentication = (code: number, ...more: Buffer[]) => frame('R', int32(code), ...more)
const ready = (status: 'I' | 'T' | 'E') => frame('Z', Buffer.from(status))
const row = (...values: (string | null)[]) =>
  frame(
    'D',
    int16(values.length),
    ...values.flatMap(value => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)])),
  )
const FACTS = Buffer.concat([
  row(String(PROCESS), 'f', '150000', null, 't', 't', null),
  complete('SELECT 1'),
  ready('I'),
])

type Say = Buffer | 'close' | 'nothing' | ((sql: string) => Buffer)
type Script = Record<'SELECT' | 'BEGIN' | 'ALTER' | 'COMMIT', Say | readonly Say[]>

const HONEST: Script = {
  SELECT: FACTS,
  BEGIN: Buffer.concat([complete('BEGIN'), complete('SET'), ready('T')]),
  ALTER: Buffer.concat([complete('ALTER ROLE'), ready('T')]),
  COMMIT: Buffer.concat([complete('COMMIT'), ready('I')]),
}

/** Lets everybody in by MD5, and answers each statement as the script says. */
async function startServer(t: Test, script: Script) {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const waiting = Promise.withResolvers<void>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(authentication(5, Buffer.from('salt')))
      socket.once('data', () => {
        socket.write(Buffer.concat([authentication(0), frame('K', int32(PROCESS), int32(1)), ready('I')]))
        socket.on('data', chunk => answer(socket, chunk.toString('utf8', 5, chunk.length - 1)))
      })
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  function answer(socket: Socket, sql: string): void {
    asked.push(sql)
    const key = (Object.keys(script) as (keyof Script)[]).find(each => sql.startsWith(each))
    if (key === undefined) return
    for (const say of [script[key]].flat() as Say[]) {
      if (say === 'close') socket.destroy()
      else if (say === 'nothing') waiting.resolve()
      else socket.write(typeof say === 'function' ? say(sql) : say)
    }
  }

  return { port: (server.address() as AddressInfo).port, asked, waiting: waiting.promise }
}

async function change(t: Test, script: Partial<Script>, signal = AbortSignal.timeout(20_000)) {
  const server = await startServer(t, { ...HONEST, ...script })
  const password = (text: string): CredentialMaterial => ({ kind: 'password', password: new Secret(text) })
  const target = targetSchema.parse({
    ...{ name: 'orders', protocol: 'postgres', host: '127.0.0.1', port: server.port, tls: 'disable' },
    ...{ authentication: ['scram-sha-256', 'md5'], accounts: [{ name: 'app' }] },
  })
  const result = postgresRole.change(
    {
      ...{ target, account: target.accounts[0]!, dial: () => directDialer(target), as: undefined },
      ...{ current: password('the current one'), candidate: password('the candidate') },
    },
    signal,
  )
  return { result, ...server }
}

const comesTo = async (t: Test, script: Partial<Script>, expected: object) => {
  const { result } = await change(t, script)
  t.match(await result, expected)
}

t.test('an honest one changes it, and has never seen the password', async t => {
  const { result, asked } = await change(t, {})
  t.same(await result, { result: 'changed' })
  t.match(
    asked.map(sql => sql.split(' ')[0]!.trim()),
    ['SELECT', 'BEGIN', 'ALTER', 'COMMIT'],
  )
  t.match(asked[2], /^ALTER ROLE "app" PASSWORD 'SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]{24}\$[^:]{44}:.{44}'$/)
  t.notMatch(asked.join('\n'), /candidate|current one/)
})

t.test('only an answer to the commit says that it was made', async t => {
  await comesTo(t, { COMMIT: 'close' }, { result: 'uncertain' })
  await comesTo(
    t,
    { COMMIT: [error('57P01', 'going down', 'FATAL'), 'close'] },
    { result: 'uncertain', words: /going down/ },
  )
  await comesTo(t, { COMMIT: Buffer.concat([complete('ROLLBACK'), ready('I')]) }, { result: 'not-changed' })
  await comesTo(t, { COMMIT: Buffer.concat([error('40001', 'no'), ready('I')]) }, { result: 'not-changed' })
  await comesTo(t, { COMMIT: frame('G', Buffer.from('0\0\0')) }, { result: 'uncertain' })
})

t.test('before that, whatever ends it has changed nothing', async t => {
  for (const statement of ['SELECT', 'BEGIN', 'ALTER'] as const) {
    await comesTo(t, { [statement]: 'close' }, { result: 'not-changed' })
    await comesTo(
      t,
      { [statement]: Buffer.concat([error('XX000', 'no'), ready('E')]) },
      { result: 'not-changed', words: /XX000/ },
    )
    await comesTo(t, { [statement]: frame('?', Buffer.alloc(3)) }, { result: 'not-changed' })
  }
  await comesTo(t, { SELECT: Buffer.concat([complete('SELECT 0'), ready('I')]) }, { result: 'not-changed' })
})

t.test('one that does not hold the change back until the commit may have made it', async t => {
  await comesTo(t, { ALTER: Buffer.concat([complete('ALTER ROLE'), ready('I')]) }, { result: 'uncertain' })
  await comesTo(t, { ALTER: Buffer.concat([complete('SELECT 1'), ready('T')]) }, { result: 'uncertain' })
})

t.test('floods come to an end, and what does not answer is not waited for', async t => {
  const notice = frame('N', ...['SNOTICE', 'VNOTICE', 'C00000', 'Mhello'].map(cstring), Buffer.alloc(1))
  const flood = Buffer.concat(Array.from({ length: 5000 }, () => notice))
  await comesTo(t, { SELECT: flood }, { result: 'not-changed' })
  await comesTo(t, { COMMIT: flood }, { result: 'uncertain' })
  await comesTo(t, { SELECT: Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff]) }, { result: 'not-changed' })
  for (const [statement, result] of [
    ['ALTER', 'not-changed'],
    ['COMMIT', 'uncertain'],
  ] as const) {
    const stop = new AbortController()
    const changing = await change(t, { [statement]: 'nothing' }, stop.signal)
    await changing.waiting
    stop.abort()
    t.match(await changing.result, { result }, statement)
  }
})

t.test('its words hold nothing that a login could be made of', async t => {
  const quotes = (sql: string) => Buffer.concat([error('28000', `no: ${sql} \x1b[2J`), ready('E')])
  const { result } = await change(t, { ALTER: quotes })
  const { words } = (await result) as { words: string }
  t.match(words, /^no: ALTER ROLE "app" PASSWORD …/)
  t.notMatch(words, /SCRAM-SHA|\x1b/)
  const tells = Buffer.concat([error('22023', 'it may not be "the candidate"'), ready('E')])
  await comesTo(t, { ALTER: tells }, { result: 'candidate-refused', words: /withheld/ })
  const plain = Buffer.concat([error('28000', 'password type is not a plain text'), ready('E')])
  await comesTo(t, { ALTER: plain }, { result: 'not-changed', words: /credcheck.encrypted_password_allowed/ })
})
