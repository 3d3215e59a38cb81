/** Whoever connects to what is given on request, and says why, waits and goes on into the session: by real ssh, scp and psql. */

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import type { RequestedAccess } from '../../../src/access-requests/request.ts'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { boolean, string, uint32 } from '../../../src/shared/ssh-encoding/wire.ts'
import { inTerminal, type Step } from '../../support/in-terminal.ts'
import { cstring, frame, query, RawClient, startup } from '../../support/postgres-bytes.ts'
import { blobOf, logInRaw, openSession } from '../../support/raw-ssh-client.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

const [postgres, sshd] = await Promise.all([startPostgres(), startSshd()])
for (const server of [postgres, sshd]) t.teardown(() => server.stop())
const gateway = await startTestGateway({
  configure(config) {
    config.waiting = { longestMs: 3_600_000, perUser: 2, inAll: 10 }
  },
})
t.teardown(() => gateway.close())
const { parts } = gateway
const { requests } = parts
const { account } = sshd
const { superuser, superPassword } = postgres
const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
const approvers = ['role:leads']

await gateway.addRole({
  ...{ name: 'ops', targets: { names: ['web-01', 'orders'] }, accounts: {}, factors: [['publickey'], ['password']] },
  channels: ['shell', 'exec', 'sftp', 'sql', 'local-forward'],
  onRequest: [{ accounts: { levels: ['admin'] }, approvers, freshFactor: false }],
})
await gateway.addRole({
  ...{ name: 'audited', targets: { names: ['web-02', 'ledger'] }, accounts: { levels: ['admin'] } },
  factors: [['publickey'], ['password']],
  session: { reason: 'required', ticket: 'INC-\\d+' },
})
await gateway.addRole({ name: 'leads', targets: {}, accounts: {} })
for (const name of ['web-01', 'web-02'])
  await gateway.addTarget(
    {
      ...{ name, protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
      accounts: [{ name: account, level: 'admin' }],
    },
    { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
  )
for (const name of ['orders', 'ledger'])
  await gateway.addTarget(
    {
      ...{ name, protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
      accounts: [{ name: superuser, level: 'admin' }],
    },
    { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
  )
const alicesKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
const alice = await gateway.addUser({ name: 'alice', roles: ['ops', 'audited'], publicKeys: alicesKeys })
await gateway.addUser({ name: 'lee', roles: ['leads'] })

const login = `alice+${account}+web-01`
const target = () => {
  const { host, port } = gateway.ssh!
  return { host, port: String(port) }
}
const options = ['-F', 'none', ...clientOptions({ identityFile })]
const run = (program: string, ...args: string[]) => startClient(program, args, { identityFile })
const because = (reason: string, more = '') => ['-o', `SetEnv="SALLYPORT_REASON=${reason}"${more}`]
const sshAs = (name: string, more: string[], ...command: string[]) =>
  run('ssh', ...options, ...more, '-p', target().port, '-l', name, target().host, ...command)
const ssh = (more: string[], ...command: string[]) => sshAs(login, more, ...command)
const terminal = (steps: Step[], as = login, ...command: string[]) =>
  inTerminal({ run, options, login: as, gateway, sshd }, steps, {}, ...command)
const psql = (settings: string, sql: string, name = 'orders') => {
  const { host, port } = gateway.postgres!
  const more = ['-c', sql]
  const connection = `host=${host} port=${port} user=alice+${superuser}+${name} dbname=postgres sslmode=require`
  const environment = [`PGPASSWORD=${alice.password}`, `PGOPTIONS=${settings}`]
  return run('env', ...environment, 'psql', '-X', '-At', ...more, connection)
}

const lee = { user: 'lee', roles: ['leads'], proven: new Set<never>(), sourceAddress: '127.0.0.1' }
const list = () => requests.rows.list({ user: 'alice', limit: 100 })

/** The next request of alice that waits for its decision. */
async function asked(): Promise<RequestedAccess> {
  for (;;) {
    const changed = new Promise<void>(resolve => {
      const stop = requests.onChange(() => {
        stop()
        resolve()
      })
    })
    const pending = (await list()).find(({ state }) => state.is === 'pending')
    if (pending !== undefined) return pending
    await changed
  }
}
async function become(id: string, state: string): Promise<RequestedAccess> {
  for (;;) {
    const changed = new Promise<void>(resolve => {
      const stop = requests.onChange(() => {
        stop()
        resolve()
      })
    })
    const request = await requests.rows.get(id)
    if (request?.state.is === state) return request
    await changed
  }
}
const askBefore = async (on: string, name: string) => {
  const person = { user: 'alice', roles: ['ops', 'audited'], proven: new Set<never>(), sourceAddress: '127.0.0.1' }
  return (await requests.ask(person, { on: { target: on }, account: name, reason: 'disk is full' })).request
}
const approve = async () => requests.approve(lee, (await asked()).id, {})
t.afterEach(async () => {
  for (const { id, state } of await list()) {
    if (state.is === 'active' || state.is === 'pending') await requests.revoke(id, 'owner', 'the test is over')
  }
})
const waiting = async () => (await parts.metrics.waitingLogins.get()).values[0]!.value

t.test('a command with a reason waits, is told so, and runs once it is approved', async t => {
  const client = ssh(because('disk is full'), 'cat; echo done >&2; exit 3')
  client.stdin.end('from the client')
  const request = await asked()
  t.match(request.wish, { reason: 'disk is full', accounts: { names: [account] } })
  t.equal(await waiting(), 1)
  await approve()
  const { status, stdout, stderr } = await client.ended
  t.equal(stdout, 'from the client')
  t.equal(status, 3)
  t.match(stderr, `${request.id}). Waiting for role:leads to approve it`)
  t.match(stderr, `${request.id} is approved`)
  t.match(stderr, /done/)
  const [session] = await parts.sessions.list({ request: request.id, limit: 1 })
  t.equal(session?.request, request.id)
  t.equal(await waiting(), 0)
})

t.test('on a terminal the reason is asked for, and the session goes on in it', async t => {
  const steps: Step[] = [
    { size: [31, 97], expect: 'Reason: ' },
    { type: 'disk iz\x7fs full\r', expect: 'to approve it' },
    { expect: 'is approved' },
    { expect: '31 97' },
    { type: 'hello\r', expect: 'got-hello' },
  ]
  const client = terminal(steps, login, 'stty size; read x; echo got-$x')
  t.match(await asked(), { wish: { reason: 'disk is full' } })
  await approve()
  t.equal((await client.ended).status, 0)
})

t.test('Ctrl-C withdraws it, and so does a client that disappears', async t => {
  const steps: Step[] = [{ expect: 'Reason: ' }, { type: 'disk is full\r', expect: 'Ctrl-C withdraws it' }]
  const interrupted = terminal([...steps, { type: '\x03' }])
  const { id } = await asked()
  const { status, stdout } = await interrupted.ended
  t.equal(status, 255)
  t.match(stdout, /LOGIN_GIVEN_UP, session ses_/)
  t.match(await become(id, 'cancelled'), { state: { by: 'alice' } })

  const killed = ssh(because('disk is full'), 'true')
  const second = await asked()
  killed.kill('SIGKILL')
  await become(second.id, 'cancelled')
  t.equal(await waiting(), 0)

  const gaveUp = await terminal([{ expect: 'Reason: ' }, { type: '\x03' }]).ended
  t.match(gaveUp.stdout, /Nothing was asked for/)
})

t.test('the menu asks, waits, and goes on into the session once it is approved', async t => {
  const web = `${account}@web-01`
  const chosen: Step[] = [
    { size: [24, 250], expect: '[on request]' },
    { type: 'web-01', expect: '1 of' },
    { type: '\r', expect: 'approved by role:leads. Ctrl-C gives up. Reason:' },
    { type: 'disk is full', expect: 'disk is full' },
  ]
  const leave: Step[] = [{ type: '\x03\x03' }]
  const menu = (steps: Step[], term = 'xterm') =>
    inTerminal({ run, options, login: 'alice', gateway, sshd }, steps, { login: 'alice', term })

  const approved = menu([
    ...chosen,
    { type: '\r', expect: 'Waiting for role:leads to approve it' },
    { size: [31, 240], type: 'typed for nobody', expect: 'Esc leaves it asked for' },
    { expect: 'is approved. Connecting to' },
    { expect: '\x1b[?1049l' },
    { type: 'echo in-$((40+2)); stty size; exit\n', expect: 'in-42' },
    { expect: '31 240' },
    { expect: `${web}: the session ended` },
    ...leave,
  ])
  const request = await asked()
  t.match(request.wish, { reason: 'disk is full', accounts: { names: [account] } })
  t.equal(await waiting(), 1)
  await approve()
  const { status, stderr } = await approved.ended
  t.equal(status, 0, stderr.slice(-2000))
  const [session] = await parts.sessions.list({ request: request.id, limit: 1 })
  t.type(session?.details.inside, 'string')
  await requests.revoke(request.id, 'owner', 'the next one')

  const denied = menu([...chosen, { type: '\r', expect: 'was denied by lee: not today. [ACCESS_DENIED' }, ...leave])
  await requests.deny(lee, (await asked()).id, 'not today')
  t.equal((await denied.ended).status, 0)
})

t.test('in the menu Ctrl-C withdraws it, and Esc leaves it asked for', async t => {
  const begin = (list: boolean): Step[] => [
    { size: [24, 250], expect: list ? 'q to leave: ' : '[on request]' },
    ...(list ? [{ type: `${account}@web-01\r`, expect: 'q to leave: ' }] : [{ type: 'web-01', expect: '1 of' }]),
    { type: list ? '1\r' : '\r', expect: 'Reason:' },
    { type: 'disk is full', expect: 'disk is full' },
    { type: '\r', expect: 'Esc leaves it asked for' },
  ]
  const end = { type: 'q\r\x03\x03' }
  const menu = (steps: Step[], term: string) =>
    inTerminal({ run, options, login: 'alice', gateway, sshd }, steps, { login: 'alice', term })
  for (const term of ['xterm', 'dumb']) {
    const isList = term === 'dumb'
    const back = isList ? [{ expect: 'q to leave: ' }] : []
    const marked = isList ? back : [{ expect: '[asked for, not approved yet]' }]
    const withdrawn = menu([...begin(isList), { type: '\x03', expect: 'is withdrawn' }, ...back, end], term)
    const { id } = await asked()
    t.equal((await withdrawn.ended).status, 0)
    t.match(await requests.rows.get(id), { state: { is: 'cancelled', by: 'alice' } }, term)

    const kept = menu([...begin(isList), { type: '\x1b', expect: 'stays asked for' }, ...marked, end], term)
    const standing = await asked()
    t.equal((await kept.ended).status, 0)
    const stands = await requests.rows.get(standing.id)
    t.match(stands, { state: { is: 'pending' } }, term)
    t.ok(
      stands!.state.is === 'pending' &&
        stands!.state.expiresAt > stands!.askedAt + 2 * gateway.config.waiting.longestMs,
      'for as long as what is asked for elsewhere',
    )
    await requests.cancel({ user: 'alice' }, standing.id)

    const killed = menu([...begin(isList), { expect: 'never' }], term)
    const gone = await asked()
    killed.kill()
    await become(gone.id, 'cancelled')
    await killed.ended
  }
  t.equal(await waiting(), 0)
})

t.test('without a reason and without a terminal it is refused at once', async t => {
  const before = (await list()).length
  for (const client of [
    ssh([], 'true'),
    ssh(['-o', 'BatchMode=yes'], 'true'),
    ssh(['-s'], 'sftp'),
    ssh(['-W', '127.0.0.1:1']),
    ssh(['-tt'], 'true'),
  ]) {
    client.stdin.end()
    const { status, stderr, stdout } = await client.ended
    t.equal(status, 255)
    t.match(stdout + stderr, /is given on request|Nothing was asked for/)
  }
  t.equal((await list()).length, before)
})

t.test('what is denied is said with its reason', async t => {
  const client = ssh(because('disk is full'), 'true')
  const { id } = await asked()
  await requests.deny(lee, id, 'not today')
  const { status, stderr } = await client.ended
  t.equal(status, 255)
  t.match(stderr, `Access denied: ${id} was denied by lee: not today. [ACCESS_DENIED, session ses_`)
})

t.test('so it is for as many at once as there are, as Ansible would have them', async t => {
  const clients = Array.from({ length: 6 }, () => ssh(['-o', 'BatchMode=yes'], 'true'))
  for (const { ended } of clients) t.match((await ended).stderr, /is given on request, .*ACCESS_DENIED/)
})

t.test('one request serves all connections that wait for the same; more than a few may not wait', async t => {
  const clients = [ssh(because('disk is full'), 'echo one')]
  const { id } = await asked()
  clients.push(ssh(because('another reason'), 'echo two'))
  await clients[1]!.printed(/Waiting for/)
  const third = await ssh(because('disk is full'), 'true').ended
  t.match(third.stderr, /You wait on 2 connections already/)
  clients[0]!.kill()
  await clients[0]!.ended
  t.equal((await requests.rows.get(id))?.state.is, 'pending', 'it is not withdrawn while another waits')
  await approve()
  t.equal((await clients[1]!.ended).stdout, 'two\n')
  t.equal((await asked0()).length, 1)
  const { stdout, stderr } = await ssh([], 'echo again').ended
  t.equal(stdout, 'again\n')
  t.notMatch(stderr, /Waiting/, 'who has it already is let in at once')

  async function asked0() {
    return (await list()).filter(request => request.askedAt >= 0 && request.id === id)
  }
})

t.test('connections that ask in one instant make one request', async t => {
  const before = (await list()).length
  const clients = [ssh(because('disk is full'), 'echo one'), ssh(because('disk is full'), 'echo one')]
  for (const client of clients) await client.printed(/Waiting for/)
  t.equal((await list()).length, before + 1)
  await approve()
  for (const { ended } of clients) t.equal((await ended).stdout, 'one\n')
})

t.test('files go on too, and forwarding works in the session that follows', async t => {
  const file = join(sshd.folder, 'sent')
  writeFileSync(file, 'x'.repeat(300_000))
  const copied = run(
    'scp',
    ...options,
    ...because('a file'),
    '-P',
    target().port,
    file,
    `${login}@${target().host}:${file}.there`,
  )
  await approve()
  const { status, stderr } = await copied.ended
  t.equal(status, 0, stderr)
  t.equal(readFileSync(`${file}.there`, 'utf8').length, 300_000)
})

t.test('behind a jump it is the same, and the variables are those of the connection inside', async t => {
  const around = ['ssh', ...options, '-p', target().port, '-l', 'alice', '-W', '%h:%p', target().host].join(' ')
  const inside = ['-o', `ProxyCommand=${around}`, ...because('a jump'), '-l', account, 'web-01', 'echo jumped']
  const client = run('ssh', ...options, ...inside)
  t.match(await asked(), { wish: { reason: 'a jump' } })
  await approve()
  const { status, stdout, stderr } = await client.ended
  t.equal(stdout, 'jumped\n', stderr)
  t.equal(status, 0)
})

t.test('keepalives are answered while it waits, and forwards that were asked for open in the session', async t => {
  const alive = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=1', '-R', '0:127.0.0.1:1', '-vvv']
  const client = ssh([...alive, ...because('a forward')], 'echo forwarded')
  await client.printed(/Waiting for(?:[\s\S]*?send packet: type 80\b[\s\S]*?receive packet: type 2\b){2}/)
  await approve()
  const { status, stdout, stderr } = await client.ended
  t.equal(stdout, 'forwarded\n')
  t.equal(status, 0)
  t.match(
    stderr,
    /remote port forwarding failed|remote forward failure/,
    'the role does not allow it, and says so in its turn',
  )
})

t.test(
  'who waits for long may resize the window, keep alive as any client does, and send little by little',
  async t => {
    const key = generateKeyPairSync('ed25519')
    const publicKeys = [`ssh-ed25519 ${blobOf(key).toString('base64')}`]
    const { REQUEST, KEEPALIVE, DATA } = {
      REQUEST: MESSAGE.CHANNEL_REQUEST,
      KEEPALIVE: 'keepalive@lag.net',
      DATA: MESSAGE.CHANNEL_DATA,
    }
    await parts.users.put({ ...(await parts.users.get('alice'))!, publicKeys: [...alicesKeys, ...publicKeys] })
    const begin = async (...terminalOf: Buffer[][]) => {
      const client = await logInRaw(gateway.ssh!, login, key)
      const channel = uint32(await openSession(client, 100_000))
      client.send(REQUEST, channel, string('env'), boolean(false), string('SALLYPORT_REASON'), string('because'))
      for (const fields of terminalOf) client.send(REQUEST, channel, ...fields)
      client.send(
        REQUEST,
        channel,
        string('exec'),
        boolean(true),
        string(terminalOf.length > 0 ? 'stty size; echo END' : 'cat; echo END'),
      )
      for (let i = 0; i < 200; i++) {
        client.send(MESSAGE.GLOBAL_REQUEST, string(KEEPALIVE), boolean(i % 2 === 0))
        client.send(REQUEST, channel, string(KEEPALIVE), boolean(true))
      }
      return { client, channel }
    }
    const size = (rows: number) => [uint32(80), uint32(rows), uint32(0), uint32(0)]
    const inTerminal = await begin([string('pty-req'), boolean(false), string('xterm'), ...size(24), string('\0')])
    for (let rows = 1; rows <= 300; rows++)
      inTerminal.client.send(REQUEST, inTerminal.channel, string('window-change'), boolean(false), ...size(rows))
    const piped = await begin()
    for (let i = 0; i < 3000; i++) piped.client.send(DATA, piped.channel, string(String(i % 10)))
    piped.client.send(MESSAGE.CHANNEL_EOF, piped.channel)

    await approve()
    const said = async ({ client }: typeof piped, end: string) => {
      let text = ''
      while (!text.endsWith(end)) text += (await client.next(DATA)).subarray(9).toString()
      client.transport.destroy()
      return text
    }
    t.match(await said(inTerminal, 'END\r\n'), /^300 80\r$/m)
    t.equal(await said(piped, 'END\n'), `${'0123456789'.repeat(300)}END\n`)
  },
)

t.test(
  'a client that types only into a program that runs, as PuTTY does, is asked; one that is refused then is closed',
  async t => {
    const key = generateKeyPairSync('ed25519')
    const publicKeys = [...alicesKeys, `ssh-ed25519 ${blobOf(key).toString('base64')}`]
    await parts.users.put({ ...(await parts.users.get('alice'))!, publicKeys })
    const client = await logInRaw(gateway.ssh!, login, key)
    const channel = uint32(await openSession(client, 100_000))
    const size = [uint32(80), uint32(24), uint32(0), uint32(0)]
    const request = (...fields: Buffer[]) => client.send(MESSAGE.CHANNEL_REQUEST, channel, ...fields)
    request(string('pty-req'), boolean(false), string('xterm'), ...size, string('\0'))
    request(string('subsystem'), boolean(true), string('nonsense'))
    await client.next(MESSAGE.CHANNEL_SUCCESS)
    client.send(MESSAGE.CHANNEL_DATA, channel, string('disk is full\r'))
    await approve()
    t.equal(
      await client.nextOf(MESSAGE.CHANNEL_FAILURE, MESSAGE.CHANNEL_EXTENDED_DATA),
      MESSAGE.CHANNEL_EXTENDED_DATA,
      'in words, as its answer was given',
    )
    await client.next(MESSAGE.CHANNEL_CLOSE)
    client.send(MESSAGE.CHANNEL_CLOSE, channel)
    const second = await openSession(client, 100_000)
    client.send(MESSAGE.CHANNEL_REQUEST, uint32(second), string('exec'), boolean(true), string('echo goes on'))
    t.match((await client.next(MESSAGE.CHANNEL_DATA)).toString(), 'goes on')
    client.transport.destroy()
  },
)

t.test(
  'a connection that only forwards says nothing: it is refused, and waits for what is asked for already',
  async t => {
    const socket = `${sshd.folder}/forward`
    const forward = ['-N', '-L', `${socket}:127.0.0.1:${sshd.port}`]
    const refused = await ssh([...forward, ...because('disk is full')]).ended
    t.match(refused.stderr, /Not by -N or -W: they only wait for what was asked for before\./)
    const audited = await sshAs(`alice+${account}+web-02`, ['-N', ...because('why')]).ended
    t.match(audited.stderr, /REASON_REQUIRED[\s\S]*Not by -N or -W: nothing can be said on them\./)

    const request = await askBefore('web-01', account)
    const asked = `You have asked for ${account}@web-01 (${request.id}), and nobody has decided yet.`
    const clients = [ssh(['-N', '-o', 'StreamLocalBindUnlink=yes', ...forward]), ssh(['-W', `127.0.0.1:${sshd.port}`])]
    for (const client of clients) await client.printed(/You have asked for/)
    const command = await ssh([], 'true').ended
    t.match(command.stderr, asked, 'a program without a reason is refused, and not told to ask again')
    t.match(command.stderr, 'To wait for it: ssh -o SetEnv')
    t.notMatch(command.stderr, 'To ask for it')
    await askBefore('orders', superuser)
    const { stderr } = await psql('', 'select 1').ended
    t.match(stderr, /NOTICE: {2}You have asked for[\s\S]*FATAL: [\s\S]*HINT: {2}To wait for it: PGOPTIONS/)
    const [tunnel, pipe] = clients
    await requests.approve(lee, request.id, {})
    await pipe!.printed(/SSH-2\.0-OpenSSH/)
    const through = connectPlain(socket)
    t.match(String(await once(through, 'data')), /SSH-2\.0-OpenSSH/)
    through.destroy()
    for (const client of [tunnel!, pipe!]) {
      client.kill()
      await client.ended
    }
    t.equal((await requests.rows.get(request.id))?.state.is, 'active', 'and leaving does not withdraw it')
  },
)

t.test('psql waits with notices, and goes on; without a reason its FATAL has the command', async t => {
  const client = psql(String.raw`-c sallyport.reason=disk\ is\ full -c work_mem=8MB`, 'show work_mem')
  t.match(await asked(), { wish: { reason: 'disk is full' } })
  await client.printed(/NOTICE: {2}Asked for/)
  await approve()
  const { status, stdout, stderr } = await client.ended
  t.equal(status, 0, stderr)
  t.equal(stdout, '8MB\n')
  t.match(stderr, /NOTICE: {2}req_\w+ is approved/)
})

t.test('psql is told of a denial, and withdraws when it is ended', async t => {
  const denied = psql('-c sallyport.reason=why', 'select 1')
  const { id } = await asked()
  await requests.deny(lee, id, 'not today')
  const { status, stderr } = await denied.ended
  t.equal(status, 2)
  t.match(stderr, `FATAL:  ACCESS_DENIED: Access denied: ${id} was denied by lee: not today.`)
  const killed = psql('-c sallyport.reason=why', 'select 1')
  const second = await asked()
  killed.kill()
  await become(second.id, 'cancelled')
  const without = await psql('', 'select 1').ended
  t.match(without.stderr, /HINT: {2}To ask for it: [\s\S]*sallyport\.reason/)
})

t.test(
  'what a program sends ahead waits for psql too, within a bound: who sends more, says goodbye or is gone is not waited for',
  async t => {
    const ahead = async (bytes: Buffer) => {
      const { host, port } = gateway.postgres!
      const socket = connect({ host, port, ALPNProtocols: ['postgresql'], rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const client = new RawClient(socket)
      const parameters = { user: `alice+${superuser}+orders`, database: 'postgres', options: '-c sallyport.reason=why' }
      client.socket.write(startup(parameters))
      await client.sees(/R/)
      client.socket.write(frame('p', cstring(alice.password)))
      const request = await asked()
      client.socket.write(bytes)
      return { client, request }
    }
    const tooMuch = await ahead(query(`select '${'x'.repeat(100_000)}'`))
    await become(tooMuch.request.id, 'cancelled')
    await tooMuch.client.sees(/PROTOCOL_VIOLATION: More was sent than is taken/)
    const goodbye = await ahead(frame('X'))
    await become(goodbye.request.id, 'cancelled')
    await goodbye.client.sees(/LOGIN_GIVEN_UP/)
    goodbye.client.socket.destroy()
    const early = await ahead(query("select 'sent ahead'"))
    await approve()
    await early.client.sees('sent ahead')
    t.match(early.client.text, 'is approved')
    early.client.socket.destroy()
  },
)

t.test('a user who is disabled while they wait is not let in', async t => {
  const client = ssh(because('disk is full'), 'true')
  const { id } = await asked()
  const user = (await parts.users.get('alice'))!
  await parts.users.put({ ...user, disabled: true })
  await requests.review()
  const { stderr } = await client.ended
  t.match(stderr, `${id} was revoked by gateway: its user was disabled`)
  await parts.users.put({ ...user, disabled: false })
})

const audited = `alice+${account}+web-02`
const newest = async () => (await parts.sessions.list({ user: 'alice', limit: 1 }))[0]!

t.test(
  'a reason that a role demands is said by SetEnv, on a terminal or by PGOPTIONS, and stands in all records',
  async t => {
    const byEnvironment = await sshAs(audited, because('disk is full', ' SALLYPORT_TICKET=INC-7'), 'env').ended
    t.equal(byEnvironment.status, 0, byEnvironment.stderr)
    t.notMatch(byEnvironment.stdout, /SALLYPORT_REASON/, 'it is for the gateway alone')
    const { id, recording, details } = await newest()
    t.match(details, { reason: 'disk is full', ticket: 'INC-7' })
    t.match(
      readFileSync(join(gateway.config.recording.folder, recording!), 'latin1'),
      /"reason":"disk is full","ticket":"INC-7"/,
    )
    const events = (await parts.audit.list({ limit: 1000 })).filter(event => event.session === id)
    for (const kind of ['decision.granted', 'session.started'])
      t.match(JSON.parse(events.find(event => event.kind === kind)!.data), { reason: 'disk is full', ticket: 'INC-7' })
    t.equal(events.filter(event => event.kind === 'login.accepted').length, 1)

    const steps: Step[] = [
      { expect: 'needs a reason and a ticket of the form INC-\\d+' },
      { expect: 'Reason: ', type: '' },
      { type: 'why\r', expect: 'Ticket, of the form' },
      { type: 'none\r', expect: 'The ticket is not of the form' },
      { expect: 'Reason: ' },
      { type: 'why\r', expect: 'Ticket, of the form' },
      { type: 'INC-8\r', expect: 'within' },
    ]
    t.equal((await terminal(steps, audited, 'echo within').ended).status, 0)
    t.match((await newest()).details, { reason: 'why', ticket: 'INC-8' })

    const byOptions = await psql('-c sallyport.reason=why -c sallyport.ticket=INC-9', 'select 1', 'ledger').ended
    t.equal(byOptions.stdout, '1\n', byOptions.stderr)
    t.match((await newest()).details, { reason: 'why', ticket: 'INC-9' })
  },
)

t.test('without it the session is refused, with the way to say it', async t => {
  const nothing = await sshAs(audited, [], 'true').ended
  t.equal(nothing.status, 255)
  t.match(nothing.stderr, /a session here needs a reason and a ticket of the form INC-\\d\+\. \[REASON_REQUIRED/)
  t.match(nothing.stderr, /Say so: ssh -o SetEnv=/)
  const wrong = await sshAs(audited, because('why', ' SALLYPORT_TICKET=nonsense'), 'true').ended
  t.match(wrong.stderr, /The ticket is not of the form INC/)
  const hidden = await sshAs(audited, because('why\u202e', ' SALLYPORT_TICKET=INC-7'), 'true').ended
  t.match(hidden.stderr, /The reason has characters that are not seen/)
  const long = await sshAs(audited, because('x'.repeat(501), ' SALLYPORT_TICKET=INC-7'), 'true').ended
  t.match(long.stderr, /The reason has more than 500 characters/)
  const sql = await psql('-c sallyport.reason=why', 'select 1', 'ledger').ended
  t.match(sql.stderr, /FATAL: {2}REASON_REQUIRED: [\s\S]*HINT: {2}Say so: PGOPTIONS=/)
})
