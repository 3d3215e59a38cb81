/** Five minutes and one minute before a session ends its person is told, and nothing is spoilt; more time, once it is approved, is the open session's as well. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startRedis } from '../../support/start-redis.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'
import { startPane } from '../../support/tmux-pane.ts'

const MINUTE = 60_000
const [postgres, redis, sshd] = await Promise.all([startPostgres(), startRedis(), startSshd()])
for (const server of [postgres, redis, sshd]) t.teardown(() => server.stop())
const gateway = await startTestGateway({
  storeMoves: true,
  configure(config) {
    config.database = postgres.url()
    config.cluster.redis = redis.url
  },
})
t.teardown(() => gateway.close())
const other = await startTestGateway({ storeMoves: true, beside: gateway })
t.teardown(() => other.close())
const { parts, clock } = gateway
const { account } = sshd
const { superuser, superPassword } = postgres
const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
const terms = {
  name: 'ops',
  targets: { names: ['web-01', 'orders'] },
  accounts: {},
  factors: [['publickey'], ['password']],
}
const onRequest = [
  { accounts: { names: [account, superuser] }, approvers: ['user:lee'], freshFactor: false, maxTime: '2h' },
]
const role = (more: object = {}) => gateway.addRole({ ...terms, onRequest, ...more } as never)
await role()
await gateway.addTarget(
  {
    ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: account }],
  },
  { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
)
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
    accounts: [{ name: superuser }],
  },
  { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
)
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
await gateway.addUser({ name: 'lee', roles: [] })

const person = (user: string, roles: string[]) =>
  ({ user, roles, proven: new Set(['publickey']), sourceAddress: '127.0.0.1' }) as never
const approved = async (id: string) => void (await parts.requests.approve(person('lee', []), id, {}))
async function given(target: string, name: string, forMs: number): Promise<string> {
  const wish = { on: { target }, account: name, forMs, reason: 'INC-4711' }
  const { request } = await parts.requests.ask(person('alice', ['ops']), wish)
  await approved(request.id)
  return request.id
}
async function extended(id: string, forMs: number): Promise<void> {
  const more = await parts.requests.askForMore(person('alice', ['ops']), id, { forMs, reason: 'not done' })
  await approved(more.id)
}

const login = `alice+${account}+web-01`
const sshTo = ({ ssh }: Pick<TestGateway, 'ssh'>, ...more: string[]) => [
  ...[
    'ssh',
    '-F',
    'none',
    ...clientOptions({ identityFile }),
    '-p',
    String(ssh!.port),
    '-l',
    login,
    ssh!.host,
    ...more,
  ],
]
const start = ([program, ...argv]: string[]) => startClient(program!, argv, { identityFile })
function psql({ postgres }: Pick<TestGateway, 'postgres'>) {
  const connection = `host=${postgres!.host} port=${postgres!.port} user=alice+${superuser}+orders dbname=postgres sslmode=require`
  return startClient('env', [`PGPASSWORD=${alice.password}`, 'psql', '-X', '-A', '-t', connection], { identityFile })
}
const tick = () => {
  for (const one of [gateway, other]) one.worker!.live.tick()
}
/** So long before that end, by the clock. */
async function moveTo(id: string, beforeMs: number): Promise<void> {
  const { state } = (await parts.requests.rows.get(id))!
  if (state.is !== 'active') throw new Error(`the request is ${state.is}`)
  // The clocks of the gateways and of the store are a few milliseconds apart.
  clock.advance(state.endsAt - beforeMs - clock.now() + 500)
  tick()
}
async function ended(session: string): Promise<string | null> {
  for (const one of [gateway, other]) await one.ended(session).catch(() => undefined)
  return (await gateway.ended(session)).reason
}
async function notices(session: string): Promise<string[]> {
  await ended(session)
  const events = await Array.fromAsync(await parts.recordings.read(session))
  return events.flatMap(event => (event.type === 'notice' ? [event.text] : []))
}
const live = () => parts.sessions.list({ state: 'live' })

t.test(
  'in a terminal: not into a program that has the screen, then on lines of its own; and nothing where there is none',
  async t => {
    const id = await given('web-01', account, 60 * MINUTE)
    const pane = await startPane(sshTo(gateway, '-t', "PS1='ready$ ' exec sh -i"))
    t.teardown(() => pane.close())
    await pane.shows(/ready\$/)
    const plain = start(sshTo(gateway, 'echo first; cat; echo last'))
    await plain.printed(/first/)
    await pane.type('seq 500 | vim -u NONE -', 'Enter')
    await pane.shows(/stdin|^23$/m)
    await pane.type(':set notitle', 'Enter')
    await pane.type('G')
    await pane.shows(/^500$/m)
    await pane.type(":echo 'drawn'", 'Enter')
    const picture = await pane.shows(/^drawn/m)
    await moveTo(id, 5 * MINUTE)
    await pane.titled(/Sallyport: ends at \d\d:\d\d:\d\d UTC, in 5 minutes/)
    t.equal(await pane.screen(), picture, 'the screen is as it was')
    await pane.type(':q!', 'Enter')
    const after = (await pane.shows(/For more time/)).replaceAll('\n', '')
    t.match(after, new RegExp(`ends at .* UTC, in 5 minutes, when the access that ${id} gives is over`))
    t.match(after, new RegExp(`ssh alice@gateway request extend ${id} --reason`))
    t.notMatch(await pane.title(), /Sallyport/, 'the title is back')

    await pane.type('clear; echo cleared; cat', 'Enter')
    // What is typed before that is wiped with the rest of the screen.
    await pane.shows(/^cleared$/m)
    await pane.type('half a li')
    await pane.shows(/^half a li/m)
    await moveTo(id, MINUTE)
    await pane.shows(/^half a li\nSallyport: this session on .* in 1 minute/m)
    tick()
    await pane.type('ne', 'Enter')
    t.equal((await pane.shows(/^half a line/m)).split('in 1 minute').length, 2, 'once')

    const sessions = await live()
    t.equal(sessions.length, 2)
    plain.stdin.end()
    t.equal((await plain.ended).stdout, 'first\nlast\n')
    t.notMatch((await plain.ended).stderr, /Sallyport|ends/, 'a program without a terminal is told nothing')
    await pane.type('C-d')
    await pane.type('exit', 'Enter')
    for (const { id: session } of sessions) {
      t.match(await notices(session), [/in 5 minutes/, /in 1 minute/], 'the recording has it')
    }
    await parts.requests.cancel({ user: 'alice' }, id)
  },
)

t.test('in psql: a NOTICE between messages, idle, within a result and within COPY', async t => {
  const id = await given('orders', superuser, 60 * MINUTE)
  const [idle, result, copy] = [psql(gateway), psql(gateway), psql(other)]
  idle.stdin.write("select 'idle-' || 1;\n")
  await idle.printed(/idle-1/)
  result.stdin.write(
    "\\set FETCH_COUNT 1\nselect repeat('x', 5000), 'row-' || n, case when n > 2 then pg_sleep(0.05) end from generate_series(1, 40) n;\n",
  )
  await result.printed(/row-2/)
  const dots = "select repeat('y', 20) || n, case when n > 100 then pg_sleep(0.005) end from generate_series(1, 400) n"
  copy.stdin.write(`select 'copy-' || 1;\ncopy (${dots}) to stdout;\n`)
  await copy.printed(/copy-1/)
  await moveTo(id, 5 * MINUTE)
  idle.stdin.end("select 'still-' || 1;\n")
  for (const one of [result, copy]) one.stdin.end()
  const [idled, rows, copied] = await Promise.all([idle.ended, result.ended, copy.ended])
  for (const { stderr, status } of [idled, rows, copied]) {
    t.equal(status, 0, stderr)
    t.match(stderr, new RegExp(`NOTICE: +Sallyport: this session on ${superuser}@orders ends at .* in 5 minutes`))
    t.match(stderr, /request extend/)
  }
  t.match(idled.stdout, /still-1/)
  t.equal(rows.stdout.match(/row-\d+/g)?.length, 40)
  t.equal(copied.stdout.match(/^y{20}\d+\t/gm)?.length, 400, 'nothing is within the data')
  const [latest] = await parts.sessions.list({ user: 'alice', limit: 1 })
  t.match(await notices(latest!.id), [/in 5 minutes/])
  await parts.requests.cancel({ user: 'alice' }, id)
})

t.test(
  'more time that is approved is that of open sessions, on every gateway, and never more than the role offers',
  async t => {
    await role({ maxSession: '75m' })
    const id = await given('web-01', account, 30 * MINUTE)
    const inTerminal = start(sshTo(gateway, '-tt', 'echo began; exec cat'))
    const elsewhere = start(sshTo(other, '-tt', 'echo began; exec cat'))
    const options = clientOptions({ identityFile })
    const outer = [
      'ssh',
      '-F',
      'none',
      ...options,
      '-p',
      String(other.ssh!.port),
      '-l',
      'alice',
      '-W',
      '%h:%p',
      other.ssh!.host,
    ]
    const through = ['-o', `ProxyCommand=${outer.join(' ')}`, '-l', account, 'web-01']
    const inside = start(['ssh', '-F', 'none', ...options, ...through, '-tt', 'echo began; exec cat'])
    const all = [inTerminal, elsewhere, inside]
    for (const one of all) await one.printed(/began/)
    await moveTo(id, 2 * MINUTE)
    for (const one of all) await one.printed(/in 2 minutes, when the access that req_/)
    await extended(id, 30 * MINUTE)
    for (const one of all) await one.printed(/now ends at .* UTC, in 32 minutes, when the access that/)
    clock.advance(10 * MINUTE)
    tick()
    for (const one of all) {
      one.stdin.write('still here\n')
      await one.printed(/still here/)
    }
    await extended(id, 60 * MINUTE)
    for (const one of all) await one.printed(/now ends at .* UTC, in 37 minutes, when its maximum time is over/)
    const sessions = (await live()).map(row => row.id)
    t.equal(sessions.length, all.length)
    const moved = (await parts.audit.list({ limit: 1000 })).filter(({ kind }) => kind === 'session.end-moved')
    t.same(
      moved.map(({ session }) => session).toSorted(),
      [...sessions, ...sessions].toSorted(),
      'each move is in the audit log',
    )
    t.match(JSON.parse(moved[0]!.data), { account: `${account}@web-01`, request: id })

    await role({ maxSession: '45m' })
    await parts.live.accessChanged()
    for (const one of all) await one.printed(/now ends at .* UTC, in 7 minutes/)
    clock.advance(7 * MINUTE)
    tick()
    for (const one of all) t.equal((await one.ended).status, 255)
    for (const session of sessions) t.equal(await ended(session), 'deadline')
  },
)
