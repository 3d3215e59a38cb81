/** Personal tokens: made by ssh, never wider than what her roles give now, ended at once, and seen in the audit log. */

import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { Whoami } from '../../../src/api/routes/own.ts'
import { callApi } from '../../support/call-api.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway, type TestUser } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken, runSession, startSession } from '../../support/web-01.ts'

interface Made {
  readonly token: string
  readonly name: string
  readonly scopes: string[]
  readonly expiresAt: string
  readonly api: { url: string | null; port: number; certificate: string }
}

const HOUR = 3_600_000

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts, clock } = gateway
const anywhere = { targets: {}, accounts: {} }
await gateway.addRole({ name: 'auditing', ...anywhere, api: ['audit', 'own-replay'] })
await gateway.addRole({ name: 'operating', ...anywhere, api: ['operate'] })
await gateway.addRole({ name: 'elsewhere', ...anywhere, api: ['administrate'], sources: ['127.0.0.2/32'] })
await gateway.addRole({ name: 'by-key', ...anywhere, api: ['reveal'], factors: [['publickey', 'totp']] })
const alice = await addWeb01(gateway, sshd)
const bob = await gateway.addUser({ name: 'bob', roles: ['ops'] })
await hasRoles('alice', 'ops', 'auditing', 'operating', 'by-key')

async function hasRoles(name: string, ...roles: string[]): Promise<void> {
  await parts.users.put({ ...(await parts.users.get(name))!, roles })
}

function bySsh({ name, password, code }: TestUser, ...words: string[]) {
  return startSsh(gateway.ssh!, name, { password, code }, words.join(' ')).ended
}

async function make(user: TestUser, ...options: string[]): Promise<Made> {
  const { status, stdout, stderr } = await bySsh(user, 'tokens', 'create', '--json', ...options)
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

const statusOf = async (token: string, path: string, method = 'GET') =>
  (await callApi(gateway, path, { token, method })).status
const whoami = async (token: string) => (await callApi(gateway, '/v1/whoami', { token })).json<Whoami>()
const events = async (kind: string) =>
  (await parts.audit.list({ limit: 1000 }))
    .filter(event => event.kind === kind)
    .map(({ actor, data }) => ({ actor, ...JSON.parse(data) }))

t.test('one is made by ssh, shown once, and opens what is her own', async t => {
  const printed = await bySsh(alice, 'tokens create --expires 8h --name laptop')
  t.match(printed, { status: 0, stdout: /^sallyport_pat_[0-9A-Za-z]{49}\r?\n$/, stderr: /laptop: own, until/ })
  const token = printed.stdout.trim()
  t.match(await whoami(token), { user: 'alice', by: 'personal-token', token: 'laptop', scopes: ['own'], withheld: [] })
  const mine = await runSession(gateway, alice, sshd.account, 'true')
  const his = await runSession(gateway, bob, sshd.account, 'true')
  const get = async (path: string) => (await callApi(gateway, path, { token })).json<Record<string, { id: string }[]>>()
  t.same(
    (await get('/v1/own/sessions')).sessions?.map(({ id }) => id),
    [mine.session],
  )
  t.equal(await statusOf(token, `/v1/own/sessions/${mine.session}`), 200)
  for (const path of [`/v1/own/sessions/${his.session}`, `/v1/own/sessions?before=${his.session}`])
    t.equal(await statusOf(token, path), 404, path)
  t.equal(await statusOf(token, `/v1/own/sessions?user=bob`), 400, 'whose, the token says')
  t.match(await get('/v1/own/targets'), { targets: [{ target: 'web-01', account: sshd.account }] })
  t.match(await get(`/v1/own/explain?target=web-01`), { allowed: true, given: { account: sshd.account }, roles: [] })
  const forbidden = await callApi(gateway, '/v1/own/explain?target=no-such', { token })
  t.match(forbidden.json(), { allowed: false, verdict: /not allowed for you, or do not exist/ })
  for (const path of [
    '/v1/sessions',
    '/v1/users',
    '/v1/audit',
    '/v1/tokens',
    `/v1/own/sessions/${mine.session}/events`,
  ])
    t.equal(await statusOf(token, path), 403, path)
  t.match((await events('personal-token.created')).at(-1), { actor: 'alice', name: 'laptop', scopes: 'own' })
  t.match(await events('personal-token.first-used'), [{ actor: 'alice', name: 'laptop', source: '127.0.0.1' }])
  const log = gateway.logLines.join('') + JSON.stringify(await parts.audit.list({ limit: 1000 }))
  t.notMatch(log, token.slice(14, 30), 'its text is in no log')
  const stored = await parts.database.selectFrom('personal_tokens').selectAll().execute()
  t.notMatch(JSON.stringify(stored), token.slice(14, 30), 'nor in the store')
})

t.test('it is never wider than what her roles give now', async t => {
  const all = await make(alice, '--scope', 'all')
  t.same(all.scopes.sort(), ['audit', 'operate', 'own', 'own-replay', 'read'], 'what a key alone gives is not in it')
  t.equal(await statusOf(all.token, '/v1/audit'), 200)
  const refused = await bySsh(alice, 'tokens create --scope own,administrate,reveal')
  t.match(refused, {
    status: 4,
    stdout: '',
    stderr: /None of your roles gives administrate,reveal now; you have own,own-replay,audit,operate/,
  })

  await hasRoles('alice', 'ops', 'operating')
  t.equal(await statusOf(all.token, '/v1/audit'), 403, 'the role was taken away')
  t.match((await callApi(gateway, '/v1/audit', { token: all.token })).body, /no role gives own-replay,audit now/)
  t.equal(await statusOf(all.token, '/v1/sessions'), 200)
  t.match(await whoami(all.token), { scopes: ['own', 'operate', 'read'], withheld: ['own-replay', 'audit'] })
  await hasRoles('alice', 'ops', 'auditing', 'operating', 'by-key')
  t.equal(await statusOf(all.token, '/v1/audit'), 200, 'and given back')

  await gateway.addRole({ name: 'auditing', ...anywhere, api: ['own-replay'] })
  t.equal(await statusOf(all.token, '/v1/audit'), 403, 'the role gives less')
  await gateway.addRole({ name: 'auditing', ...anywhere, api: ['audit', 'own-replay'] })

  await parts.users.put({ ...(await parts.users.get('alice'))!, disabled: true })
  t.equal(await statusOf(all.token, '/v1/whoami'), 401, 'disabled')
  await parts.users.put({ ...(await parts.users.get('alice'))!, disabled: false })
  t.equal(await statusOf(all.token, '/v1/whoami'), 200)
})

t.test('a role counts from where, when and with the factors that it says', async t => {
  await hasRoles('bob', 'ops', 'elsewhere')
  const token = (await make(bob)).token
  t.match(await bySsh(bob, 'tokens create --scope administrate'), { status: 4 }, 'not from here')
  // As if it had been made there.
  const person = { user: 'bob', proven: new Set(['password', 'totp'] as const), sourceAddress: '127.0.0.2' }
  const made = await parts.personalAccess.create(person, { scopes: new Set(['administrate']), validForMs: HOUR })
  const text = made.text.reveal()
  t.equal(await statusOf(text, '/v1/tokens'), 403, 'another address')
  t.equal((await callApi(gateway, '/v1/tokens', { token: text, localAddress: '127.0.0.2' })).status, 200)
  t.equal((await callApi(gateway, '/v1/tokens', { token, localAddress: '127.0.0.2' })).status, 403, 'made for less')
})

t.test('it makes no tokens, and gives nobody what its holder has not', async t => {
  await gateway.addRole({ name: 'governing', ...anywhere, api: ['administrate'] })
  await hasRoles('bob', 'ops', 'governing')
  const { token } = await make(bob, '--scope', 'all')
  const post = (path: string, body: unknown, method = 'POST', by = token) =>
    callApi(gateway, path, { token: by, method, body })
  const more = await post('/v1/tokens', { name: 'more', user: 'bob', scope: ['administrate'] })
  t.match(more, { status: 403, body: /A personal token makes no tokens/ })
  const admin = (await makeToken(gateway, 'bob', 'admin')).token
  const apply = (text: string, by = token) =>
    post('/v1/resources/apply', { files: [{ name: 'x.yaml', text }] }, 'POST', by)
  const role = 'kind: role\nname: mine\ntargets: {}\naccounts: {}\napi:'
  for (const by of [token, admin]) {
    t.match(await apply(`${role} [confirm, reveal]`, by), {
      status: 403,
      body: /scope confirm,reveal is changed by the owner/,
    })
    t.match(await apply('kind: user\nname: bob\nroles: [by-key]', by), { status: 403, body: /reveal/ })
    t.match(await apply('kind: role\nname: by-key\ntargets: {}\naccounts: {}\napi: [reveal]', by), { status: 403 })
    const password = await post('/v1/users/alice/password', { password: 'mine now' }, 'PUT', by)
    t.match(password, {
      status: 403,
      body: /factors of a user with the scope .*reveal are set and removed by the owner/,
    })
    t.equal((await post('/v1/users/alice/totp', undefined, 'POST', by)).status, 403)
  }
  t.match((await parts.users.get('bob'))!.roles, ['ops', 'governing'], 'nothing was applied')
  const policy = 'kind: rotation-policy\nname: soon\ntargets: { names: ["*"] }\nevery: 1m'
  t.match(await apply(policy), { status: 403, body: /changed by who has the scope rotate as well/ })
  t.same(await parts.rotationPolicies.list(), [], 'nobody rotates by being an administrator')
  t.equal((await apply(policy, admin)).status, 200)
  t.equal((await apply(`${role} [administrate]`)).status, 200, 'what he has, he may give')
  t.equal((await apply(`${role} [own-replay, operate]`, admin)).status, 200)
  t.equal(
    (await apply('kind: user\nname: alice\ndisabled: true\nroles: [by-key]', admin)).status,
    200,
    'taking away is free',
  )
  await parts.users.put({ ...(await parts.users.get('alice'))!, disabled: false })
  await hasRoles('alice', 'ops', 'auditing', 'operating', 'by-key')
})

t.test('it is listed and revoked by its holder, by those who operate, and by itself', async t => {
  const [one, two, three] = [await make(alice, '--name', 'one'), await make(alice, '--name', 'two'), await make(alice)]
  t.match((await bySsh(alice, 'tokens')).stdout, /^two +own .*^one +own /ms)
  t.match(await bySsh(alice, 'tokens create --name one'), { status: 1, stderr: /a token with the name one already/ })
  t.match(await bySsh(alice, 'tokens revoke one'), { status: 0, stdout: /Revoked one/ })
  t.match(await bySsh(alice, 'tokens revoke one'), { status: 1 })
  t.equal(await statusOf(one.token, '/v1/whoami'), 401)
  const listed = (await callApi(gateway, '/v1/users/alice/tokens', { socket: true })).json<{ tokens: Made[] }>()
  t.ok(listed.tokens.some(({ name }) => name === 'two'))
  t.notMatch(JSON.stringify(listed), /sallyport_pat_/)
  t.match((await asOwner(gateway, ['token', 'list', '--personal', 'alice'])).stdout, /^two +own /m)
  t.equal((await asOwner(gateway, ['token', 'revoke', 'two', '--personal', 'alice'])).exit, 0)
  t.equal(await statusOf(two.token, '/v1/whoami'), 401)
  const his = await make(bob, '--name', 'his')
  t.equal(await statusOf(three.token, '/v1/own/tokens/his', 'DELETE'), 404, "not somebody else's")
  t.equal(await statusOf(his.token, '/v1/whoami'), 200)
  t.equal(await statusOf(three.token, '/v1/logout', 'POST'), 204)
  t.equal(await statusOf(three.token, '/v1/whoami'), 401)
  t.match((await events('personal-token.revoked')).slice(-3), [
    { actor: 'alice', user: 'alice', name: 'one' },
    { actor: 'owner', user: 'alice', name: 'two' },
    { actor: 'alice', user: 'alice', name: three.name },
  ])
  const pasted = await bySsh(alice, 'tokens revoke', his.token)
  t.equal(pasted.status, 1)
  t.notMatch(
    JSON.stringify(await parts.audit.list({ limit: 1000 })),
    his.token.slice(14, 30),
    'one that is pasted is hidden',
  )
})

t.test('it ends with its time, which has a maximum, and that is audited', async t => {
  t.match(await bySsh(alice, 'tokens create --expires 31d'), { status: 2, stderr: /valid for 30d at most/ })
  for (const [options, why] of [
    ['--expires 0s', /more than 0s/],
    ['--expires soon', /--expires is a number/],
    ['--scope root', /--scope is all, or a list of own/],
    ['--scope ""', /--scope is all/],
    ['--name "a b"', /A name has letters/],
    ['--colour red', /Unknown option/],
    ['more', /does not take another word/],
  ] as const)
    t.match(await bySsh(alice, 'tokens create', options), { status: 2, stdout: '', stderr: why }, options)
  const short = await make(alice, '--expires', '1h', '--name', 'short')
  clock.advance(HOUR - 1000 - (clock.now() - (Date.parse(short.expiresAt) - HOUR)))
  t.equal(await statusOf(short.token, '/v1/whoami'), 200)
  clock.advance(1000)
  t.equal(await statusOf(short.token, '/v1/whoami'), 401)
  await parts.personalAccess.endExpired()
  await parts.personalAccess.endExpired()
  const expired = (await events('personal-token.expired')).filter(({ name }) => name === 'short')
  t.match(expired, [{ actor: 'gateway', user: 'alice', expiredAt: short.expiresAt }])
})

t.test('what is being answered ends with the token', async t => {
  const { token, name } = await make(alice, '--scope', 'audit')
  const session = startSession(gateway, alice, sshd.account, 'cat')
  let live: string | undefined
  while (live === undefined) {
    live = (await parts.sessions.list({ state: 'live', limit: 1 }))[0]?.id
    await setTimeout(20)
  }
  const following = callApi(gateway, `/v1/sessions/${live}/follow`, { token })
  following.catch(() => undefined)
  while ((await events('recording.followed')).length === 0) await setTimeout(20)
  await parts.personalAccess.revoke('alice', name, { actor: 'owner' })
  await t.rejects(following, 'the connection is cut')
  while ((await events('api.ended')).length === 0) await setTimeout(20)
  session.stdin.end()
  await session.ended
  t.match(await events('api.ended'), [{ actor: 'alice', route: 'GET /v1/sessions/:id/follow', token: name }])
})

t.test('a recording of her own is replayed where policy says so, and audited', async t => {
  const mine = await runSession(gateway, alice, sshd.account, 'echo shown')
  const { token } = await make(alice, '--scope', 'own,own-replay')
  const replay = await callApi(gateway, `/v1/own/sessions/${mine.session}/events`, { token })
  t.match(replay, { status: 200, body: /"type":"end"/ })
  t.match((await events('recording.replayed')).at(-1), { actor: 'alice', user: 'alice' })
  const his = (await parts.sessions.list({ user: 'bob', limit: 1 }))[0]!
  t.equal(await statusOf(token, `/v1/own/sessions/${his.id}/events`), 404)
})

t.test('a row that was written or changed by hand is no token, and tokens go with their user', async t => {
  const { token, name } = await make(alice)
  const change = (set: object) =>
    parts.database
      .updateTable('personal_tokens')
      .set(set)
      .where('user', '=', 'alice')
      .where('name', '=', name)
      .execute()
  const row = await parts.database
    .selectFrom('personal_tokens')
    .selectAll()
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  for (const set of [
    { scopes: 'own,audit' },
    { user: 'bob' },
    { expires_at: row.expires_at + 1 },
    { made: '{"proven":["publickey","totp"],"madeFrom":""}' },
  ]) {
    await change(set)
    t.equal(await statusOf(token, '/v1/whoami'), 401, Object.keys(set)[0])
    await parts.database.updateTable('personal_tokens').set(row).where('hash', '=', row.hash).execute()
  }
  t.equal(await statusOf(token, '/v1/whoami'), 200)
  const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
  t.equal(await statusOf(wrong, '/v1/whoami'), 401)
  const kept = (await parts.users.get('alice'))!
  await parts.users.remove('alice')
  await parts.users.put(kept)
  t.equal(await statusOf(token, '/v1/whoami'), 401, 'whoever gets the name later inherits none')
})

t.test('the metrics count them', async t => {
  const metrics = (await callApi(gateway, '/metrics', { socket: true })).body
  for (const what of ['created', 'first-used', 'revoked', 'expired'])
    t.match(metrics, new RegExp(`^sallyport_personal_tokens_total\\{what="${what}"\\} [1-9]`, 'm'))
})
