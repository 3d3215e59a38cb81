/** The connector of PostgreSQL roles against real servers: what is in force is known for certain, and the password itself is in nothing that a server keeps. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { postgresRole } from '../../../src/protocols/postgres/rotation/connector.ts'
import type { CredentialChange } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { psql } from '../../support/psql.ts'
import { formsIn } from '../../support/secret-forms.ts'
import { startPgbouncerProcess } from '../../support/start-pgbouncer.ts'
import { startPostgres } from '../../support/start-postgres.ts'

type Entry = Partial<Extract<TargetInput, { protocol: 'postgres' }>>

const server = await startPostgres({
  settings: {
    shared_preload_libraries: 'pg_stat_statements,passwordcheck',
    'pg_stat_statements.track_utility': 'on',
    log_statement: 'all',
    log_min_duration_statement: 0,
    log_min_error_statement: 'debug5',
    log_error_verbosity: 'verbose',
    log_min_messages: 'debug1',
    log_parameter_max_length: -1,
    log_connections: 'on',
  },
  hba: [
    'host trusting all 127.0.0.1/32 trust',
    'host hashed all 127.0.0.1/32 md5',
    'host closed all 127.0.0.1/32 reject',
  ],
  sql: 'create extension pg_stat_statements',
})
t.teardown(() => server.stop())
for (const name of ['trusting', 'hashed', 'closed']) await server.psql(`create database ${name}`)
await server.psql(`create role keeper login createrole password 'Kp-secret-1234'`)

const KEEPER = { login: 'keeper', password: 'Kp-secret-1234' }
const newPassword = () => `Pw1-${randomBytes(18).toString('base64')}`
const material = (text: string): CredentialMaterial => ({ kind: 'password', password: new Secret(text) })
let roles = 0

/** A role of its own, and its password. */
async function newRole(
  options = '',
  name = `app ${++roles} "quoted" 'too' \\ ünï`,
): Promise<{ role: string; first: string }> {
  const first = newPassword()
  await server.psql(`create role "${name.replaceAll('"', '""')}" login ${options} password '${first}'`)
  return { role: name, first }
}

function targetOf(login: string, entry: Entry = {}) {
  return targetSchema.parse({
    ...{ name: 'orders', host: '127.0.0.1', port: server.port, tls: 'disable', ...entry, protocol: 'postgres' },
    accounts: [{ name: 'app', login }],
  })
}

type Target = ReturnType<typeof targetOf>

interface Given {
  readonly current?: string
  readonly candidate?: string
  readonly as?: { readonly login: string; readonly password: string }
  readonly signal?: AbortSignal
}

function change(target: Target, given: Given) {
  const { current, candidate = newPassword(), as, signal = AbortSignal.timeout(60_000) } = given
  const account = target.accounts[0]!
  const asked: CredentialChange = {
    target,
    account,
    dial: () => directDialer(target),
    current: current === undefined ? undefined : material(current),
    candidate: material(candidate),
    as: as && { account: { ...account, name: 'admin', login: as.login }, material: material(as.password) },
  }
  return postgresRole.change(asked, signal)
}

function verify(target: Target, text: string) {
  const login = { target, account: target.accounts[0]!, dialer: directDialer(target), material: material(text) }
  return postgresRole.verify(login, AbortSignal.timeout(60_000))
}

async function works(t: Test, target: Target, text: string, expected: object | string = 'works') {
  t.match(await verify(target, text), typeof expected === 'string' ? { result: expected } : expected)
}

t.test('an account changes itself, or another one that may changes it', async t => {
  const { role, first } = await newRole()
  const target = targetOf(role)
  const [second, third] = [newPassword(), newPassword()]
  t.same(await change(target, { current: first, candidate: second }), { result: 'changed' })
  await works(t, target, second)
  await works(t, target, first, { result: 'refused', words: /28P01/ })
  t.same(await change(target, { candidate: third, as: KEEPER }), { result: 'changed' })
  await works(t, target, third)
  t.same(await change(target, { current: second, candidate: third }), { result: 'changed' }, 'done twice, it is done')
  t.match(await change(target, { current: first }), { result: 'not-changed', words: /28P01/ })
  t.match(await change(target, {}), { result: 'not-changed', words: /no password/ })
  await works(t, target, third)
})

t.test('whatever the role is set to, it changes itself and nobody else', async t => {
  const { role, first } = await newRole('noinherit')
  const name = `"${role.replaceAll('"', '""')}"`
  await server.psql('create role other nologin')
  await server.psql(`grant other to ${name}`)
  for (const setting of [
    'role to other',
    'default_transaction_read_only to on',
    'search_path to nowhere',
    'client_encoding to sjis',
    'standard_conforming_strings to off',
    'statement_timeout to 500',
    'synchronous_commit to off',
    "datestyle to 'sql'",
  ]) {
    await server.psql(`alter role ${name} set ${setting}`)
  }
  const target = targetOf(role)
  const second = newPassword()
  t.same(await change(target, { current: first, candidate: second }), { result: 'changed' })
  await works(t, target, second)
})

t.test('no log, no statistics and no file of the server has the password, in any form', async t => {
  const { role, first } = await newRole()
  const target = targetOf(role)
  const secrets = [newPassword(), newPassword(), newPassword()]
  t.same(await change(target, { current: first, candidate: secrets[0]! }), { result: 'changed' })
  await works(t, target, secrets[0]!)
  t.same(await change(target, { candidate: secrets[1]!, as: KEEPER }), { result: 'changed' })
  const weak = { login: role, password: secrets[1]! }
  t.match(await change(targetOf('keeper'), { candidate: secrets[2]!, as: weak }), {
    result: 'not-changed',
    words: /42501/,
  })
  const planted = newPassword()
  await server.psql(`alter role keeper password '${planted}'`)
  await server.psql(`alter role keeper password '${KEEPER.password}'; checkpoint`)
  const statements = await server.psql('select query from pg_stat_statements')
  t.match(statements, /ALTER ROLE .* PASSWORD 'SCRAM-SHA-256\$4096:/, 'they are looked at where they are kept')
  t.match(server.log(), /ALTER ROLE .* PASSWORD 'SCRAM-SHA-256\$4096:/)
  const found = (secret: string) => filesUnder(server.socketDir).flatMap(path => formsIn(readFileSync(path), secret))
  t.not(found(planted).length, 0, 'what is there is found')
  for (const secret of secrets) {
    t.same(formsIn(Buffer.from(statements), secret), [])
    t.same(found(secret), [])
  }
})

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path, { throwIfNoEntry: false })?.isFile())
}

t.test('what makes a new password useless is said, and nothing is changed', async t => {
  const { role, first } = await newRole()
  const refused = async (target: Target, given: Given, words: RegExp) =>
    t.match(await change(target, given), { result: 'not-changed', words })
  await refused(targetOf('nobody-here'), { as: KEEPER }, /there is no role nobody-here/)
  const expired = await newRole(`valid until '2020-02-03 04:05:06'`)
  await refused(targetOf(expired.role), { as: KEEPER }, /only until 2020-02-03 .*VALID UNTIL/)
  await server.psql('create role group_of_them nologin')
  await refused(targetOf('group_of_them'), { as: KEEPER }, /may not log in/)
  await refused(targetOf('x'.repeat(64)), { as: KEEPER }, /63 bytes/)
  await refused(targetOf(role, { database: 'nowhere' }), { current: first }, /3D000/)
  await refused(targetOf(role, { port: 1 }), { current: first }, /could not be reached/)
  await works(t, targetOf(role), first)
})

t.test('what says nothing of a password is not taken for an answer', async t => {
  const { role, first } = await newRole('connection limit 0')
  await works(t, targetOf(role), first, 'works')
  await works(t, targetOf(role), 'wrong', 'refused')
  await works(t, targetOf(role, { database: 'nowhere' }), first, 'works')
  await works(t, targetOf(role, { database: 'nowhere' }), 'wrong', 'refused')
  await works(t, targetOf(role, { database: 'closed' }), first, { result: 'unreachable', words: /28000/ })
  const open: Entry = { database: 'trusting', authentication: ['none', 'scram-sha-256'], tls: 'disable' }
  await works(t, targetOf(role, open), first, 'unreachable')
  await works(t, targetOf(role, { port: 1 }), first, 'unreachable')
  const nologin = await newRole()
  await server.psql(`alter role "${nologin.role.replaceAll('"', '""')}" nologin`)
  await works(t, targetOf(nologin.role), nologin.first, { result: 'refused', words: /not permitted to log in/ })
})

t.test('a lock that is held and a check of passwords are told as what they are', async t => {
  const { role, first } = await newRole('', 'Pw1-name')
  const target = targetOf(role)
  const held = psql(server.url(), server.superPassword, [
    `begin; select pg_advisory_lock(7); lock table pg_authid in share mode; select pg_sleep(60)`,
  ])
  while ((await server.psql('select count(*) from pg_locks where locktype = $$advisory$$')) === '0') {}
  t.match(await change(target, { current: first }), { result: 'not-changed', words: /55P03/ })
  await server.psql(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`)
  await held
  const again = newPassword()
  t.same(await change(target, { current: first, candidate: again }), { result: 'changed' })
  t.match(await change(target, { current: again, candidate: role }), {
    result: 'candidate-refused',
    words: /user name/,
  })
  await works(t, target, again)
})

t.test('a connection that is cut says whether the change was made, or that nobody knows', async t => {
  const { role, first } = await newRole()
  const front = await startCutter(t)
  const target = targetOf(role, { port: front.port })
  for (const [statement, result] of [
    ['BEGIN READ WRITE', 'not-changed'],
    ['ALTER ROLE', 'not-changed'],
    ['COMMIT', 'uncertain'],
  ] as const) {
    front.cutAt = statement
    t.match(await change(target, { current: first }), { result }, statement)
  }
  front.cutAt = undefined
  await works(t, target, first)
  front.holdAnswerTo = 'COMMIT'
  const stop = new AbortController()
  const last = newPassword()
  const changing = change(target, { current: first, candidate: last, signal: stop.signal })
  await front.held
  stop.abort()
  t.match(await changing, { result: 'uncertain' })
  front.holdAnswerTo = undefined
  await works(t, target, last)
})

/** Between the connector and the server: cuts the connection when a statement passes, or keeps what the server answers to it. */
async function startCutter(t: Test) {
  const sockets = new Set<Socket>()
  const hold = Promise.withResolvers<void>()
  const cutter = {
    port: 0,
    cutAt: undefined as string | undefined,
    holdAnswerTo: undefined as string | undefined,
    held: hold.promise,
  }
  const listener = createServer(client => {
    const upstream = connect(server.port, server.host)
    let holds = false
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => undefined))
    client.on('data', chunk => {
      const text = chunk.toString('latin1')
      if (cutter.cutAt !== undefined && text.startsWith(cutter.cutAt, 5)) {
        client.destroy()
        upstream.destroy()
        return
      }
      holds ||= cutter.holdAnswerTo !== undefined && text.startsWith(cutter.holdAnswerTo, 5)
      upstream.write(chunk)
    })
    upstream.on('data', chunk => {
      if (holds) hold.resolve()
      else client.write(chunk)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  cutter.port = (listener.address() as AddressInfo).port
  return cutter
}

t.test('a pooler in between is named, and nothing is changed through it', async t => {
  const { role, first } = await newRole('', 'pooled')
  const pooler = await startPgbouncerProcess({
    folder: join(server.socketDir, 'pooler'),
    databases: [`postgres = host=127.0.0.1 port=${server.port}`],
    user: role,
    password: first,
  })
  t.teardown(() => pooler.stop())
  const target = targetOf(role, { port: pooler.port })
  await works(t, target, first)
  await works(t, target, 'wrong', 'refused')
  t.match(await change(target, { current: first }), { result: 'not-changed', words: /pooler/ })
  await works(t, targetOf(role), first)
})

t.test('a target whose entry allows MD5 alone gets MD5, and no other', async t => {
  await server.psql(`set password_encryption to md5; create role old login password 'Pw-before-1234'`)
  const target = targetOf('old', { database: 'hashed', authentication: ['md5'] })
  const second = newPassword()
  t.match(await change(targetOf('old', { database: 'hashed' }), { current: 'Pw-before-1234' }), {
    result: 'not-changed',
    words: /asks for an MD5 hash/,
  })
  t.same(await change(target, { current: 'Pw-before-1234', candidate: second }), { result: 'changed' })
  await works(t, target, second)
  t.match(await server.psql(`select rolpassword from pg_authid where rolname = 'old'`), /^md5/)
  const third = newPassword()
  const both = targetOf('old', { database: 'hashed', authentication: ['md5', 'scram-sha-256'] })
  t.same(await change(both, { current: second, candidate: third }), { result: 'changed' })
  await works(t, both, third)
  t.match(await server.psql(`select rolpassword from pg_authid where rolname = 'old'`), /^SCRAM/, 'the better one')
})

t.test('a standby is told as one', async t => {
  const { role, first } = await newRole()
  await server.crash()
  writeFileSync(join(server.socketDir, 'data/standby.signal'), '')
  await server.restart()
  await works(t, targetOf(role), first)
  t.match(await change(targetOf(role), { current: first }), { result: 'not-changed', words: /standby.*primary/ })
})
