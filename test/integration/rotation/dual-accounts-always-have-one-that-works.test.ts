/**
 * An account with two logins by turns, through a whole gateway: sessions use the one in force, a rotation gives a new password to the other,
 * and what services have stays valid until its own turn.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { Secret } from '../../../src/shared/secret.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { callApi } from '../../support/call-api.ts'
import { psql } from '../../support/psql.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const KEEPER = 'of the keeper'
const server = await startPostgres({
  sql: `create role app_a login password 'first of a'; create role app_b login password 'first of b';
    create role keeper login createrole password '${KEEPER}'`,
})
t.teardown(() => server.stop())

/** Keeps every login that it is told of, a line each. */
const folder = t.testdir()
const file = join(folder, 'told')
const service = join(folder, 'service')
writeFileSync(
  service,
  `#!/bin/sh\njq -r '"\\(.login) \\(.credential.password)"' >>"$FILE"\necho '{"result":"told"}'\n`,
  { mode: 0o755 },
)
writeFileSync(file, '')
const told = () =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split(' ') as [string, string])

const gateway = await startTestGateway({
  storeMoves: true,
  configure(config) {
    const common = { arguments: [], timeout: 20_000, kinds: ['password'], verify: 'login', finish: false } as const
    config.rotation.programs.service = {
      ...common,
      ...{ path: service, environment: { FILE: file }, kinds: ['password'], arguments: [], dependentsOf: ['app@*'] },
    }
  },
})
t.teardown(() => gateway.close())
await gateway.addRole({
  name: 'all',
  targets: { names: ['*'] },
  accounts: { names: ['app'] },
  rememberFactor: '1h',
})
const bob = await gateway.addUser({ name: 'bob', roles: ['all'] })
const answer = `${bob.password}${bob.code()}`
const { vault, rotationPolicies } = gateway.parts
const address = { account: 'app', target: 'orders' }
const of = (login: string, password: string): CredentialMaterial => ({
  ...{ kind: 'password', password: new Secret(password), login },
})
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host: server.host, port: server.port, tls: 'disable' },
    accounts: [{ name: 'app', logins: ['app_a', 'app_b'], dependents: [{ program: 'service' }] }, { name: 'keeper' }],
  },
  { keeper: { kind: 'password', password: new Secret(KEEPER) } },
)

/** Who the server sees where bob is app@orders. */
async function seen(): Promise<string> {
  const connection = `host=localhost port=${gateway.postgres!.port} user=bob+app+orders sslmode=require`
  const { stdout, stderr } = await psql(connection, answer, ['select session_user'])
  return `${stdout}${stderr}`
}

const logsIn = async (login: string, password: string) =>
  (await psql(`host=${server.host} port=${server.port} user=${login} dbname=postgres`, password, ['select 1'])).code ===
  0

const rotate = () => gateway.rotations.rotate(address, { trigger: 'by-hand', by: 'owner' })

t.test('its credential is for one of the two, and sessions log in as that', async t => {
  await vault.setCredential(address, of('app_b', 'first of b'), 'owner')
  t.equal(await seen(), 'app_b')
  await vault.setCredential(address, of('app_a', 'first of a'), 'owner')
  t.equal(await seen(), 'app_a')
})

t.test('a rotation is of the one that is not in use, which is used then; the other stays valid', async t => {
  t.match(await rotate(), { result: 'rotated', version: 3, words: '' })
  t.equal(await seen(), 'app_b')
  t.ok(await logsIn('app_a', 'first of a'), 'what services have goes on working')
  t.notOk(await logsIn('app_b', 'first of b'))
  const [[login, second]] = told() as [[string, string]]
  t.equal(login, 'app_b', 'services are told which of the two it is')
  t.ok(await logsIn('app_b', second))

  t.match(await rotate(), { result: 'rotated', version: 4, words: '' })
  t.equal(await seen(), 'app_a')
  t.notOk(await logsIn('app_a', 'first of a'), 'until its own turn')
  t.ok(await logsIn('app_b', second))
  const third = told()[1]!
  t.equal(third[0], 'app_a')
  t.ok(await logsIn(...third))
})

t.test('an earlier version that is put in force again brings its login with it', async t => {
  const version = await vault.restoreCredential(address, 3, 'owner')
  t.equal(await seen(), 'app_b')
  t.match(await rotate(), { result: 'rotated', version: version + 1 })
  t.equal(await seen(), 'app_a')
})

t.test('who types a password or restores a version has services told of it', async t => {
  const api = (method: string, path: string, body: object) =>
    callApi(gateway, `/v1/credentials/orders/app${path}`, { method, body, socket: true })
  const tells = async (act: () => Promise<unknown>) => {
    const had = told().length
    await act()
    while (told().length === had) await sleep(20)
    return told().slice(had)
  }
  const other = told().findLast(([login]) => login === 'app_b')!
  const used = told().at(-1)!
  t.same(await tells(() => api('PUT', '', { kind: 'password', password: other[1], login: 'app_b' })), [other])
  t.equal(await seen(), 'app_b')
  const before = (await vault.history(address))[1]!
  t.same(await tells(() => api('POST', '/restore', { version: before.version })), [used])
  t.equal(await seen(), 'app_a')
  t.match((await api('PUT', '', { kind: 'password', password: 'x' })).body, /say with login/)
  t.match((await api('PUT', '', { kind: 'password', password: 'x', login: 'postgres' })).status, 400)
})

t.test('where nothing is known of the one whose turn it is, another account mends it, or nothing changes', async t => {
  await server.psql(`alter role app_b password 'nobody knows'`)
  t.match(await rotate(), { result: 'backed-out', words: /no other account is named/ })
  t.equal(await seen(), 'app_a', 'what is in use stays in use')
  await rotationPolicies.put({
    ...rotationPolicySchema.parse({ name: 'mended', targets: { names: ['orders'] }, reconcile: 'keeper' }),
  })
  t.match(await rotate(), { result: 'rotated', words: '' })
  t.equal(await seen(), 'app_b')
  t.notOk(await logsIn('app_b', 'nobody knows'))
})

t.test('where somebody may have seen what was in use, both get new ones', async t => {
  const before = told().slice(-2)
  for (const one of before) t.ok(await logsIn(...one))
  const { schedule, rotationTriggers } = gateway.parts
  await gateway.parts.database.transaction().execute(on => rotationTriggers.rotationAfterReveal(address, 'bob', on))
  const left = async () => (await schedule.list()).filter(({ kind }) => kind === 'rotate')
  const had = told().length
  while (told().length < had + 2 || (await left()).length > 0) await sleep(20)
  t.equal(told().length, had + 2, 'two turns, and no more')
  for (const one of before) t.notOk(await logsIn(...one), one[0])
  for (const one of told().slice(-2)) t.ok(await logsIn(...one))
  const [last] = await vault.history(address)
  t.match(last, { current: true, trigger: 'other-login' })
})

t.test('a policy that keeps one version keeps what each login has', async t => {
  const policy = (await rotationPolicies.get('mended'))!
  await rotationPolicies.put({ ...policy, retention: { keep: 1, for: undefined } })
  t.match(await rotate(), { result: 'rotated' })
  t.match(await rotate(), { result: 'rotated', words: '' })
  t.ok((await vault.history(address)).length <= 5, 'older ones are deleted')
  await rotationPolicies.put({ ...policy, reconcile: undefined })
  t.match(await rotate(), { result: 'rotated', words: '' }, 'by what it has itself')
})

t.test('the names are part of what a credential is confirmed for', async t => {
  const target = (await gateway.parts.targets.get('orders'))!
  const accounts = [{ ...target.accounts[0]!, logins: ['app_a', 'postgres'] as [string, string] }, target.accounts[1]!]
  await gateway.parts.targets.put({ ...target, accounts })
  t.match(await seen(), /waits until somebody confirms/)
})
