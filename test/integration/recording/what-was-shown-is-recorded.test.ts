import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { withoutFinished } from '../../../src/recording/rendering/unfinished.ts'
import { readRecording } from '../../../src/recording/store/reader.ts'
import { BULK_BOUND_BYTES, SHOWN_BOUND_BYTES } from '../../../src/recording/writing/recorder.ts'
import { Secret } from '../../../src/shared/secret.ts'
import type { Promptness } from '../../../src/shared/vocabulary.ts'
import { run } from '../../support/child.ts'
import { clientOptions } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** A client that takes what it is shown, and what it was. */
interface Client {
  readonly shown: () => string
  readonly sawMore: (bytes: number) => Promise<void>
  readonly left: Promise<unknown>
  readonly say: (text: string) => void
}

function startClient(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Client {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => undefined)
  const chunks: Buffer[] = []
  let bytes = 0
  const look = new Set<() => void>()
  child.stdout.on('data', chunk => {
    chunks.push(chunk)
    bytes += chunk.length
    for (const check of look) check()
  })
  const left = once(child, 'close')
  return {
    shown: () => Buffer.concat(chunks).toString('latin1'),
    sawMore: least =>
      new Promise((resolve, reject) => {
        const check = () => bytes >= least && resolve()
        look.add(check)
        check()
        void left.then(() => reject(new Error(`${command} left after ${bytes} bytes`)))
      }),
    left,
    say: text => void child.stdin.write(text),
  }
}

async function prepare(t: Test, recording: Promptness): Promise<{ gateway: TestGateway; password: string }> {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const scope = { targets: { names: ['web-01', 'orders'] }, accounts: { levels: ['basic' as const] } }
  await gateway.addRole({ name: 'ops', ...scope, factors: [['publickey'], ['password']], recording })
  const { host, port, hostKeys, account, privateKey } = sshd
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account, level: 'basic' }] },
    { [account]: { kind: 'private-key', privateKey: new Secret(privateKey) } },
  )
  await gateway.addTarget(
    {
      ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
      accounts: [{ name: postgres.superuser, level: 'basic' }],
    },
    { [postgres.superuser]: { kind: 'password', password: new Secret(postgres.superPassword) } },
  )
  const publicKeys = [readFileSync(`${sshd.identityFile}.pub`, 'utf8').trim()]
  const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
  await gateway.stop()
  return { gateway, password: alice.password }
}

const NOISE = 'while head -c 30000 /dev/urandom | base64; do :; done'

function startAll({ ssh, postgres: pg = ssh }: GatewayProcess, password: string) {
  const options = [...clientOptions({ identityFile: sshd.identityFile }), '-p', String(ssh.port)]
  const at = [...options, '-l', `alice+${sshd.account}+web-01`, ssh.host]
  const connection = `host=${pg.host} port=${pg.port} user=alice+${postgres.superuser}+orders dbname=postgres`
  const psql = (...args: string[]) =>
    startClient('psql', ['-X', '-A', '-t', '-q', `${connection} sslmode=require`, ...args], { PGPASSWORD: password })
  const statements = psql()
  for (let i = 0; i < 20_000; i++) statements.say(`select '${randomBytes(400).toString('hex')}';\n`)
  return {
    terminal: startClient('ssh', ['-tt', ...at, NOISE]),
    exec: startClient('ssh', [...at, NOISE]),
    statements,
    copy: psql('-c', "copy (select repeat('x', 50000), pg_sleep(0.005) from generate_series(1, 10000000)) to stdout"),
  }
}

/** What the recordings say was shown, by what the sessions did. */
async function readAll({ config, parts }: TestGateway) {
  const store = await openDatabase(config.database)
  const rows = await store.selectFrom('sessions').selectAll().execute()
  await store.destroy()
  const told = { terminal: '', exec: 0, statements: new Set<string>(), copied: 0, asked: [] as string[] }
  for (const { recording } of rows) {
    const events: RecordedEvent[] = []
    const path = join(config.recording.folder, recording)
    for await (const event of await readRecording(path, parts.vault.openBytes)) events.push(event)
    const isTerminal = events.some(event => event.type === 'pty')
    const isShell = events.some(event => event.type === 'exec')
    const output = events.flatMap(event => (event.type === 'output' ? [event.bytes] : []))
    const relayed = Math.max(0, ...events.map(event => (event.type === 'relayed' ? event.bytesOut : 0)))
    if (isTerminal) told.terminal = Buffer.concat(output).toString('latin1')
    else if (isShell) told.exec = Math.max(Buffer.concat(output).length, relayed)
    else told.copied = Math.max(told.copied, relayed)
    for (const event of events) if (event.type === 'statement') told.statements.add(event.text)
    async function* all() {
      yield* events
    }
    for await (const event of withoutFinished(all())) {
      if (event.type === 'asked') told.asked.push(event.of.type === 'statement' ? event.of.text : event.of.path)
    }
  }
  return told
}

/** Begins to move a file that takes long, and waits until some of it has arrived. */
async function startUpload({ ssh }: GatewayProcess): Promise<{ client: Client; arrived: string }> {
  const [file, arrived, batch] = ['large', 'arrived', 'batch'].map(name => join(sshd.folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(file, '')
  truncateSync(file, 1e9)
  writeFileSync(arrived, '')
  writeFileSync(batch, `put ${file} ${arrived}\n`)
  const options = [
    ...clientOptions({ identityFile: sshd.identityFile }),
    '-P',
    String(ssh.port),
    '-l',
    '80000',
    '-b',
    batch,
  ]
  const client = startClient('sftp', [...options, `alice+${sshd.account}+web-01@${ssh.host}`])
  while (statSync(arrived).size < 2_000_000) await once(AbortSignal.timeout(20), 'abort')
  return { client, arrived }
}

type Clients = ReturnType<typeof startAll>

async function compare(t: Test, gateway: TestGateway, clients: Clients, promptness: Promptness) {
  const told = await readAll(gateway)
  const [most, mostBulk] = promptness === 'before-relay' ? [0, 0] : [SHOWN_BOUND_BYTES, BULK_BOUND_BYTES]
  const terminal = clients.terminal.shown()
  t.ok(terminal.startsWith(told.terminal) || told.terminal.startsWith(terminal), 'the same bytes, in order')
  const unrecorded = {
    terminal: terminal.length - told.terminal.length,
    exec: clients.exec.shown().length - told.exec,
    copy: clients.copy.shown().length - told.copied,
    statements: 0,
  }
  for (const row of clients.statements.shown().split('\n')) {
    if (row !== '' && !told.statements.has(`select '${row}';`)) unrecorded.statements += row.length
  }
  t.comment(`shown and not recorded: ${JSON.stringify(unrecorded)}`)
  t.ok(unrecorded.terminal <= most, `terminal: ${unrecorded.terminal}`)
  t.ok(unrecorded.statements <= most, `statements: ${unrecorded.statements}`)
  t.ok(unrecorded.exec <= mostBulk, `output of a command: ${unrecorded.exec}`)
  t.ok(unrecorded.copy <= mostBulk, `COPY: ${unrecorded.copy}`)
  return told
}

for (const promptness of ['within-bound', 'before-relay'] as const) {
  t.test(`${promptness}: a gateway that is killed has recorded what it has shown`, async t => {
    const { gateway, password } = await prepare(t, promptness)
    const running = await startGatewayProcess(gateway, { postgres: true })
    t.teardown(() => running.child.end('SIGKILL'))
    const clients = startAll(running, password)
    const { client: upload, arrived } = await startUpload(running)
    // Of a command, more than is kept.
    await Promise.all(
      Object.values(clients).map(client => client.sawMore(client === clients.exec ? 1_200_000 : 300_000)),
    )
    await running.child.end('SIGKILL')
    await Promise.all(Object.values(clients).map(client => client.left))
    await upload.left
    const { asked } = await compare(t, gateway, clients, promptness)
    t.match(asked.join(), 'generate_series', 'and what was still running')
    t.ok(asked.includes(arrived), 'and which file was on its way')
  })

  t.test(`${promptness}: when the disk is full, no more is shown than is recorded`, async t => {
    const { gateway, password } = await prepare(t, promptness)
    const { folder } = gateway.config.recording
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=3m,mode=0700', 'tmpfs', folder]).catch(
      () => undefined,
    )
    if (mounted === undefined) {
      t.comment('skipped: a small file system cannot be mounted here')
      return
    }
    t.teardown(() => run('umount', ['-l', folder]))
    const running = await startGatewayProcess(gateway, { postgres: true })
    t.teardown(() => running.child.end('SIGKILL'))
    const clients = startAll(running, password)
    await Promise.all(Object.values(clients).map(client => client.left))
    await compare(t, gateway, clients, promptness)
  })
}
