/** The API's doors: the owner's socket, tokens with scopes, refusals that are audited, and answers that give nothing away. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { ROUTE_SCOPES } from '../../../src/api/route-scopes.ts'
import { parseScopes, SCOPES, type Scope, withIncluded } from '../../../src/shared/scopes.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { makeToken } from '../../support/web-01.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function start(): Promise<TestGateway> {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  for (const name of ['ada', 'bob']) await gateway.addUser({ name })
  return gateway
}

/** One request, as a program would make it: `token` undefined sends none; `socket` uses the owner's. */
function call(
  gateway: TestGateway,
  path: string,
  {
    token,
    ca,
    method = 'GET',
    body,
    socket = false,
    headers = {},
  }: {
    token?: string
    ca?: string
    method?: string
    body?: string
    socket?: boolean
    headers?: Record<string, string>
  } = {},
): Promise<Answer> {
  const all = {
    ...headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  return new Promise((resolve, reject) => {
    const request = socket
      ? httpRequest({ socketPath: gateway.api.socket!, path, method, headers: all })
      : httpsRequest(new URL(path, gateway.api.url), {
          method,
          headers: all,
          ca: ca === undefined ? undefined : readFileSync(ca),
        })
    request.on('error', reject).on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
    })
    request.end(body)
  })
}

const refusals = async (gateway: TestGateway) =>
  (await gateway.parts.audit.list({ kind: 'api.refused', limit: 1000 })).map(({ actor, data }) => ({
    actor,
    ...JSON.parse(data),
  }))

t.test('the socket is for the owner alone', async t => {
  const gateway = await start()
  const { mode } = statSync(gateway.api.socket!)
  t.equal(mode & 0o777, 0o600)
  t.equal(statSync(gateway.folder).mode & 0o777, 0o700)
  t.equal((await call(gateway, '/v1/tokens', { socket: true })).status, 200)
  const open = startTestGateway({ configure: config => (config.api.socket = '/tmp/sallyport-not-here.sock') })
  await t.rejects(open, { code: 'CONFIG_INVALID', message: /chmod 700/ }, 'a folder that others can enter is refused')
  const second = startTestGateway({ configure: config => (config.api.socket = gateway.api.socket!) })
  await t.rejects(second, { code: 'CONFLICT' }, "a second gateway does not take the first one's socket")
  t.equal((await call(gateway, '/healthz', { socket: true })).status, 200)
})

t.test(
  'a wrong token is refused and audited, after some tries with a short no, and never holds up a good one',
  async t => {
    const gateway = await start()
    const { token, ca } = await makeToken(gateway, 'ada', 'admin')
    t.equal((await call(gateway, '/v1/sessions', { ca, token })).status, 200)
    const wrong: [string, object][] = [
      ['none', {}],
      ['another', { token: `sp_${'A'.repeat(43)}` }],
      ['almost', { token: `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}` }],
      ['no bearer', { headers: { authorization: `Basic ${token}` } }],
      ['in the query', { headers: { cookie: `token=${token}` } }],
    ]
    for (const [what, options] of wrong) {
      const answer = await call(gateway, `/v1/sessions?token=${token}`, { ca, ...options })
      t.equal(answer.status, 401, what)
      t.equal(JSON.parse(answer.body).error.code, 'UNAUTHENTICATED', what)
      t.equal(answer.headers['www-authenticate'], 'Bearer', what)
    }
    t.equal((await call(gateway, '/v1/no-such-thing', { ca })).status, 401, 'what there is, is not told to strangers')
    for (let more = 0; more < 4; more++) await call(gateway, '/v1/sessions', { ca })
    const answer = await call(gateway, '/v1/sessions', { ca, token: `sp_${'A'.repeat(43)}` })
    t.equal(answer.status, 429, 'ten failures from one source are enough')
    t.equal(answer.headers['retry-after'], '60')
    t.equal((await call(gateway, '/v1/sessions', { ca, token })).status, 200, 'a token that is right is not held up')
    const events = await refusals(gateway)
    t.equal(events.length, 10, 'and no more of them fill the audit log')
    t.match(events[1], { actor: 'gateway', reason: 'token unknown or expired', source: '127.0.0.1' })
    t.notMatch(JSON.stringify(events), token.slice(0, 10))
    t.equal((await call(gateway, '/v1/sessions', { socket: true })).status, 200, 'the owner is not locked out')
    gateway.clock.advance(60_001)
    t.equal((await call(gateway, '/v1/sessions', { ca })).status, 401, 'after a while they are looked at again')
  },
)

t.test('a token ends with its time, its revocation, and its user', async t => {
  const gateway = await start()
  const ada = await makeToken(gateway, 'ada', 'read')
  const bob = await makeToken(gateway, 'bob', 'read')
  t.equal((await withToken(gateway, ada, ['session', 'list'])).exit, 0)
  t.match(await asOwner(gateway, ['token', 'create', 'ada-read', '--user', 'ada']), { exit: 1, stderr: /already/ })
  t.match(await asOwner(gateway, ['token', 'create', 'x', '--user', 'nobody']), { exit: 1, stderr: /no user nobody/ })

  await asOwner(gateway, ['token', 'revoke', 'ada-read'])
  t.equal((await withToken(gateway, ada, ['session', 'list'])).exit, 4, 'revoked')
  t.match(await asOwner(gateway, ['token', 'revoke', 'ada-read']), { exit: 1, stderr: /no token ada-read/ })

  const user = (await gateway.parts.users.get('bob'))!
  await gateway.parts.users.put({ ...user, disabled: true })
  t.equal((await withToken(gateway, bob, ['session', 'list'])).exit, 4, 'user disabled')
  await gateway.parts.users.put(user)
  t.equal((await withToken(gateway, bob, ['session', 'list'])).exit, 0)
  await gateway.parts.users.remove('bob')
  await gateway.addUser({ name: 'bob' })
  t.equal(
    (await withToken(gateway, bob, ['session', 'list'])).exit,
    4,
    'a new user of the same name does not inherit it',
  )

  const short = await makeToken(gateway, 'ada', 'read', 'short')
  gateway.clock.advance(91 * 86_400_000)
  t.equal((await withToken(gateway, short, ['session', 'list'])).exit, 4, 'expired')
})

t.test('the store holds no token', async t => {
  const gateway = await start()
  const { token } = await makeToken(gateway, 'ada', 'admin')
  const rows = await gateway.parts.database.selectFrom('api_tokens').selectAll().execute()
  t.equal(rows.length, 1)
  t.notMatch(JSON.stringify(rows), token.slice(3, 13))
  t.notMatch(gateway.logLines.join(''), token.slice(3, 13))
})

/** What each route asked for before there were scopes apart from each other, and which of the words of then let a caller in. */
const EARLIER: Record<string, string[]> = {
  'get /metrics': ['read'],
  'get /v1/sessions': ['read'],
  'get /v1/sessions/{id}': ['read'],
  'post /v1/sessions/{id}/kill': ['admin'],
  'get /v1/sessions/{id}/events': ['auditor'],
  'get /v1/sessions/{id}/follow': ['auditor'],
  'get /v1/sessions/{id}/recording': ['auditor'],
  'get /v1/sessions/{id}/verify': ['auditor'],
  'get /v1/sessions/{id}/revealed': ['revealer'],
  'get /v1/sessions/{id}/seal': ['auditor'],
  'get /v1/audit': ['auditor'],
  'get /v1/audit/sessions': ['auditor'],
  'post /v1/audit/hashes': ['auditor'],
  'post /v1/audit/verify': ['auditor'],
  'get /v1/credentials': ['read'],
  'get /v1/credentials/{target}/{account}': ['read'],
  'get /v1/credentials/{target}/{account}/standing': ['read'],
  'post /v1/credentials/{target}/{account}/leaked': ['admin', 'credentials'],
  'post /v1/credentials/{target}/{account}/confirm': ['credentials'],
  'post /v1/credentials/{target}/{account}/prove': ['credentials'],
  'put /v1/credentials/{target}/{account}': ['admin', 'credentials'],
  'post /v1/resources/apply': ['admin'],
  'get /v1/users': ['read'],
  'get /v1/users/{name}': ['read'],
  'post /v1/users/{name}/unlock': ['admin'],
  'put /v1/users/{name}/password': ['admin'],
  'post /v1/users/{name}/totp': ['admin'],
  'delete /v1/users/{name}/factors/{kind}': ['admin'],
  'get /v1/roles': ['read'],
  'get /v1/roles/{name}': ['read'],
  'get /v1/rotation-batches': ['read'],
  'get /v1/rotation-batches/{id}': ['read'],
  'post /v1/rotation-batches': ['admin', 'credentials'],
  'post /v1/rotation-batches/select': ['admin', 'credentials'],
  'post /v1/rotation-batches/{id}/stop': ['admin', 'credentials'],
  'get /v1/rotation-policies': ['read'],
  'get /v1/rotation-policies/{name}': ['read'],
  'get /v1/targets': ['read'],
  'get /v1/targets/{name}': ['read'],
  'post /v1/targets/{name}/scan': ['admin'],
  'post /v1/targets/{name}/logins': ['admin'],
  'put /v1/targets/{name}/host-keys': ['admin'],
  'get /v1/doctor': ['auditor'],
  'get /v1/doctor/round': ['read'],
  'get /v1/schedule': ['read'],
  'get /v1/check-outs': ['read'],
  'get /v1/check-outs/{id}': ['read'],
  'post /v1/schedule/{id}/retry': ['admin', 'credentials'],
  'get /v1/explain': ['read'],
  'get /v1/tokens': ['admin'],
  'post /v1/tokens': ['admin'],
  'delete /v1/tokens/{name}': ['admin'],
  'get /v1/keys/signing': ['read'],
  'get /v1/keys/certificate': ['read'],
}
const EARLIER_MEANT: Record<string, string[]> = {
  read: ['read'],
  auditor: ['read', 'auditor'],
  revealer: ['read', 'auditor', 'revealer'],
  admin: ['read', 'auditor', 'admin'],
  credentials: ['read', 'credentials'],
}

t.test('each scope opens the routes of the table, and the words of earlier versions what they always did', async t => {
  const gateway = await start()
  const words = [...new Set([...SCOPES, ...Object.keys(EARLIER_MEANT)])]
  const tokens = new Map<string, { token: string; ca: string }>()
  for (const word of words) tokens.set(word, await makeToken(gateway, 'ada', word))
  const { ca } = tokens.get('read')!
  const { paths } = JSON.parse((await call(gateway, '/openapi.json', { ca })).body)
  const routes = Object.entries<Record<string, unknown>>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).flatMap(method => (method === 'head' ? [] : [{ method, path }])),
  )
  const described = routes.map(({ method, path }) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`)
  t.same(
    described.sort(),
    Object.keys(ROUTE_SCOPES)
      .filter(route => route !== 'GET /openapi.json')
      .sort(),
  )
  t.same(
    Object.keys(EARLIER).filter(route => !routes.some(({ method, path }) => route === `${method} ${path}`)),
    [],
  )
  for (const { method, path } of routes) {
    const needed = ROUTE_SCOPES[`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`]!
    const url = path
      .replace('{id}', `ses_${'0'.repeat(26)}`)
      .replace('{kind}', 'totp')
      .replace(/\{\w+\}/g, 'nobody')
    const stranger = await call(gateway, url, { ca, method: method.toUpperCase() })
    t.equal(
      stranger.status !== 401 && stranger.status !== 429,
      needed === 'public',
      `${method} ${path} without a token`,
    )
    if (needed === 'public') continue
    // A token that may all is spent by what only that token may: it ends itself.
    if (needed === 'any-token') continue
    for (const word of words) {
      const { status } = await call(gateway, url, { ...tokens.get(word)!, method: method.toUpperCase() })
      const earlier = EARLIER_MEANT[word]
      const opens =
        earlier === undefined
          ? needed.some(scope => withIncluded([word as Scope]).has(scope))
          : (EARLIER[`${method} ${path}`]?.some(one => earlier.includes(one)) ??
            needed.some(scope => parseScopes(word)!.has(scope)))
      t.equal(status !== 403, opens, `${method} ${path} with ${word}: ${status}`)
    }
  }
})

t.test('a token is no wider than what its maker may', async t => {
  const gateway = await start()
  const admin = await makeToken(gateway, 'ada', 'admin')
  for (const scope of ['reveal', 'confirm', 'read,confirm', 'credentials', 'revealer']) {
    const made = await withToken(gateway, admin, ['token', 'create', 'more', '--user', 'ada', '--scope', scope])
    t.match(made, { exit: 4, stderr: /is made by the owner/ }, scope)
  }
  const operator = ['token', 'create', 'less', '--user', 'ada', '--scope', 'operate,rotate,read']
  t.equal((await withToken(gateway, admin, operator)).exit, 0)
  const { tokens } = (await asOwner(gateway, ['token', 'list', '--json'])).json<{ tokens: object[] }>()
  t.match(tokens, [
    { scope: 'admin' },
    { name: 'less', scope: 'operate,rotate', scopes: ['operate', 'read', 'rotate'] },
  ])
  for (const scope of ['root', 'read,root', 'admin,confirm', '', 'toString'])
    t.match(await asOwner(gateway, ['token', 'create', 'x', '--user', 'ada', '--scope', scope]), { exit: 2 }, scope)
})

t.test('health is for anyone, metrics for holders of a token, neither has secrets', async t => {
  const gateway = await start()
  const { token, ca } = await makeToken(gateway, 'ada', 'read')
  const health = await call(gateway, '/healthz', { ca })
  t.equal(health.status, 200)
  t.match(JSON.parse(health.body), {
    status: 'ready',
    checks: { database: 'ok', cluster: 'ok', recordings: 'ok' },
    sessions: 0,
  })
  t.equal((await call(gateway, '/metrics', { ca })).status, 401)
  const metrics = await call(gateway, '/metrics', { ca, token })
  t.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.match(metrics.body, /^sallyport_logins_total\{protocol="api",result="refused"\} 1$/m)
})

t.test('requests that are too large, broken or wrong get a clear no', async t => {
  const gateway = await start()
  const post = (body: string, path = '/v1/tokens') => call(gateway, path, { socket: true, method: 'POST', body })
  t.match(await post('{'), { status: 400, body: /BAD_REQUEST/ })
  t.match(await post(JSON.stringify({ name: 'x'.repeat(100_000) })), { status: 413, body: /BAD_REQUEST/ })
  t.match(await post('{"name":"a b","user":"ada","scope":"root"}'), {
    status: 400,
    body: /name: a name has letters.*scope: /,
  })
  t.match(await post('{"name":"ok","user":"ada","scope":"read","admin":true}'), { status: 400, body: /admin/ })
  t.match(await call(gateway, '/v1/sessions/..%2f..%2fetc', { socket: true }), { status: 400 })
  t.match(await call(gateway, '/v1/sessions?since=yesterday', { socket: true }), { status: 400, body: /since: / })
})

t.test('what breaks inside is told by a code, and its cause is for the log', async t => {
  const gateway = await start()
  await gateway.parts.database.schema.dropTable('api_tokens').execute()
  const answer = await call(gateway, '/v1/tokens', { socket: true })
  t.equal(answer.status, 500)
  t.match(JSON.parse(answer.body), { error: { code: 'INTERNAL', message: 'Something broke in the gateway.' } })
  t.notMatch(answer.body, /api_tokens|sqlite|select/i)
  t.match(gateway.logLines.join(''), /api_tokens/)
})

t.test('what is no HTTP, or no TLS, is closed, and the gateway lives on', async t => {
  const gateway = await start()
  const { port } = new URL(gateway.api.url!)
  const say = async (where: NetConnectOpts, bytes: string | Buffer) => {
    const socket = connect(where)
    socket.on('error', () => undefined).write(bytes)
    let answer = ''
    socket.setEncoding('latin1').on('data', text => (answer += text))
    await new Promise(resolve => socket.once('close', resolve))
    return answer
  }
  for (const bytes of [
    'SSH-2.0-OpenSSH_9.2p1\r\n',
    'GET /v1/sessions HTTP/1.1\r\nhost: x\r\n\r\n',
    randomBytes(2000),
  ]) {
    t.notMatch(await say({ host: '127.0.0.1', port: Number(port) }, bytes), /HTTP/)
  }
  const path = gateway.api.socket!
  t.match(await say({ path }, 'SSH-2.0-OpenSSH_9.2p1\r\n'), /^HTTP\/1\.1 400/)
  t.match(await say({ path }, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 4/)
  t.equal((await call(gateway, '/healthz', { socket: true })).status, 200)
})

t.test('one source cannot hold all connections of the TLS side', async t => {
  const gateway = await start()
  const port = Number(new URL(gateway.api.url!).port)
  const open: Socket[] = []
  t.teardown(() => open.forEach(socket => void socket.destroy()))
  const closed = Promise.withResolvers<void>()
  for (let i = 0; i < 200; i++) {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => undefined).once('close', () => closed.resolve())
    open.push(socket)
    await once(socket, 'connect')
  }
  await closed.promise
  const other = connectTls({
    socket: connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }),
    rejectUnauthorized: false,
  })
  open.push(other)
  await once(other, 'secureConnect')
})

t.test('a gateway that cannot record is not ready', async t => {
  const gateway = await startTestGateway({
    configure(config) {
      const file = join(config.dataFolder, 'no-folder')
      writeFileSync(file, '')
      config.recording = { ...config.recording, folder: file }
    },
  })
  t.teardown(() => gateway.close())
  const health = await call(gateway, '/healthz', { socket: true })
  t.equal(health.status, 503)
  t.match(JSON.parse(health.body), { status: 'not-ready', checks: { database: 'ok', recordings: 'unavailable' } })
  t.match(await asOwner(gateway, ['health']), { exit: 1, stdout: /recordings +unavailable/, stderr: /not-ready/ })
  t.match(await asOwner(gateway, ['health', '--live']), { exit: 0, stdout: /gateway +live/ })
  const told = gateway.logLines.filter(line => line.includes('the gateway is not ready'))
  t.match(told, [/ENOTDIR|EEXIST/], 'why is in the log, once')
  t.equal((await call(gateway, '/healthz/live', { socket: true })).status, 200)
})
