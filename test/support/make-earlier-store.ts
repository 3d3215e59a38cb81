/**
 * Makes test/fixtures/store-0.1: what a gateway of the first version left behind when it was killed. It runs in a checkout of that
 * version (commit 1032004), where it is copied to test/support: `node test/support/make-earlier-store.ts FOLDER`.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { codeOfStep, stepAt } from '../../src/identity/factors/totp.ts'
import { Secret } from '../../src/shared/secret.ts'
import { makeCertificates } from './certificates.ts'
import { startChild } from './child.ts'
import { psql } from './psql.ts'
import { asOwner } from './run-cli.ts'
import { startSsh } from './ssh-client.ts'
import { startTestGateway } from './start-gateway.ts'
import { startPostgres } from './start-postgres.ts'
import { makeKey, startSshd } from './start-sshd.ts'

/** Every key of that version; ports are free ones, and `cluster` is left out, which needs a Redis. */
const CONFIG = `dataFolder: data
database: sqlite:data/sallyport.db
workers: 1
certificateNames: [gateway.example.com]
vault:
  key: { file: data/vault.key }
ssh:
  enabled: true
  host: 127.0.0.1
  port: 0
  loginGrace: 2m
  maxAuthTries: 6
  maxChannels: 32
  maxUnauthenticated: 200
  maxPerSource: 100
  rekeyAfter: 1GiB
  rekeyEvery: 1h
postgres:
  enabled: true
  host: 127.0.0.1
  port: 0
  tls: { keyFile: tls/gateway.key, certificateFile: tls/gateway.crt }
  allowPlaintextFromLoopback: false
  busyPolling: false
  loginGrace: 1m
  maxUnauthenticated: 200
  maxPerSource: 200
api:
  socket: data/sallyport.sock
  enabled: true
  host: 127.0.0.1
  port: 0
  tls: { keyFile: tls/gateway.key, certificateFile: tls/gateway.crt }
authentication:
  factors:
    - [publickey, totp]
    - [password, totp]
recording:
  folder: recordings
  execOutputLimit: 1MiB
audit:
  file: data/audit.jsonl
  stdout: false
log:
  level: info
shutdown:
  drain: 0s
`
/** The name that the store knows; the login at the sshd of the maker's machine is the one who runs this. */
const ACCOUNT = 'root'

const folder = resolve(process.argv[2]!)
const data = join(folder, 'data')
rmSync(folder, { recursive: true, force: true })
mkdirSync(join(folder, 'tls'), { recursive: true })
writeFileSync(join(folder, 'sallyport.yaml'), CONFIG)
const certificates = await makeCertificates(mkdtempSync(join(tmpdir(), 'sallyport-tls-')))
cpSync(certificates.keyFile, join(folder, 'tls/gateway.key'))
cpSync(certificates.certificateFile, join(folder, 'tls/gateway.crt'))

const sshd = await startSshd()
const databasePassword = 'a password of the first version'
const postgres = await startPostgres({
  tls: true,
  sql: `create role app login password '${databasePassword}'`,
})
await postgres.psql('create database shop owner app')
const prepared = await startTestGateway({
  configure(config) {
    config.recording.folder = join(folder, 'recordings')
  },
})
const passphraseKey = makeKey(folder, 'passphrase', 'ed25519')
writeFileSync(join(sshd.folder, 'authorized_keys'), readFileSync(`${passphraseKey}.pub`), { flag: 'a' })
cpSync(`${passphraseKey}.pub`, join(folder, 'web-02.pub'))
cpSync(`${sshd.identityFile}.pub`, join(folder, 'web-01.pub'))
execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'a passphrase', '-f', passphraseKey])

await prepared.addRole({
  name: 'ops',
  targets: { labels: { stage: 'production' } },
  accounts: { names: [ACCOUNT] },
  factors: [['publickey'], ['password', 'totp']],
})
await prepared.addRole({
  name: 'dba',
  targets: { names: ['orders'] },
  accounts: { names: ['app'] },
  rememberFactor: '1h',
})
const web = { protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys } as const
const key = { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } as const
const lockedKey = {
  kind: 'private-key',
  privateKey: new Secret(readFileSync(passphraseKey, 'utf8')),
  passphrase: new Secret('a passphrase'),
} as const
const labels = { stage: 'production' }
await prepared.addTarget({ ...web, name: 'web-01', labels, accounts: [{ name: ACCOUNT }] }, { [ACCOUNT]: key })
await prepared.addTarget({ ...web, name: 'web-02', labels, accounts: [{ name: ACCOUNT }] }, { [ACCOUNT]: lockedKey })
const { host, port } = postgres
await prepared.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host, port, database: 'shop', accounts: [{ name: 'app' }] },
    ca: readFileSync(postgres.caFile!, 'utf8'),
  },
  { app: { kind: 'password', password: new Secret(databasePassword) } },
)
const identityFile = makeKey(folder, 'alice', 'ed25519')
const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
const alice = await prepared.addUser({ name: 'alice', roles: ['ops', 'dba'], publicKeys })
const token = (
  await asOwner(prepared, ['token', 'create', 'reports', '--user', 'alice', '--scope', 'auditor', '--expires', 'never'])
).stdout.trim()
await prepared.stop()
mkdirSync(data, { recursive: true, mode: 0o700 })
mkdirSync(join(folder, 'recordings'), { recursive: true, mode: 0o700 })
for (const file of ['sallyport.db', 'vault.key']) renameSync(join(prepared.folder, file), join(data, file))

const program = new URL('../../src/main.ts', import.meta.url).pathname
const gateway = startChild(process.execPath, [program, 'start', '--config', join(folder, 'sallyport.yaml')], {
  folder: prepared.folder,
  logFile: join(prepared.folder, 'log'),
})
await gateway.printed(/the gateway is ready/)
const at = (door: string) => ({
  host: '127.0.0.1',
  port: Number(new RegExp(`"${door}":\\{"host":"127.0.0.1","port":(\\d+)\\}`).exec(gateway.output())![1]),
})
/** A code counts once: the second session has the one of the next step, which is good already. */
const code = (ahead: number) => codeOfStep(alice.totpSecret, stepAt(Date.now()) + ahead)
const one = await startSsh(at('ssh'), `alice+${ACCOUNT}+web-01`, { identityFile }, 'echo kept by the first').ended
const password = `${alice.password}${code(0)}`
const connection = `host=127.0.0.1 port=${at('postgres').port} user=alice+app+orders dbname=shop sslmode=require`
const two = await psql(connection, password, [`create role reports password 'S3cr3tX'`, 'select 6 * 7 as answer'])
const three = startSsh(
  at('ssh'),
  `alice+${ACCOUNT}+web-02`,
  { password: alice.password, code: () => code(1) },
  'echo cut off; cat',
)
await three.printed(/cut off/)
// Longer than that version holds back what it has not written.
await setTimeout(3000)
console.log(one, two)
await gateway.end('SIGKILL')
await three.ended
// What the killed gateway had in its write-ahead log, in the file itself.
const store = new DatabaseSync(join(data, 'sallyport.db'))
store.exec('pragma wal_checkpoint(truncate)')
store.close()

writeFileSync(
  join(folder, 'known.json'),
  `${JSON.stringify({ password: alice.password, totpSecret: alice.totpSecret, token, databasePassword }, undefined, 2)}\n`,
)
// Certificates are good for two days: who uses the store makes new ones.
for (const file of [
  'alice.pub',
  'passphrase',
  'passphrase.pub',
  'data/sallyport.sock',
  'data/sallyport.db.lock',
  'data/sallyport.db.lock-journal',
  'tls',
])
  rmSync(join(folder, file), { recursive: true, force: true })
await prepared.close()
await postgres.stop()
await sshd.stop()
