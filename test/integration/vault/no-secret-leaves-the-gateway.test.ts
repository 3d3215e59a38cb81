/**
 * The canary. Every protocol and every path on which something fails is walked with secrets that nothing else looks like; then everything that
 * left the gateway or was written by it is searched for them, in every form that a secret may take. Each time it is shown that the search
 * would have found one, there where it was planted.
 */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import t from 'tap'
import { ROUTE_SCOPES } from '../../../src/api/route-scopes.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { readPrivateKey } from '../../../src/shared/private-key/read-private-key.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { callApi } from '../../support/call-api.ts'
import { psql } from '../../support/psql.ts'
import { asOwner, type CliResult } from '../../support/run-cli.ts'
import { bytesCanary, type Canary, findIn, scramCanaries, textCanary } from '../../support/sinks.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { PAIR, startTestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

/** With what each spelling must escape. */
const canaryText = (name: string) => `${name}-${randomBytes(9).toString('hex')}'"\\ $ü%+/`
const PLANTED = `planted-${randomBytes(9).toString('hex')}`

const folder = mkdtempSync(join(tmpdir(), 'sallyport-canary-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const passwords = {
  app: canaryText('app'),
  wrong: canaryText('wrong'),
  batch: canaryText('batch'),
  op: canaryText('op'),
}
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const server = await startPostgres({
  sql: ['app', 'wrong', 'batch']
    .map(
      role => `create role ${role} login password ${literal(role === 'wrong' ? 'another' : passwords[role as 'app'])}`,
    )
    .join('; '),
})
t.teardown(() => server.stop())
const sshd = await startSshd()
t.teardown(() => sshd.stop())
const noHost = whyNoLinuxHost()
const linux =
  noHost === undefined ? await startLinuxHost({ accounts: [{ name: 'op', password: passwords.op }] }) : undefined
t.teardown(() => linux?.stop())

// A program that says how it was called, fails in every way in turn, and repeats what it was told, each time in another way.
const program = join(folder, 'program')
const called = join(folder, 'called')
writeFileSync(
  program,
  `#!/bin/sh
tr '\\0' '\\n' </proc/$$/cmdline >>${called}; tr '\\0' '\\n' </proc/$$/environ >>${called}
request=$(cat)
echo >>${called}.times
case $(wc -l <${called}.times) in
  1) say=cat;; 2) say=rev;; 3) say='od -An -v -w999 -tx1';; 4) say='od -An -v -w999 -to1';; 5) say='base32 -w0';; 6) say='tr a-z A-Z';;
  *) echo "$request" >&2; echo "$request"; exit 0;;
esac
words=$(printf '%s' "$request" | jq -j .candidate.password | $say | tee /dev/stderr)
jq -cn --arg words "$words" '{result: "not-changed", $words}'
exit 1
`,
  { mode: 0o755 },
)

const gateway = await startTestGateway({
  configure(config) {
    config.api.enabled = true
    config.log.level = 'trace'
    config.audit.file = join(config.dataFolder, 'audit.jsonl')
    config.rotation.programs.broken = {
      ...{ path: program, arguments: [PLANTED], environment: {}, timeout: 10_000, kinds: ['password'] },
      ...{ dependentsOf: [], connectorOf: ['batch@orders'], verify: 'login', finish: false },
    }
  },
})
t.teardown(() => gateway.close())
const { parts } = gateway

const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const
const { host, port, superuser, superPassword } = server
const database = { protocol: 'postgres', tls: 'disable', database: 'postgres' } as const
await gateway.addTarget(
  {
    ...{ name: 'orders', host, port, ...database, description: PLANTED },
    accounts: [{ name: 'app', checkOut: {} }, { name: 'wrong' }, { name: 'batch' }, { name: superuser }],
  },
  {
    app: password(passwords.app),
    wrong: password(passwords.wrong),
    batch: password(passwords.batch),
    [superuser]: password(superPassword),
  },
)
await gateway.addTarget(
  { name: 'gone', host, port: 1, ...database, accounts: [{ name: 'app' }] },
  { app: password(passwords.app) },
)
await gateway.addTarget(
  {
    ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: sshd.account }],
  },
  { [sshd.account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
)
if (linux !== undefined) {
  await gateway.addTarget({ ...linux.target, name: 'web-02' }, { op: password(passwords.op) })
}
const everything = { targets: { names: ['*'] }, accounts: { names: ['app', 'wrong', 'batch', 'op', sshd.account] } }
await gateway.addRole({ name: 'ops', ...everything, factors: [['password']], checkOut: { ways: ['inject', 'reveal'] } })
await gateway.addRole({
  name: 'keys',
  ...everything,
  factors: [['publickey']],
  checkOut: { ways: ['inject', 'reveal'] },
})
const identityFile = makeKey(folder, 'alice', 'ed25519')
const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
const alice = await gateway.addUser({ name: 'alice', roles: ['ops', 'keys'], publicKeys })
for (const [name, targets, connector] of [
  ['a-broken', { names: ['orders'] }, 'broken'],
  ['databases', { names: ['orders', 'gone'] }, undefined],
] as const) {
  const accounts = connector === undefined ? {} : { accounts: { names: ['batch'] } }
  const given = connector === undefined ? { reconcile: superuser } : { connector }
  await parts.rotationPolicies.put(rotationPolicySchema.parse({ name, targets, ...accounts, ...given }))
}

/** What came out of clients, and of the command line. */
const seen: string[] = []
const note = ({ stdout, stderr }: { stdout: string; stderr: string }) => void seen.push(stdout, stderr)

const at = gateway.postgres!
const query = async (login: string, ...sql: string[]) => {
  const given = `host=${at.host} port=${at.port} user=alice+${login} dbname=postgres sslmode=require`
  note(await psql(given, alice.password, sql))
}
const ssh = async (login: string, ...command: string[]) => {
  const { host, port } = gateway.ssh!
  const options = ['-F', 'none', ...clientOptions({ identityFile }), '-p', String(port), '-l', login, host]
  const ended = await startClient('ssh', [...options, ...command], { identityFile }).ended
  note(ended)
  return ended
}
const run = async (...argv: string[]): Promise<CliResult> => {
  const ended = await asOwner(gateway, argv)
  note(ended)
  return ended
}

t.test('every road is walked', async t => {
  await query('app+orders', `select '${PLANTED}'`, 'select 1/0', 'selekt', 'select pg_sleep(0)')
  await query('wrong+orders', 'select 1')
  await query('app+gone', 'select 1')
  await query('nobody+orders', 'select 1')
  t.equal((await ssh(`alice+${sshd.account}+web-01`, `echo ${PLANTED}; echo $0`)).status, 0)
  await ssh('alice+nobody+web-01', 'true')
  await ssh('alice', 'targets')
  if (linux !== undefined) t.equal((await ssh('alice+op+web-02', 'id; env')).status, 0)

  const rotated = await run('credential', 'rotate', 'app@orders')
  t.equal(rotated.exit, 0, rotated.stderr)
  if (linux !== undefined) {
    const changed = await run('credential', 'rotate', 'op@web-02')
    t.equal(changed.exit, 0, changed.stderr)
  }
  t.not((await run('credential', 'rotate', 'app@gone')).exit, 0, 'a target that is not there')
  t.not((await run('credential', 'rotate', 'wrong@orders')).exit, 0, 'a password that was changed elsewhere')
  t.equal((await run('credential', 'reconcile', 'wrong@orders')).exit, 0)
  // A program that repeats what it was told: as words in many ways, and once as no answer at all.
  for (let i = 0; i < 7; i++) t.not((await run('credential', 'rotate', 'batch@orders')).exit, 0, 'a broken program')
  t.ok(readFileSync(`${called}.times`).length >= 7, 'it said it in all of them')
  await run('credential', 'verify', 'app@orders')
  await run('credential', 'restore', 'app@orders', '--version', '1')
  await run('credential', 'history', 'app@orders')
  await run('credential', 'status', '--all')
  await run('--json', 'credential', 'rotations')
  await run('target', 'check', 'orders')

  const checkOut = ['checkout', 'app@orders', '--reason', PLANTED]
  t.equal((await ssh('alice', ...checkOut)).status, 0)
  t.equal((await ssh('alice', 'checkin', 'app@orders')).status, 0)
  const token = (await ssh('alice', 'tokens', 'create', '--scope', 'all')).stdout.trim()
  const path = '/v1/own/check-outs/orders/app'
  const post = async (to: string, body: unknown) => {
    const answer = await callApi(gateway, to, { token, method: 'POST', body })
    seen.push(answer.body, JSON.stringify(answer.headers))
    return answer.status
  }
  t.match(await post(path, { way: 'reveal' }), /^2/)
  const toAge = await identityToRecipient(await generateX25519Identity())
  t.match(await post(`${path}/reveal`, { code: alice.code(), toAge }), /^2/, 'shown, to her own key alone')
  t.equal((await ssh('alice', 'checkin', 'app@orders')).status, 0)
})

t.test('nothing that left or was written has a secret in it; and the search finds what was planted', async t => {
  const canaries = await secretsOfAll()
  t.ok(canaries.length > 20, `${canaries.length} secrets are looked for`)

  const sinks = await collect()
  t.same(findIn(sinks, canaries), [])

  const planted = textCanary('planted', PLANTED)
  for (const [name, bytes] of sinks) {
    if (PLANTED_IN.includes(name))
      t.not(findIn(new Map([[name, bytes]]), [planted]).length, 0, `what was planted is found in ${name}`)
    // And every form of every secret, wherever it would lie.
    const middle = bytes.length >> 1
    for (const canary of canaries.slice(0, 4)) {
      const missed = [...canary.forms].filter(([, form]) => {
        const with_ = Buffer.concat([bytes.subarray(0, middle), form, bytes.subarray(middle)])
        return findIn(new Map([[name, with_]]), [canary]).length === 0
      })
      t.same(
        missed.map(([form]) => form),
        [],
        `each form would be found in ${name}`,
      )
    }
  }
})

t.test('nor does a gateway that is killed leave one', async t => {
  const canaries = await secretsOfAll()
  await gateway.stop()
  const killed = await startGatewayProcess(gateway, { postgres: true })
  const login = `alice+${sshd.account}+web-01`
  const options = ['-F', 'none', ...clientOptions({ identityFile }), '-p', String(killed.ssh.port), '-l', login]
  const session = startClient('ssh', [...options, killed.ssh.host, `echo ${PLANTED}; exec sleep 600`], { identityFile })
  await session.printed(new RegExp(PLANTED))
  const { host: address, port: at } = killed.postgres!
  const login2 = `host=${address} port=${at} user=alice+app+orders dbname=postgres sslmode=require`
  note(await psql(login2, alice.password, [`select '${PLANTED}'`]))
  await killed.child.end('SIGKILL')
  note(await session.ended)
  const left = new Map([
    ['clients', Buffer.from(seen.join('\n'))],
    ['what it printed', Buffer.from(killed.child.output())],
    ['its folder', files(gateway.folder, name => name !== 'vault.key')],
  ])
  t.same(findIn(left, canaries), [])
  t.not(findIn(left, [textCanary('planted', PLANTED)]).length, 0, 'what was planted is found')
})

/** Every credential that the vault holds, and what else is secret here. */
async function secretsOfAll(): Promise<Canary[]> {
  const canaries: Canary[] = [
    ...Object.entries(passwords).map(([name, text]) => textCanary(`the first password of ${name}`, text)),
    textCanary("alice's own password", alice.password),
    textCanary("alice's one-time codes", alice.totpSecret),
    bytesCanary('the vault key', Buffer.from(readFileSync(join(gateway.folder, 'vault.key'), 'utf8'), 'base64')),
  ]
  const key = await readPrivateKey(Buffer.from(sshd.privateKey), undefined)
  canaries.push(bytesCanary('the private key', Buffer.from(String(key.export({ format: 'jwk' }).d), 'base64url')))
  for (const [name, target] of [
    ...['app', 'wrong', 'batch'].map(name => [name, 'orders']),
    ['op', 'web-02'],
  ] as const) {
    const entry = await parts.targets.get(target!)
    if (entry === undefined) continue
    const address = { account: name!, target: target! }
    for (const { version } of await parts.vault.history(address)) {
      const material = await parts.vault.openVersion(address, version, entry)
      if (material.kind !== 'password') throw new Error('it is a password')
      canaries.push(textCanary(`version ${version} of ${name}`, material.password.reveal()))
    }
    if (target === 'web-02') continue
    const verifier = (await server.psql(`select rolpassword from pg_authid where rolname = '${name}'`)).trim()
    const { version } = (await parts.vault.standing(address))!
    const current = await parts.vault.openVersion(address, version, entry)
    if (current.kind === 'password') canaries.push(...(await scramCanaries(name!, current.password, verifier)))
  }
  return canaries
}

/** Where what was planted comes to by itself. */
const PLANTED_IN = [
  'clients',
  'answers of the API',
  'recordings, decrypted',
  'the audit log',
  'its copy',
  'the store',
  'programs',
]

async function collect(): Promise<Map<string, Buffer>> {
  const rows = await parts.sessions.list({ limit: 1000 })
  const ids = rows.map(({ id }) => id)
  for (const id of ids) await gateway.ended(id)
  await parts.audit.flush()
  const answers: string[] = []
  for (const route of Object.keys(ROUTE_SCOPES)) {
    const [method, path] = route.split(' ') as [string, string]
    if (method !== 'GET' || path.endsWith('/follow') || path.endsWith('/revealed')) continue
    for (const id of path.includes('sessions/:id') ? ids : ['none']) {
      const filled = path
        .replace('/users/:name', '/users/alice')
        .replace('/roles/:name', '/roles/ops')
        .replace('/targets/:name', '/targets/orders')
        .replace('/rotation-policies/:name', '/rotation-policies/databases')
        .replace(':target/:account', 'orders/app')
        .replace(':id', id)
      const { body, headers } = await callApi(gateway, filled, { socket: true })
      answers.push(body, JSON.stringify(headers))
    }
  }
  const events: string[] = []
  // Of a session whose target refused it there is none.
  for (const { id, recording_hash } of await parts.sessions.list({ limit: 1000 })) {
    if (recording_hash === null) continue
    for await (const event of await parts.recordings.read(id)) {
      // What was shown, as bytes beside their base64.
      events.push(
        JSON.stringify(event),
        ...Object.values(event).map(value => (Buffer.isBuffer(value) ? value.toString() : String(value))),
      )
    }
  }
  const store =
    PAIR === 'postgres-redis'
      ? execFileSync('pg_dump', ['--inserts', gateway.config.database], { maxBuffer: 1 << 28 })
      : files(gateway.folder, name => name.includes('.db'))
  const text = (parts: readonly string[]) => Buffer.from(parts.join('\n'))
  return new Map([
    ['clients', text(seen)],
    ['answers of the API', text(answers)],
    ['logs', text(gateway.logLines)],
    ['recordings', files(gateway.config.recording.folder, () => true)],
    ['recordings, decrypted', text(events)],
    ['the audit log', text((await parts.audit.list({ limit: 1000 })).map(({ data }) => data))],
    ['its copy', readFileSync(gateway.config.audit.file!)],
    ['the store', store],
    ['programs', readFileSync(called)],
    ['metrics', text([(await callApi(gateway, '/metrics', { socket: true })).body])],
  ])
}

/** The bytes of all files below a folder. */
function files(of: string, fits: (name: string) => boolean): Buffer {
  const found = readdirSync(of, { recursive: true, withFileTypes: true }).filter(
    file => file.isFile() && fits(file.name),
  )
  return Buffer.concat(found.map(file => readFileSync(join(file.parentPath, file.name))))
}
