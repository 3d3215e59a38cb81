/** A worker that was taken over gets what was lent to its own live sessions, and nothing else; what it gets is in the audit log before. */

import { chownSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { newId } from '../../../src/shared/ids.ts'
import type { RpcMessage } from '../../../src/shared/rpc.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { countInMemory, processesUnder } from '../../support/process-memory.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { fromText, MASTER, toText } from '../../support/taken-over-worker.ts'
import { addWeb01 } from '../../support/web-01.ts'

const PASSWORDS = { root: 'the password of root', admin: 'the password of admin', hop: 'the password of the hop' }

interface Answer {
  readonly value?: { readonly handed?: unknown }
  readonly failed?: { readonly code: string }
}

/** Who took the worker over: says what it sends, and hears what it is told. */
class Master {
  readonly #socket: Socket
  readonly #heard: Record<string, unknown>[] = []
  #wake: () => void = () => undefined
  #calls = 0

  constructor(socket: Socket) {
    this.#socket = socket
    createInterface({ input: socket }).on('line', line => {
      const message = JSON.parse(line, fromText)
      // The gateway asks for proofs: the person has typed them into this worker.
      if (message.kind === 'call' && message.method === 'nextProof')
        this.answer(message.id, this.proof?.(message.values[0]))
      else if (message.kind === 'call' && message.method === 'report')
        this.answer(message.id, { sessions: 0, taking: true, metrics: [] })
      else this.#heard.push(message)
      this.#wake()
    })
  }

  /** What is answered to the gateway that asks for a proof. */
  proof: ((session: string) => unknown) | undefined

  order(order: unknown): void {
    this.#socket.write(`${JSON.stringify(order, toText)}\n`)
  }

  answer(id: number, value: unknown): void {
    this.order({ send: { kind: 'answer', id, value } })
  }

  async heard<T>(wanted: (message: Record<string, unknown>) => T | undefined | false): Promise<T> {
    for (;;) {
      for (const [index, message] of this.#heard.entries()) {
        const found = wanted(message)
        if (!found) continue
        this.#heard.splice(index, 1)
        return found
      }
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  async call(method: string, ...values: unknown[]): Promise<Answer> {
    const id = ++this.#calls
    this.order({ send: { kind: 'call', id, method, values } satisfies RpcMessage })
    return this.heard<Answer>(message => message.kind === 'answer' && message.id === id && message)
  }

  async receiver(name: string): Promise<Buffer> {
    this.order({ opening: name })
    return this.heard(message => message.kind === 'opening' && (message.publicKey as Buffer))
  }

  async opened(name: string, handed: unknown): Promise<string> {
    this.order({ open: name, handed })
    return this.heard(message => message.kind === 'opened' && (message.password as string))
  }
}

const gatewayOf = async (): Promise<TestGateway> => {
  const gateway = await startTestGateway({
    workerProgram: new URL('../../support/taken-over-worker.ts', import.meta.url),
    configure(config) {
      masters.listen(join(config.dataFolder, MASTER))
      config.recording.folder = config.dataFolder
      config.log.level = 'error'
    },
  })
  return gateway
}
const arrived: Master[] = []
let next = Promise.withResolvers<void>()
let taken: Master | undefined
const masters = createServer(socket => {
  arrived.push(new Master(socket))
  next.resolve()
})

const gateway = await gatewayOf()
t.teardown(async () => {
  await gateway.close()
  masters.close()
})
const { parts } = gateway
for (const [name, accounts, via] of [
  ['web-01', ['root', 'admin'], undefined],
  ['hop-01', ['hop'], undefined],
  ['far-01', ['root'], 'hop@hop-01'],
] as const) {
  await gateway.addTarget(
    {
      name,
      protocol: 'ssh',
      host: '127.0.0.1',
      accounts: accounts.map(account => ({ name: account })),
      ...(via && { via }),
    },
    Object.fromEntries(
      accounts.map(account => [account, { kind: 'password', password: new Secret(PASSWORDS[account]) }]),
    ),
  )
}
const targets = { names: ['web-01', 'far-01'] }
await gateway.addRole({ name: 'ops', targets, accounts: { names: ['root'] }, factors: [['password'], ['publickey']] })
await gateway.addRole({
  name: 'admins',
  targets,
  accounts: { names: ['admin'] },
  factors: [['password'], ['publickey']],
})
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpuePnAS'
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys: [key] })
await gateway.addUser({ name: 'bob', roles: ['admins'], publicKeys: [key] })
await gateway.addRole({
  name: 'people',
  targets,
  accounts: { names: ['root'] },
  factors: [['password', 'totp']],
  maxSession: '1h',
})
const carol = await gateway.addUser({ name: 'carol', roles: ['people'] })

/** The worker of now; one that was killed is replaced. */
async function worker(killed?: Master): Promise<Master> {
  while (arrived.at(-1) === killed) {
    await next.promise
    next = Promise.withResolvers()
  }
  return arrived.at(-1)!
}

/** Somebody connects; gives from where. */
async function connection(master: Master): Promise<{ address: string; port: number }> {
  let arrived = false
  function dial(): void {
    const socket = connect(gateway.ssh!.port, '127.0.0.1').on('error', () => undefined)
    // Without a worker that is ready it is cut.
    socket.once('close', () => arrived || setTimeout(dial, 50))
    t.teardown(() => socket.destroy())
  }
  dial()
  const message = await master.heard(message => message.kind === 'connection' && message)
  arrived = true
  master.order({ send: { kind: 'entered', connection: message.connection } })
  return message.source as never
}

const newSession = () => newId('ses', Date.now())
const typed = (password: string) => () => ({
  answered: true,
  proof: { kind: 'password', bytes: Buffer.from(password) },
})
const nothing = () => ({ answered: true })

/** alice logs in through this worker, and is who she is. */
async function admitted(master: Master, login = 'alice+root+web-01'): Promise<string> {
  const session = newSession()
  master.proof = typed(alice.password)
  const { value } = await master.call('admit', session, { protocol: 'ssh', source: await connection(master), login })
  t.match(value, { session, user: 'alice' })
  return session
}

const events = async (session: string) => (await parts.audit.list({ session })).map(({ kind }) => kind)

const codeOf = (user: typeof carol) => ({ kind: 'totp', bytes: Buffer.from(user.code()) })

/** One that an earlier worker had. */
async function anEarlierSession(): Promise<string> {
  const [event] = await parts.audit.list({ kind: 'login.accepted' })
  return event!.session!
}

/** Resolves when as many requests were refused as were counted before, and one more for each of these. */
async function refusals(count: number): Promise<string[]> {
  for (;;) {
    const found = await parts.audit.list({ kind: 'worker.refused', limit: 1000 })
    if (found.length >= count) return found.map(({ data }) => JSON.parse(data).request)
    await pause(10)
  }
}

t.test('it gets the credential of its own session, once, and that is in the audit log', async t => {
  const master = await worker()
  const session = await admitted(master)
  const { value } = await master.call('lease', session, {}, await master.receiver('first'))
  t.equal(await master.opened('first', value!.handed), PASSWORDS.root)
  t.same(await events(session), ['login.accepted', 'decision.granted', 'lease.started'])
  t.match(await parts.sessions.get(session), { state: 'connecting', account: 'root', user: 'alice' })

  const again = await master.call('lease', session, {}, await master.receiver('again'))
  t.match(again.failed, { code: 'FORBIDDEN' })
  const hop = await master.call(
    'lendForHop',
    session,
    { account: 'hop', target: 'hop-01' },
    await master.receiver('hop'),
  )
  t.match(hop.failed, { code: 'CREDENTIAL_UNAVAILABLE' }, 'a hop that is on no way of this session')
  const admin = { account: 'admin', target: 'web-01' }
  t.match((await master.call('lendForHop', session, admin, await master.receiver('admin'))).failed, {
    code: 'CREDENTIAL_UNAVAILABLE',
  })
  await master.call('end', session, { reason: 'client-closed' })
  t.match((await master.call('lendForHop', session, admin, await master.receiver('late'))).failed, {
    code: 'FORBIDDEN',
  })
  t.match((await master.call('recordingKeys', session)).failed, { code: 'FORBIDDEN' })
  t.same((await refusals(3)).slice(0, 3).sort(), ['lease', 'lendForHop', 'recordingKeys'])
  const madeUp = { protocol: 'ssh', source: '127.0.0.1', code: 'ACCESS_DENIED', why: 'by a stranger', session }
  t.match((await master.call('connectionRefused', madeUp)).failed, { code: 'FORBIDDEN' }, 'no event of a session')
  t.same((await events(session)).slice(-2), ['lease.ended', 'session.ended'])
})

t.test('a hop is lent on its way alone', async t => {
  const master = await worker()
  const session = await admitted(master, 'alice+root+far-01')
  await master.call('lease', session, {}, await master.receiver('far'))
  const address = { account: 'hop', target: 'hop-01' }
  const lent = await master.call('lendForHop', session, address, await master.receiver('hop'))
  t.equal(await master.opened('hop', lent.value), PASSWORDS.hop)
  t.same((await events(session)).slice(-2), ['lease.started', 'lease.started'])
  const other = { account: 'admin', target: 'web-01' }
  t.match((await master.call('lendForHop', session, other, await master.receiver('other'))).failed, {
    code: 'CREDENTIAL_UNAVAILABLE',
  })
})

t.test('it cannot say that somebody logged in who did not', async t => {
  const master = await worker()
  const claim = async (login: string) => ({ protocol: 'ssh', source: await connection(master), login })
  const wrong = newSession()
  let tries = 0
  master.proof = () => (tries++ === 0 ? typed('a guess')() : nothing())
  t.match(await master.call('admit', wrong, await claim('bob+admin+web-01')), {
    value: { refused: true, code: 'LOGIN_REFUSED' },
  })
  t.match((await master.call('lease', wrong, {}, await master.receiver('wrong'))).failed, { code: 'FORBIDDEN' })
  t.same(await events(wrong), ['login.refused'], 'a guess that it would keep to itself')

  const before = (await refusals(0)).length
  const blob = Buffer.from(key.split(' ')[1]!, 'base64')
  master.proof = () => ({ answered: true, proof: { kind: 'publickey', bytes: blob } })
  const claimed = await master.call('admit', newSession(), await claim('bob+admin+web-01'))
  t.match(claimed, { value: { refused: true } }, 'a key that it says was proven')
  master.proof = typed(alice.password)
  const elsewhere = { ...(await claim('alice+root+web-01')), source: { address: '192.0.2.1', port: 1 } }
  t.match((await master.call('admit', newSession(), elsewhere)).failed, { code: 'FORBIDDEN' })
  t.equal((await refusals(before + 2)).length, before + 2)
})

t.test('it can ask for nothing that is not in the table, and is killed when it goes on', async t => {
  const master = await worker()
  taken = master
  const before = (await refusals(0)).length
  const attempts: [string, ...unknown[]][] = [
    ['openBytes', 'password alice', 'v1.'],
    ['audit', { kind: 'credential.rotated', actor: 'owner' }],
    ['publish', 'session-kill', Buffer.from('ses_x')],
    ['publish', `follow-data:${'0'.repeat(32)}`, Buffer.from('x')],
    ['remember', 'known-sources:alice', '["192.0.2.0/24"]', 1000],
    ['createToken', newSession(), { scopes: 'all', validForMs: 1000 }],
    ['lease', 'ses_of_somebody', {}, Buffer.alloc(44)],
    ['signSeal', newSession(), Buffer.from('the head of an audit log')],
  ]
  for (const [method, ...values] of attempts) {
    // The last ones may find it dead.
    const answered = await Promise.race([master.call(method, ...values), pause(500).then(() => undefined)])
    t.ok(answered === undefined || answered.failed !== undefined, method)
  }
  t.ok((await refusals(before + 2)).length >= before + 2)
  for (;;) {
    const [died] = await parts.audit.list({ kind: 'worker.died' })
    if (died !== undefined) break
    await pause(20)
  }
  const made = (await parts.audit.list({ limit: 1000 })).filter(
    ({ kind }) => kind === 'credential.rotated' || kind.startsWith('personal-token'),
  )
  t.same(made, [], 'no event of another was made up')
  t.ok(gateway.logLines.some(line => line.includes('"alert":true')))
  t.match(await parts.metrics.registry.metrics(), /^sallyport_worker_requests_refused_total [1-9]/m)
})

t.test('what it was lent is written down, also when it is killed at that moment', async t => {
  const master = await worker(taken)
  const session = await admitted(master)
  await master.call('lease', session, {}, await master.receiver('last'))
  const pid = processesUnder(process.pid).find(pid =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('taken-over-worker'),
  )!
  process.kill(pid, 'SIGKILL')
  taken = master
  while (!(await events(session)).includes('session.ended')) await pause(20)
  t.same((await events(session)).slice(2), ['lease.started', 'lease.ended', 'session.ended'])
})

t.test('a login has one connection, a session inside of it its source, and neither another one its id', async t => {
  const master = await worker(taken)
  const before = (await refusals(0)).length
  const outer = newSession()
  const source = await connection(master)
  const proofs = [typed(carol.password), () => ({ answered: true, proof: codeOf(carol) })]
  master.proof = () => proofs.shift()?.()
  const claim = { protocol: 'ssh', source, login: 'carol' }
  t.match(await master.call('admitLogin', outer, claim), { value: { principal: { user: 'carol' } } })
  t.match((await master.call('admitLogin', newSession(), claim)).failed, { code: 'FORBIDDEN' }, 'a second login')

  const inner = newSession()
  const inside = { ...claim, login: 'carol+root+web-01', outer }
  const elsewhere = { ...inside, source: { address: '192.0.2.1', port: 1 } }
  t.match((await master.call('admit', inner, elsewhere)).failed, { code: 'FORBIDDEN' }, 'a source of its own')
  const other = { ...inside, protocol: 'postgres' }
  t.match((await master.call('admit', newSession(), other)).failed, { code: 'FORBIDDEN' }, 'a protocol of its own')
  t.same((await refusals(before + 3)).slice(before), ['admit', 'admit', 'admit'])
  const sameId = await master.call('admit', await anEarlierSession(), { ...inside })
  t.match(sameId.failed, { code: 'CONFLICT' }, 'the id of a session that there was in another worker')
  const session = newSession()
  t.match(await master.call('admit', session, inside), { value: { user: 'carol' } })
  await master.call('lease', session, {}, await master.receiver('inner'))
  t.match(await parts.sessions.get(session), { source: '127.0.0.1' })

  const refused = { protocol: 'ssh', source: '127.0.0.1', code: 'ACCESS_DENIED', why: 'made up' }
  t.same(
    await master.call('connectionRefused', { ...refused, session: outer }).then(answer => answer.failed),
    undefined,
  )
  const ofOthers = await anEarlierSession()
  for (const [what, report] of [
    ['no connection', { ...refused, source: '192.0.2.1' }],
    ['a session of its own that has begun', { ...refused, session }],
    ['a login of another worker', { ...refused, session: ofOthers }],
  ] as const)
    t.match((await master.call('connectionRefused', report)).failed, { code: 'FORBIDDEN' }, what)
  t.notOk((await events(ofOthers)).includes('connection.refused'))

  master.order({ send: { kind: 'call', method: 'release', values: [session] } })
  while (!(await events(session)).includes('session.ended')) await pause(20)
  t.same((await events(session)).slice(-2), ['lease.ended', 'session.ended'], 'given back without its end')
})

t.test('what would end the gateway by the channel between them ends the worker', async t => {
  const before = (await refusals(0)).length
  let master = await worker()
  master.order({ send: { cmd: 'NODE_HANDLE_ACK' } })
  master = await worker(master)
  await admitted(master)
  t.same((await refusals(before + 1)).slice(before), ['channel'])
})

t.test('no worker has the key in its memory, in any form, nor in its environment', async t => {
  await gateway.stop()
  const { child } = await startGatewayProcess(gateway, { workers: 2, postgres: true })
  t.teardown(() => child.end('SIGTERM'))
  const text = readFileSync(join(gateway.folder, 'vault.key'), 'utf8').trim()
  const bytes = Buffer.from(text, text.length === 64 ? 'hex' : 'base64')
  const needles = {
    bytes,
    text: Buffer.from(text),
    hex: Buffer.from(bytes.toString('hex')),
    base64: Buffer.from(bytes.toString('base64').replace(/=+$/, '').slice(0, -1)),
    'UTF-16': Buffer.from(text, 'utf16le'),
  }
  const processes = processesUnder(child.pid)
  const workers = processes.filter(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('workers/main.ts'))
  t.equal(workers.length, 2)
  for (const pid of workers) {
    const counts = Object.entries(countInMemory(pid, needles)).filter(([, count]) => count > 0)
    t.same(Object.fromEntries(counts), {})
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    t.notMatch(environment, /SALLYPORT|PASSWORD|SECRET/)
  }
  const holder = processes.filter(pid => !workers.includes(pid)).map(pid => countInMemory(pid, needles).bytes!)
  t.ok(Math.max(...holder) > 0, 'the gateway itself has it: it can be found')
})

t.test(
  'as the systemd unit starts it, the workers are another user and may nothing',
  { skip: process.getuid?.() !== 0 },
  async t => {
    const recordings = mkdtempSync(join(tmpdir(), 'sallyport-recordings-'))
    t.teardown(() => rmSync(recordings, { recursive: true, force: true }))
    chownSync(recordings, 65_534, 65_534)
    const own = await startTestGateway({
      configure(config) {
        config.log.level = 'silent'
        config.recording.folder = recordings
      },
    })
    const sshd = await startSshd()
    t.teardown(() => sshd.stop())
    const person = await addWeb01(own, sshd, { factors: [['password']] })
    await own.stop()
    const unit = readFileSync(new URL('../../../docs/sallyport.service', import.meta.url), 'utf8')
    const capabilities = /^CapabilityBoundingSet=(.+)$/m.exec(unit)![1]!.split(' ')
    t.match(unit, /^NoNewPrivileges=yes$/m)
    const { child, ssh } = await startGatewayProcess(own, { workers: 2, workersUser: 'nobody', capabilities })
    t.teardown(() => own.close())
    t.teardown(() => child.end('SIGTERM'))
    const workers = processesUnder(child.pid).filter(pid =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('workers/main.ts'),
    )
    t.equal(workers.length, 2)
    for (const pid of workers) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      t.match(status, /^Uid:\s+65534\s+65534\s+65534\s+65534$/m)
      t.match(status, /^Groups:\s*(?:65534\s*)?$/m, 'and in no group of others')
      t.match(status, /^CapPrm:\s+0+$/m)
      t.match(status, /^NoNewPrivs:\s+1$/m)
    }
    t.equal(statSync(join(own.folder, 'vault.key')).mode & 0o077, 0, 'which nobody else reads')
    t.equal(statSync(own.folder).mode & 0o077, 0, 'nor what else is there')

    const session = startSsh(ssh, `alice+${sshd.account}+web-01`, { password: person.password }, 'echo ready; cat')
    await session.printed(/ready/)
    for (const pid of workers) process.kill(pid, 'SIGKILL')
    t.equal((await session.ended).status, 255)
    const store = await openDatabase(own.config.database)
    t.teardown(() => store.destroy())
    for (;;) {
      const row = await store.selectFrom('sessions').selectAll().executeTakeFirstOrThrow()
      if (row.state === 'ended' && row.recording_hash !== null) {
        t.equal(row.end_reason, 'interrupted', 'the gateway seals what its workers have written')
        const file = join(recordings, row.recording)
        t.match(await verifyRecording(file, own.parts.signer.publicKeyPem), { ok: true, reason: 'interrupted' })
        break
      }
      await pause(50)
    }
    await child.end('SIGTERM')
    t.notOk(
      workers.some(pid => processesUnder(process.pid).includes(pid)),
      'and they end with it',
    )

    await t.rejects(
      startTestGateway({
        configure(config) {
          config.workers = 2
          config.log.level = 'silent'
          config.workersUser = 'nobody'
        },
      }),
      { code: 'CONFIG_INVALID', message: /It must belong to their user/ },
    )
  },
)
