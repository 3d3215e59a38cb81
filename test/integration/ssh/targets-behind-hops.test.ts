import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { asOwner } from '../../support/run-cli.ts'
import { clientOptions, type SshProcess, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, type Sshd, startSshd } from '../../support/start-sshd.ts'

// alice → gateway → bastion-1 → bastion-2 → web-01, or the database orders; each hop goes to what is next, and nowhere else.
const VERBOSE = 'LogLevel VERBOSE'
const web = await startSshd()
t.teardown(() => web.stop())
const postgres = await startPostgres({ tls: true })
t.teardown(() => postgres.stop())
const open = [web.port, postgres.port].map(port => `127.0.0.1:${port} localhost:${port}`).join(' ')
const second = await startSshd({
  config: [VERBOSE, `PermitOpen ${open}`, 'ClientAliveInterval 1', 'ClientAliveCountMax 3', 'RekeyLimit 1M'],
})
t.teardown(() => second.stop())
const first = await startSshd({ config: [VERBOSE, `PermitOpen 127.0.0.1:${second.port}`] })
t.teardown(() => first.stop())

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts } = gateway
const account = web.account

const entryOf = ({ host, port, hostKeys }: Sshd) => ({
  protocol: 'ssh' as const,
  ...{ host, port, hostKeys, accounts: [{ name: account }] },
})
const credentialOf = ({ privateKey }: Sshd) =>
  ({ [account]: { kind: 'private-key', privateKey: new Secret(privateKey) } }) as const

await gateway.addTarget({ name: 'bastion-1', ...entryOf(first) }, credentialOf(first))
await gateway.addTarget({ name: 'bastion-2', ...entryOf(second), via: 'bastion-1' }, credentialOf(second))
const web01 = { name: 'web-01', ...entryOf(web), via: `${account}@bastion-2` }
await gateway.addTarget(web01, credentialOf(web))
const orders = {
  name: 'orders',
  protocol: 'postgres' as const,
  host: 'localhost',
  port: postgres.port,
  via: 'bastion-2',
  tls: 'verify-full' as const,
  ca: readFileSync(postgres.caFile!, 'utf8'),
  accounts: [{ name: postgres.superuser }],
}
const password = { [postgres.superuser]: { kind: 'password', password: new Secret(postgres.superPassword) } } as const
await gateway.addTarget(orders, password)
await gateway.addTarget({ ...orders, name: 'plain', tls: 'disable', ca: undefined }, password)
await gateway.addRole({
  name: 'ops',
  targets: { names: ['web-01', 'orders', 'plain'] },
  accounts: { levels: ['basic'] },
  factors: [['publickey'], ['password', 'totp']],
})
const identityFile = makeKey(web.folder, 'alice', 'ed25519')
const alice = await gateway.addUser({
  name: 'alice',
  roles: ['ops'],
  publicKeys: [readFileSync(`${identityFile}.pub`, 'utf8').trim()],
})

function ssh(...command: string[]): SshProcess {
  const { host, port } = gateway.ssh!
  const options = ['-F', 'none', ...clientOptions({ identityFile })]
  return startClient('ssh', [...options, '-p', String(port), '-l', `alice+${account}+web-01`, host, ...command], {
    identityFile,
  })
}

async function database(target: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.postgres!.port,
    user: `alice+${postgres.superuser}+${target}`,
    database: 'postgres',
    password: alice.password + alice.code(),
    ssl: { rejectUnauthorized: false },
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function newest(): Promise<string> {
  const [row] = await parts.sessions.list({ limit: 1 })
  await gateway.ended(row!.id)
  return row!.id
}

async function recorded(session: string): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = []
  for await (const event of await parts.recordings.read(session)) events.push(event)
  return events
}

/** Resolves when nobody is logged in to the hop any more: its log has as many ends as logins. */
async function nobodyAt(hop: Sshd): Promise<void> {
  const count = (pattern: RegExp) => hop.log().match(pattern)?.length ?? 0
  while (count(/Accepted publickey/g) !== count(/Disconnected from user/g)) {
    await new Promise(resolve => setImmediate(resolve))
  }
}

t.test('an SSH session goes through two hops, is recorded, and leaves nobody behind', async t => {
  const before = first.log().length
  const { status, stdout } = await ssh('echo "$SSH_CONNECTION"; head -c 3000000 /dev/zero | tr "\\0" x; echo; env')
    .ended
  t.equal(status, 0)
  t.match(stdout, /^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+\nx{3000000}\n/)
  const session = await newest()
  t.ok((await recorded(session)).some(event => JSON.stringify(event).includes('SSH_CONNECTION')))
  await nobodyAt(first)
  await nobodyAt(second)
  t.match(first.log().slice(before), /Accepted publickey/)
  for (const hop of [first, second])
    t.notMatch(hop.log(), /Starting session|alice|agent/, 'nothing of the user is there')

  const events = await parts.audit.list({ session, limit: 100 })
  const leases = events
    .filter(({ kind }) => kind === 'lease.started')
    .map(({ data }) => JSON.parse(data))
    .sort((a, b) => a.account.localeCompare(b.account))
  t.match(leases, [
    { account: `${account}@bastion-1`, onTheWayTo: `${account}@web-01`, version: 1 },
    { account: `${account}@bastion-2`, onTheWayTo: `${account}@web-01`, version: 1 },
    { account: `${account}@web-01`, onTheWayTo: undefined, version: 1 },
  ])
  t.equal(leases.length, 3)
  t.equal(events.filter(({ kind }) => kind === 'lease.ended').length, 3, 'and all have ended')
  t.match((await parts.sessions.get(session))!.details, { via: `${account}@bastion-2` })
  const doctor = await asOwner(gateway, ['doctor', '--full'])
  t.match(doctor, { exit: 0 }, doctor.stdout)
})

t.test('what a client sends arrives, as much as it is', async t => {
  const client = ssh('sha256sum')
  const bytes = randomBytes(5_000_000)
  client.stdin.end(bytes)
  const { stdout } = await client.ended
  t.equal(stdout, `${createHash('sha256').update(bytes).digest('hex')}  -\n`)
})

for (const target of ['orders', 'plain']) {
  t.test(`a database behind two hops answers, and a cancel request goes the same way (${target})`, async t => {
    const client = await database(target)
    const { rows } = await client.query(
      "select repeat('y', 2000000) as text, count(*)::int as n from pg_stat_ssl where ssl and pid = pg_backend_pid()",
    )
    t.equal(rows[0].text.length, 2_000_000)
    t.equal(rows[0].n, target === 'orders' ? 1 : 0)
    const running = client.query('select pg_sleep(300)').catch(error => error)
    const active = `select count(*) from pg_stat_activity where query = 'select pg_sleep(300)' and state = 'active'`
    while ((await postgres.psql(active)) === '0');
    // As pg_cancel would from another connection of the client's.
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
    const socket = connect(gateway.postgres!.port, '127.0.0.1')
    const request = Buffer.alloc(16)
    for (const [at, value] of [16, 80877102, processID, secretKey].entries()) request.writeInt32BE(value, 4 * at)
    socket.end(request)
    t.match(await running, { code: '57014' })
    t.same((await client.query('select 1 as one')).rows, [{ one: 1 }])
    await client.end()
    const session = await newest()
    t.ok((await recorded(session)).some(event => JSON.stringify(event).includes('pg_sleep(300)')))
    await nobodyAt(second)
    await nobodyAt(first)
  })
}

t.test('a session that is ended takes its statement on the target along, and the hops', async t => {
  const client = await database('plain')
  const running = client.query('select pg_sleep(301)').catch(error => error)
  const active = `select count(*) from pg_stat_activity where query = 'select pg_sleep(301)' and state = 'active'`
  while ((await postgres.psql(active)) === '0');
  const [row] = await parts.sessions.list({ limit: 1 })
  t.equal((await asOwner(gateway, ['session', 'kill', row!.id])).exit, 0)
  t.match(await running, { code: '57P01' })
  while ((await postgres.psql(active)) !== '0');
  await nobodyAt(second)
  await nobodyAt(first)
})

t.test('a hop that fails is named to the administrator, and not to the user', async t => {
  const stranger = await startSshd()
  t.teardown(() => stranger.stop())
  await gateway.addTarget({ name: 'bastion-2', ...entryOf(second), hostKeys: stranger.hostKeys, via: 'bastion-1' })
  const { status, stderr } = await ssh('true').ended
  t.equal(status, 255)
  t.match(stderr, /The way to the target web-01 is not open.*TARGET_HOP_FAILED, session ses_/)
  t.notMatch(stderr, /bastion|127\.0\.0\.1:/)
  const session = await newest()
  const events = await parts.audit.list({ session, limit: 100 })
  const dataOf = (kind: string) => JSON.parse(events.find(event => event.kind === kind)?.data ?? '{}')
  t.match(dataOf('target.identity-mismatch'), {
    account: `${account}@bastion-2`,
    onTheWayTo: `${account}@web-01`,
    code: 'TARGET_IDENTITY_MISMATCH',
  })
  t.match(dataOf('session.refused'), {
    code: 'TARGET_HOP_FAILED',
    why: new RegExp(`hop 2 of 2, ${account}@bastion-2: TARGET_IDENTITY_MISMATCH`),
  })
  await nobodyAt(first)
  const scanned = await asOwner(gateway, ['target', 'scan', 'web-01', '--yes'])
  t.equal(scanned.exit, 1)
  t.match(scanned.stderr, new RegExp(`Hop 2 of 2, ${account}@bastion-2`))
  await gateway.addTarget({ name: 'bastion-2', ...entryOf(second), via: 'bastion-1' })
  t.equal((await ssh('true').ended).status, 0)
})

t.test('host keys and logins are asked for through the hops', async t => {
  const before = second.log().length
  await gateway.addTarget({ ...web01, hostKeys: [] })
  t.match((await asOwner(gateway, ['target', 'scan', 'web-01', '--yes'])).stdout, /Pinned/)
  t.same((await parts.targets.get('web-01'))!.via, `${account}@bastion-2`)
  t.match(await asOwner(gateway, ['target', 'logins', 'orders']), { exit: 0, stdout: /scram-sha-256 +yes/ })
  await nobodyAt(second)
  t.equal(
    second
      .log()
      .slice(before)
      .match(/Accepted publickey/g)?.length,
    2,
  )
  t.equal((await parts.audit.list({ kind: 'credential.used-for-hop', limit: 10 })).length, 6)
  await gateway.addTarget(web01)
  t.match(await ssh('true').ended, { status: 0 })
})

t.test('a credential is not lent where the way to its target became another', async t => {
  await parts.targets.put({ ...(await parts.targets.get('plain'))!, via: 'bastion-1' })
  await t.rejects(database('plain'), { message: /CREDENTIAL_UNAVAILABLE/ })
  await parts.targets.put({ ...(await parts.targets.get('plain'))!, via: 'bastion-2' })
  await (await database('plain')).end()
})

t.test('ways that are none are refused when they are applied, and when they are dialled', async t => {
  const file = join(gateway.folder, 'targets.yaml')
  const apply = async (yaml: string, ...more: string[]) => {
    writeFileSync(file, yaml)
    return asOwner(gateway, ['apply', '-f', file, ...more])
  }
  const target = (name: string, via: string, more = '') =>
    `---\nkind: target\nname: ${name}\nprotocol: ssh\nhost: ${name}.example\nvia: ${via}\n${more}`
  const accounts = 'accounts: [{ name: a }, { name: b }]\n'
  const cases: [string, RegExp][] = [
    [target('x', 'nowhere'), /targets\.yaml:6:\d+.*There is no target nowhere to go via/],
    [target('x', 'orders'), /orders is a postgres target: only SSH hosts/],
    [target('x', 'x'), /via goes in a circle: x via x/],
    [target('x', 'a@y', accounts) + target('y', 'a@x', accounts), /via goes in a circle: x via y via x/],
    [target('x', 'nobody@bastion-2'), /bastion-2 has no account nobody/],
    [target('y', 'bastion-1', accounts) + target('x', 'y'), /y has several accounts and none is the default/],
    [
      target('y', 'bastion-2', 'accounts: [{ name: a }]\n') + target('x', 'y') + target('z', 'x'),
      /(x has no account|more than 3 hops)/,
    ],
    [
      target('h3', 'bastion-2', 'accounts: [{ name: a }]\n') +
        target('h4', 'h3', 'accounts: [{ name: a }]\n') +
        target('x', 'h4'),
      /more than 3 hops/,
    ],
    [target('x', '"a b"'), /via is the name of an SSH target/],
    [
      'kind: target\nname: x\nprotocol: ssh\nhost: 0x7f.1\n',
      /targets\.yaml:4:\d+.*address of the gateway's own machine \(loopback\)/,
    ],
    ['kind: target\nname: x\nprotocol: ssh\nhost: 169.254.169.254\n', /link-local/],
    ['kind: target\nname: x\nprotocol: ssh\nhost: localhost\nvia: bastion-1\n', /address of the machine of bastion-1/],
  ]
  for (const [yaml, why] of cases) {
    const { exit, stderr } = await apply(yaml)
    t.not(exit, 0, yaml)
    t.match(stderr, why)
  }
  const bastionAlone = `kind: target\nname: bastion-1\nprotocol: ssh\nhost: 127.0.0.1\nport: ${first.port}\n${accounts}`
  t.match((await apply(bastionAlone)).stderr, /bastion-2 could not be reached any more.*bastion-1 has several accounts/)
  const pruned = await apply(
    `kind: target\nname: web-01\nprotocol: ssh\nhost: 127.0.0.1\nvia: ${account}@bastion-2\n`,
    '--prune',
  )
  t.match(pruned.stderr, /targets\.yaml:5:\d+.*There is no target bastion-2/)

  // Written past the check.
  for (const via of ['web-01', 'nowhere']) {
    await parts.targets.put({ ...(await parts.targets.get('bastion-1'))!, via })
    t.match((await ssh('true').ended).stderr, /TARGET_HOP_FAILED/)
  }
  await gateway.addTarget({ name: 'bastion-1', ...entryOf(first) })
  for (const changed of [{ allowLocal: false }, { allowLocal: undefined }]) {
    await parts.targets.put({ ...(await parts.targets.get('web-01'))!, ...changed })
    t.match((await ssh('true').ended).stderr, /TARGET_ADDRESS_REFUSED/)
  }
})

t.test(
  'who has a hop for themselves alone has nobody pass, also who was on the way before its entry knew of that',
  async t => {
    await gateway.addTarget(web01)
    const session = ssh('echo it-began; exec sleep 600')
    await session.printed(/it-began/)
    const hop = { name: 'bastion-1', ...entryOf(first) }
    const entry = (openSessions: 'tell' | 'end') => ({
      ...hop,
      accounts: [{ name: account, checkOut: { openSessions } }],
    })
    await gateway.addRole({
      ...{
        name: 'hops',
        targets: { names: ['bastion-1'] },
        accounts: { names: [account] },
        factors: [['publickey']],
        checkOut: {},
      },
    })
    await gateway.addUser({ name: 'bob', roles: ['hops'] })
    const bob = { user: 'bob', roles: ['hops'], proven: new Set(['publickey'] as const), sourceAddress: '127.0.0.1' }
    const address = { account, target: 'bastion-1' }
    await gateway.addTarget(entry('tell'))
    t.match(await parts.checkOuts.take(bob, address, {}), { taken: true })
    await session.printed(new RegExp(`Somebody has checked ${account}@bastion-1 out until`))
    await parts.checkOuts.checkIn(bob, address)
    await gateway.addTarget(entry('end'))
    t.match(await parts.checkOuts.take(bob, address, {}), { taken: true })
    t.match((await session.ended).stderr, /somebody has checked the account out/)
    t.match((await ssh('true').ended).stderr, /TARGET_HOP_FAILED/)
    await parts.checkOuts.checkIn(bob, address)
    t.equal((await ssh('true').ended).status, 0)
    await gateway.addTarget(hop)
  },
)

t.test('a name that resolves to this machine is refused, and what is shown says via', async t => {
  const server = createServer(() => t.fail('something connected'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as { port: number }
  for (const host of ['127.0.0.1', '0177.0.0.1', '2130706433', 'localhost', '0.0.0.0', '::ffff:127.0.0.1']) {
    await parts.targets.put({ ...(await parts.targets.get('bastion-1'))!, name: 'own', host, port, allowLocal: false })
    const { exit, stderr } = await asOwner(gateway, ['target', 'scan', 'own', '--yes'])
    t.equal(exit, 1)
    t.match(stderr, /The target own points at .*allowLocal: true/, host)
  }
  t.match(
    (await asOwner(gateway, ['target', 'show', 'web-01'], { columns: 200 })).stdout,
    new RegExp(`via .*${account}@bastion-2`),
  )
  t.match((await asOwner(gateway, ['target', 'list'], { columns: 200 })).stdout, /via .*@bastion-2/)
  const explained = await asOwner(gateway, ['explain', 'alice', `${account}@web-01`])
  t.match(explained.stdout, new RegExp(`${account}@bastion-1.*${account}@bastion-2`, 's'))
})
