/** Today's gateway goes on with the store, the recordings and the configuration that a killed gateway of the first version left. */

import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { loadConfig } from '../../../src/config/load-config.ts'
import { codeOfStep, stepAt } from '../../../src/identity/factors/totp.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { removeFolder } from '../../support/child.ts'
import { psql } from '../../support/psql.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway, TestClock } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'

interface Known {
  readonly password: string
  readonly totpSecret: string
  readonly token: string
  readonly databasePassword: string
}

const fixture = new URL('../../fixtures/store-0.1', import.meta.url).pathname
const known: Known = JSON.parse(readFileSync(join(fixture, 'known.json'), 'utf8'))
// A folder of tap's would be too long a path for the API's socket.
const folder = mkdtempSync(join(tmpdir(), 'sallyport-earlier-'))
t.teardown(() => removeFolder(folder))
cpSync(fixture, folder, { recursive: true })
// A checkout keeps no modes.
for (const path of ['data', 'recordings']) chmodSync(join(folder, path), 0o700)
for (const path of ['alice', 'data/vault.key', 'data/sallyport.db']) chmodSync(join(folder, path), 0o600)
const certificates = await makeCertificates(join(folder, 'certificates'))
mkdirSync(join(folder, 'tls'))
cpSync(certificates.keyFile, join(folder, 'tls/gateway.key'))
cpSync(certificates.certificateFile, join(folder, 'tls/gateway.crt'))

const sshd = await startSshd()
t.teardown(() => sshd.stop())
for (const key of ['web-01.pub', 'web-02.pub'])
  appendFileSync(join(sshd.folder, 'authorized_keys'), readFileSync(join(fixture, key)))
const postgres = await startPostgres({ tls: true, sql: `create role app login password '${known.databasePassword}'` })
t.teardown(() => postgres.stop())
await postgres.psql('create database shop owner app')
moveTargets()

const clock = new TestClock()
const config = await loadConfig(join(folder, 'sallyport.yaml'))
const gateway = await startTestGateway({ clock, configure: given => Object.assign(given, config) })
t.teardown(() => gateway.close())
const sessions = await gateway.parts.sessions.list({ limit: 10 })

/** The servers of the first version are gone: in its own words, targets are where those of this test listen. */
function moveTargets(): void {
  const store = new DatabaseSync(join(folder, 'data/sallyport.db'))
  const login = userInfo().username === 'root' ? {} : { login: userInfo().username }
  for (const { name, document } of store.prepare('select name, document from targets').all()) {
    const target = JSON.parse(String(document))
    const { host, port } = target.protocol === 'ssh' ? sshd : postgres
    const proof =
      target.protocol === 'ssh'
        ? { hostKeys: sshd.hostKeys, accounts: target.accounts.map((account: object) => ({ ...account, ...login })) }
        : { ca: readFileSync(postgres.caFile!, 'utf8') }
    const moved = JSON.stringify({ ...target, host, port, ...proof })
    store.prepare('update targets set document = ? where name = ?').run(moved, name!)
  }
  store.close()
}

function code(): string {
  clock.advance(30_000)
  return codeOfStep(known.totpSecret, stepAt(clock.now()))
}

function sessionOn(target: string) {
  return sessions.find(session => session.target === target)!.id
}

t.test('the configuration of that version is accepted, and means the same', async t => {
  t.match(config, {
    dataFolder: join(folder, 'data'),
    database: `sqlite:${join(folder, 'data/sallyport.db')}`,
    certificateNames: ['gateway.example.com'],
    vault: { key: { file: join(folder, 'data/vault.key') } },
    ssh: { loginGraceMs: 120_000, maxAuthTries: 6, maxChannels: 32, rekeyBytes: 2 ** 30, rekeyMs: 3_600_000 },
    postgres: { tls: { keyFile: join(folder, 'tls/gateway.key') }, busyPolling: false, maxPerSource: 200 },
    recording: { folder: join(folder, 'recordings'), execOutputLimitBytes: 2 ** 20 },
    audit: { file: join(folder, 'data/audit.jsonl') },
    shutdown: { drainMs: 0 },
  })
})

t.test('targets that it has on this machine may stay there, and the audit log names them', async t => {
  const targets = await gateway.parts.targets.list()
  const names = targets.map(({ name }) => name)
  t.same(
    targets.filter(({ allowLocal }) => allowLocal).map(({ name }) => name),
    names,
  )
  const events = await gateway.parts.audit.list({ kind: 'target.local-allowed', limit: 10 })
  t.same(
    events.map(({ data }) => JSON.parse(data)),
    [{ targets: names }],
  )
})

t.test('what was cut off is sealed and told of, with the true reason', async t => {
  t.same(sessions.map(({ target }) => target).sort(), ['orders', 'web-01', 'web-02'])
  const cut = sessionOn('web-02')
  // A recording is sealed once nobody can be writing it any more.
  while ((await gateway.parts.sessions.get(cut))!.recording_hash === null) {
    clock.advance(60_000)
    await once(AbortSignal.timeout(200), 'abort')
  }
  for (const [target, reason] of [
    ['web-01', 'client-closed'],
    ['orders', 'client-closed'],
    ['web-02', 'interrupted'],
  ] as const) {
    const id = sessionOn(target)
    const row = await gateway.parts.sessions.get(id)
    t.match(row, { state: 'ended', end_reason: reason, recording_hash: /^[0-9a-f]{64}$/ }, target)
    const kinds = (await gateway.parts.audit.list({ session: id, limit: 100 })).map(({ kind }) => kind)
    for (const kind of ['lease.started', 'lease.ended', 'session.started', 'session.ended'])
      t.equal(kinds.filter(one => one === kind).length, 1, `${target}: ${kind}`)
  }
  // The marker goes a moment after the hash is in the row.
  while (readdirSync(join(folder, 'recordings/unsealed')).length > 0) await once(AbortSignal.timeout(50), 'abort')
})

t.test('recordings verify, replay and export', async t => {
  for (const [target, shown] of [
    ['web-01', /kept by the first/],
    ['web-02', /cut off/],
    ['orders', /select 6 \* 7 as answer/],
  ] as const) {
    const session = sessionOn(target)
    const verified = await asOwner(gateway, ['session', 'verify', session])
    t.match(verified, { exit: 0 }, `${target} verifies: ${verified.stdout}${verified.stderr}`)
    const replay = await asOwner(gateway, ['session', 'replay', session])
    t.match(replay, { exit: 0, stdout: shown }, `${target} replays`)
    const exported = await asOwner(gateway, ['session', 'export', session, '--format', 'text'])
    t.match(exported, { exit: 0, stdout: shown }, `${target} is exported`)
    t.notMatch(replay.stdout + exported.stdout, /S3cr3tX/)
  }
})

t.test('the audit log is whole from the first event on', async t => {
  const verified = await asOwner(gateway, ['audit', 'verify'])
  t.match(verified, { exit: 0 }, verified.stderr)
  const [first] = await gateway.parts.database.selectFrom('audit_events').selectAll().orderBy('seq').limit(1).execute()
  t.ok(
    Number(first!.at) < Math.min(...sessions.map(row => Number(row.started_at))),
    'with what the first version wrote',
  )
  const key = join(folder, 'key.pem')
  writeFileSync(key, gateway.parts.signer.publicKeyPem)
  const copy = await asOwner(gateway, ['audit', 'verify', join(folder, 'data/audit.jsonl'), '--key', key])
  t.match(copy, { exit: 0 }, `${copy.stdout}${copy.stderr}`)
})

t.test('credentials were bound once, and log in', async t => {
  const [bound] = await gateway.parts.audit.list({ kind: 'credential.bound', limit: 1 })
  t.same(JSON.parse(bound!.data).accounts.sort(), ['app@orders', 'root@web-01', 'root@web-02'])
  const identityFile = join(folder, 'alice')
  const plain = await startSsh(gateway.ssh!, 'alice+root+web-01', { identityFile }, 'echo in').ended
  t.match(plain, { status: 0, stdout: 'in\n' }, `a key without a passphrase: ${plain.stderr}`)
  const byCode = { password: known.password, code }
  const locked = await startSsh(gateway.ssh!, 'alice+root+web-02', byCode, 'echo in').ended
  t.match(locked, { status: 0, stdout: 'in\n' }, `a key with one, by password and code: ${locked.stderr}`)
  const { port } = gateway.postgres!
  const connection = `host=127.0.0.1 port=${port} user=alice+app+orders dbname=shop sslmode=require`
  const answer = await psql(connection, `${known.password}${code()}`, ['select 6 * 7'])
  t.match(answer, { code: 0, stdout: '42' }, `a password: ${answer.stderr}`)
})

t.test('a token goes on working', async t => {
  const ca = certificates.caFile
  const list = await withToken(gateway, { token: known.token, ca }, ['session', 'list', '--json'])
  t.match(list, { exit: 0 }, list.stderr)
  t.ok(list.json<{ sessions: unknown[] }>().sessions.length >= 3)
})

t.test('the doctor finds nothing wrong, and the next start takes nothing over again', async t => {
  const doctor = await asOwner(gateway, ['doctor'])
  t.match(doctor, { exit: 0 }, `${doctor.stdout}${doctor.stderr}`)
  await gateway.stop()
  const again = await startTestGateway({ clock, configure: given => Object.assign(given, config) })
  t.teardown(() => again.close())
  const taken = (await again.parts.audit.list({ limit: 1000 })).filter(({ kind }) => /\.(bound|sealed)$/.test(kind))
  t.same(taken.map(({ kind }) => kind).sort(), ['credential.bound', 'token.sealed'])
})
