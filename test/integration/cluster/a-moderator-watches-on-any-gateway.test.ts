/**
 * Two gateways on one store: where a role demands a moderator, nothing is lent before one watches, nothing passes while none does, and whoever
 * follows a session is told of to its user, or not, as the role says.
 */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { inTerminal, type Step } from '../../support/in-terminal.ts'
import { psql } from '../../support/psql.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { makeKey } from '../../support/start-sshd.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

const ABSENT_MS = 3000
const moderator = { of: ['role:security'], waitFor: 120_000, absent: ABSENT_MS }
const two = await startTwoGateways({ role: { session: { moderator } } })
const { gateway, other, account, superuser, publicKeys } = two
const { parts } = gateway
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys, person: 'alice' })
await gateway.addRole({ name: 'security', targets: {}, accounts: {}, factors: [['publickey'], ['password']] })
await gateway.addRole({ name: 'auditors', targets: {}, accounts: {}, factors: [['publickey']], api: ['audit'] })
const roleOf = { lee: 'security', bob: 'ops', ann: 'auditors' }
const keys = new Map<string, string>()
for (const [name, role] of Object.entries(roleOf)) {
  const key = makeKey(gateway.folder, name, 'ed25519')
  keys.set(name, key)
  await gateway.addUser({ name, roles: [role], publicKeys: [readFileSync(`${key}.pub`, 'utf8').trim()] })
}
await gateway.addUser({ name: 'alice-admin', roles: ['security'], person: 'alice' })

const ca = join(gateway.folder, 'ca.pem')
writeFileSync(ca, (await asOwner(gateway, ['key', 'certificate'])).stdout)
const tokenOf = async (user: string) => {
  const person = { user, proven: new Set(['password'] as const), sourceAddress: '127.0.0.1' }
  const made = await parts.personalAccess.create(person, { scopes: 'all', validForMs: 8 * 3_600_000 })
  return { token: made.text.reveal(), ca }
}
const tokens = {
  lee: await tokenOf('lee'),
  bob: await tokenOf('bob'),
  alice: await tokenOf('alice'),
  'alice-admin': await tokenOf('alice-admin'),
}
type Person = keyof typeof tokens

const as = (user: Person, ...argv: string[]) => withToken(gateway, tokens[user], argv)

/** The API of the gateway of this process, wherever the session is. */
function call(user: Person, method: 'GET' | 'POST', path: string, body?: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${tokens[user].token}`, 'content-type': 'application/json' }
    const url = new URL(path, gateway.api.url)
    const asked = request(url, { method, ca: readFileSync(ca), headers, agent: false }, resolve)
    asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Watches as a moderator's client does: says that it is there, until it leaves. */
async function watch(id: string, { beats = true, reads = true, user = 'lee' as Person } = {}) {
  const path = `/v1/own/moderated-sessions/${id}`
  const watch = randomBytes(16).toString('hex')
  const beat = () =>
    void call(user, 'POST', `${path}/watching`, { watch }).then(
      answer => answer.resume(),
      () => undefined,
    )
  const beating = beats ? setInterval(beat, 1000) : undefined
  const response = await call(user, 'GET', `${path}/follow?watch=${watch}`)
  response.on('error', () => undefined)
  if (reads) response.resume()
  return {
    status: response.statusCode,
    /** As when the process is killed: its socket is closed. */
    leave() {
      clearInterval(beating)
      response.destroy()
    },
  }
}

/** The one that waits for a moderator, once it does. */
async function waiting(user = 'alice'): Promise<string> {
  for (;;) {
    const found = (await parts.moderatedSessions.list()).find(one => one.user === user && one.state === 'waiting')
    if (found !== undefined) return found.id
    await setTimeout(20)
  }
}

const ended = async (id: string) => {
  for (;;) {
    const row = await parts.sessions.get(id)
    if (row?.state === 'ended') return row.end_reason
    await setTimeout(20)
  }
}
const audited = async (session: string) =>
  (await parts.audit.list({ session })).map(({ kind, actor }) => `${kind} by ${actor}`)
const at = { ssh: other.ssh, postgres: other.postgres! }
const ssh = (...command: string[]) => two.ssh(at.ssh, `alice+${account}+web-01`, ...command)

t.test('a session waits for its moderator, is paused without one, goes on, and ends', async t => {
  const log = join(gateway.folder, 'lines')
  writeFileSync(log, '')
  const session = ssh(`while read -r line; do echo "$line" >> ${log}; echo "got $line"; done`)
  await session.printed(/a moderator must watch this session \(role:security\).*sallyport session follow ses_/s)
  const id = await waiting()
  t.equal(await parts.sessions.get(id), undefined, 'nothing is open yet')
  const leases = await parts.database.selectFrom('leases').selectAll().where('session', '=', id).execute()
  t.equal(leases.length, 0, 'and nothing lent')

  const listed = await as('lee', 'session', 'list', '--waiting-for-moderator', '--json')
  t.match(listed.json(), { sessions: [{ id, user: 'alice', account, target: 'web-01', state: 'waiting' }] })
  for (const nobody of ['alice', 'alice-admin', 'bob'] as const) {
    t.same((await as(nobody, 'session', 'list', '--waiting-for-moderator', '--json')).json(), { sessions: [] })
    t.equal((await watch(id, { user: nobody, beats: false })).status, 404, `${nobody} is no moderator of it`)
  }
  t.equal((await asOwner(gateway, ['session', 'end', id])).exit, 1, 'nor is whoever has no personal token')
  t.equal(await waiting(), id, 'it waits on')

  const lee = await watch(id)
  t.equal(lee.status, 200)
  await session.printed(/lee watches this session, as its moderator/)
  session.stdin.write('one\n')
  await session.printed(/got one/)

  lee.leave()
  const left = performance.now()
  await session.printed(/no moderator watches now: the session is paused/)
  t.ok(performance.now() - left < 60_000)
  session.stdin.write('two\n')
  await setTimeout(700)
  t.equal(readFileSync(log, 'utf8'), 'one\n', 'what is typed does not reach the target')

  const back = await watch(id)
  await session.printed(/a moderator watches again: the session goes on/)
  await session.printed(/got two/)
  back.leave()
  const { stderr, stdout } = await session.ended
  t.match(stderr, /no moderator has watched it for too long/)
  t.match(stdout, /^got one\r?\ngot two\r?\n$/)
  t.equal(await ended(id), 'moderator-absent')

  const events = await audited(id)
  const kinds = ['session.moderator-awaited', 'session.moderated', 'session.paused', 'session.resumed']
  for (const kind of kinds) t.ok(events.includes(`${kind} by alice`), kind)
  for (const kind of ['recording.followed', 'recording.follow-ended']) t.ok(events.includes(`${kind} by lee`), kind)
  t.ok(events.indexOf('session.moderated by alice') < events.indexOf('lease.started by alice'), 'lent after that')
  const shown = await asOwner(gateway, ['session', 'export', id, '--format', 'jsonl'])
  if (shown.exit === 0) {
    const facts = shown.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const states = facts.filter(({ type }) => type === 'moderation').map(({ state }) => state)
    t.same(states, ['begun', 'paused', 'resumed', 'paused'])
  }
  t.equal((await parts.moderatedSessions.list()).length, 0, 'nothing stays in the list')
})

t.test('what the target says while the session is paused is shown when it goes on', async t => {
  const go = join(gateway.folder, 'go')
  const session = ssh(`echo ready; until [ -e ${go} ]; do sleep 0.05; done; echo while-paused; exec cat`)
  const id = await waiting()
  const lee = await watch(id)
  await session.printed(/ready/)
  lee.leave()
  await session.printed(/the session is paused/)
  writeFileSync(go, '')
  const shown = session.printed(/while-paused/).then(() => 'shown')
  t.equal(await Promise.race([shown, setTimeout(700, 'held')]), 'held')
  const back = await watch(id)
  t.equal(await shown, 'shown')
  session.stdin.end()
  t.equal((await session.ended).status, 0)
  back.leave()
})

t.test('a moderator who falls silent is gone, though the connection is open', async t => {
  const session = ssh('echo ready; exec cat')
  const id = await waiting()
  const lee = await watch(id, { beats: false })
  await session.printed(/ready/)
  await session.printed(/the session is paused/)
  t.match((await session.ended).stderr, /no moderator has watched it for too long/)
  lee.leave()
})

t.test('the moderator ends it, before it begins and while it is open', async t => {
  const first = ssh('true')
  t.match(await as('lee', 'session', 'end', await waiting()), { exit: 0, stdout: /Told alice's session/ })
  const refused = await first.ended
  t.equal(refused.status, 255)
  t.match(refused.stderr, /its moderator ended the session/)

  const second = ssh('echo ready; exec cat')
  const id = await waiting()
  const following = as('lee', 'session', 'follow', id)
  await second.printed(/ready/)
  t.match(await as('bob', 'session', 'end', id), { exit: 1, stderr: /There is no session/ })
  t.equal((await as('lee', 'session', 'end', id)).exit, 0)
  t.match((await second.ended).stderr, /its moderator ended the session/)
  t.equal(await ended(id), 'moderator-ended')
  const { exit, stdout, stderr: said } = await following
  t.equal(exit, 0, said)
  t.match(said, /You are its moderator: e, then y, ends the session/)
  t.match(stdout, /ready/)
})

t.test(
  'a moderator whose client takes nothing of what it is sent is gone, though it says that it is there',
  async t => {
    // In a terminal, where all is recorded: more than the buffers between the gateway and the client take.
    const session = ssh('-tt', 'head -c 16000000 /dev/zero; exec sleep 600')
    const lee = await watch(await waiting(), { reads: false })
    t.match((await session.ended).stderr, /the session is paused.*no moderator has watched it for too long/s)
    lee.leave()
  },
)

t.test('whoever meets one demand of several no more is not taken for who meets it', async t => {
  const leads = { of: ['role:leads'], waitFor: '2m', absent: '1m' }
  await gateway.addRole({ name: 'leads', targets: {}, accounts: {}, factors: [['password']] })
  const more = { targets: { names: ['web-01'] }, accounts: { names: [account] }, session: { moderator: leads } }
  await gateway.addRole({ name: 'ops-too', factors: [['publickey']], ...more })
  const [user, watched] = [(await parts.users.get('lee'))!, (await parts.users.get('alice'))!]
  t.teardown(() => parts.users.put(watched))
  await parts.users.put({ ...watched, roles: ['ops', 'ops-too'] })
  await parts.users.put({ ...user, roles: ['security', 'leads'] })
  const session = ssh('echo ready; exec cat')
  const lee = await watch(await waiting())
  await session.printed(/ready/)
  await parts.users.put({ ...user, roles: ['leads'] })
  await parts.live.accessChanged()
  await session.printed(/the session is paused/)
  await parts.users.put(user)
  t.match((await session.ended).stderr, /no moderator has watched it for too long/)
  lee.leave()
})

t.test('whoever loses the role is no moderator any more, at once', async t => {
  const session = ssh('echo ready; exec cat')
  const id = await waiting()
  const lee = await watch(id)
  await session.printed(/ready/)
  const security = (await parts.roles.get('security'))!
  const user = (await parts.users.get('lee'))!
  await parts.users.put({ ...user, roles: [] })
  await parts.live.accessChanged()
  await session.printed(/the session is paused/)
  await parts.users.put({ ...user, roles: [security.name] })
  t.match((await session.ended).stderr, /no moderator has watched it for too long/)
  lee.leave()
})

/** `ssh USER@gateway follow …`, with nothing installed, at the gateway where the session is not. */
function follow(user: keyof typeof roleOf, ...words: string[]) {
  const { host, port } = gateway.ssh!
  const identityFile = keys.get(user)!
  const login = ['-p', String(port), '-l', user, host, 'follow', ...words]
  return startClient('ssh', ['-F', 'none', ...clientOptions({ identityFile }), ...login], { identityFile })
}
function followInTerminal(steps: Step[], id: string) {
  const identityFile = keys.get('lee')!
  const run = (program: string, ...args: string[]) => startClient(program, args, { identityFile })
  const options = ['-F', 'none', ...clientOptions({ identityFile })]
  const sshd = { folder: gateway.folder } as never
  return inTerminal({ run, options, login: 'lee', gateway, sshd }, steps, { login: 'lee' }, 'follow', id)
}

t.test('by ssh alone a moderator lists what waits, watches, leaves, comes back, and ends it by two keys', async t => {
  const role = (await parts.roles.get('ops'))!
  t.teardown(() => parts.roles.put(role))
  const patient = { ...moderator, absent: 600_000 }
  await parts.roles.put({ ...role, session: { ...role.session!, moderator: patient } })
  const session = ssh('while read -r line; do echo "got $line"; done')
  const id = await waiting()
  const { stdout } = await follow('lee', '--json').ended
  t.match(JSON.parse(stdout), {
    sessions: [{ id, user: 'alice', target: 'web-01', state: 'waiting', as: 'moderator' }],
  })
  t.same(JSON.parse((await follow('bob', '--json').ended).stdout), { sessions: [] })
  const stranger = await follow('bob', id).ended
  t.equal(stranger.status, 1)
  t.match(stranger.stderr, `There is no session ${id} that you may follow.`)
  t.equal(await waiting(), id, 'it waits on')

  const leaves = followInTerminal(
    [
      { size: [24, 80], expect: 'You are its moderator' },
      { expect: 'got one' },
      { type: 'e', expect: 'y ends it' },
      { type: 'n', expect: 'It goes on.' },
      { type: 'q', expect: 'The session is paused' },
    ],
    id,
  )
  await session.printed(/lee watches this session, as its moderator/)
  session.stdin.write('one\n')
  const first = await leaves.ended
  t.equal(first.status, 0, first.stderr.slice(-1000))
  await session.printed(/no moderator watches now: the session is paused/)

  const ends = followInTerminal(
    [
      { size: [24, 80], expect: 'got one' },
      { expect: 'got two' },
      { type: 'e', expect: 'y ends it' },
      { type: 'y', expect: 'The session ended' },
    ],
    id,
  )
  await session.printed(/a moderator watches again: the session goes on/)
  session.stdin.write('two\n')
  const last = await ends.ended
  t.equal(last.status, 0, last.stderr.slice(-1000))
  await session.ended
  t.equal(await ended(id), 'moderator-ended')
  for (const kind of ['recording.followed', 'recording.follow-ended', 'session.kill-requested', 'session.paused'])
    while (!(await audited(id)).some(event => event.startsWith(kind))) await setTimeout(20)
  const mine = (await audited(id)).filter(event => event.endsWith('by lee'))
  t.equal(mine.filter(event => event.startsWith('recording.followed')).length, 2)
})

t.test('by ssh alone whoever has the scope audit follows what is live, without a terminal too', async t => {
  const role = (await parts.roles.get('ops'))!
  t.teardown(() => parts.roles.put(role))
  await parts.roles.put({ ...role, session: { live: 'any', reason: 'optional', follow: 'announced' } })
  const session = ssh('while read -r line; do printf "got \\033]0;x\\007$line\\n"; done')
  session.stdin.write('one\n')
  await session.printed(/got .*one/)
  const [row] = await parts.sessions.list({ user: 'alice', state: 'live' })
  t.match(JSON.parse((await follow('ann', '--json').ended).stdout), { sessions: [{ id: row!.id, as: 'follower' }] })
  const following = follow('ann', row!.id)
  await session.printed(/ann watches this session/)
  session.stdin.end('two\n')
  await session.ended
  const { status, stdout, stderr } = await following.ended
  t.equal(status, 0, stderr)
  t.match(stdout, /got .*one[\s\S]*got .*two/)
  t.notMatch(stdout, '\x1b]', 'what is shown does not act on a terminal beyond its picture')
  t.match(stderr, 'The session ended')
  t.ok((await audited(row!.id)).includes('recording.followed by ann'))
})

t.test('files wait as everything does', async t => {
  const from = join(gateway.folder, 'from')
  const to = join(gateway.folder, 'to')
  writeFileSync(from, randomBytes(3_000_000))
  const port = String(at.ssh.port)
  const copied = two.scp(['-P', port, from, `alice+${account}+web-01@${at.ssh.host}:${to}`])
  const lee = await watch(await waiting())
  t.equal((await copied.ended).status, 0)
  t.ok(readFileSync(from).equals(readFileSync(to)))
  lee.leave()
})

t.test(
  'who sends much and asks in between whether the other side is there is answered while the session is paused',
  async t => {
    const role = (await parts.roles.get('ops'))!
    t.teardown(() => parts.roles.put(role))
    await parts.roles.put({ ...role, session: { ...role.session!, moderator: { ...moderator, absent: 9000 } } })
    const session = ssh(
      '-o',
      'ServerAliveInterval=2',
      '-o',
      'ServerAliveCountMax=2',
      'echo ready; exec cat > /dev/null',
    )
    const id = await waiting()
    const lee = await watch(id)
    await session.printed(/ready/)
    lee.leave()
    await session.printed(/the session is paused/)
    // More than the gateway holds: it does not read what comes behind.
    session.stdin.write(Buffer.alloc(1_500_000))
    const { stderr } = await session.ended
    t.notMatch(stderr, /not responding/)
    t.match(stderr, /no moderator has watched it for too long/)
  },
)

t.test('psql waits, is paused in both directions, and goes on', async t => {
  const { host, port } = at.postgres
  const connection = `host=${host} port=${port} dbname=postgres sslmode=require user=alice+${superuser}+orders`
  const child = spawn('psql', ['-X', '-A', '-t', connection], { env: { ...process.env, PGPASSWORD: alice.password } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (said += text))
  const printed = async (pattern: RegExp) => {
    while (!pattern.test(said)) {
      // Nothing more comes of it.
      if (child.exitCode !== null) throw new Error(said)
      await setTimeout(20)
    }
  }
  await printed(/NOTICE: +Sallyport: a moderator must watch this session/)
  const id = await waiting()
  const lee = await watch(id)
  await printed(/NOTICE: +Sallyport: lee watches this session, as its moderator/)
  child.stdin.write("select 'first';\n")
  await printed(/first/)
  lee.leave()
  while (!(await audited(id)).includes('session.paused by alice')) await setTimeout(20)
  child.stdin.write("select 'second' || 'half';\n")
  // Psql reads what came meanwhile when it asks the next time.
  await printed(/the session is paused/)
  await setTimeout(700)
  t.notMatch(said, /secondhalf/)
  const back = await watch(id)
  await printed(/secondhalf/)
  await printed(/the session goes on/)
  child.stdin.end('\\q\n')
  await new Promise(resolve => child.once('exit', resolve))
  back.leave()
})

t.test('who waits too long is told so, and nothing was lent', async t => {
  const short = { ...moderator, waitFor: 1000 }
  const role = (await parts.roles.get('ops'))!
  await parts.roles.put({ ...role, session: { ...role.session!, moderator: short } })
  t.teardown(() => parts.roles.put(role))
  const { status, stderr } = await ssh('true').ended
  t.equal(status, 255)
  t.match(stderr, /No moderator \(role:security\) came to watch this session within 1s.*NO_MODERATOR/s)
  const { host, port } = at.postgres
  const sql = await psql(
    `host=${host} port=${port} dbname=postgres sslmode=require user=alice+${superuser}+orders`,
    alice.password,
    ['select 1'],
  )
  t.equal(sql.code, 2)
  t.match(sql.stderr, /FATAL: +NO_MODERATOR/)
})

t.test('a follower is told of, or not, as the role says; the recording knows', async t => {
  const role = (await parts.roles.get('ops'))!
  t.teardown(() => parts.roles.put(role))
  for (const follow of ['announced', 'silent'] as const) {
    await parts.roles.put({ ...role, session: { live: 'any', reason: 'optional', follow } })
    const session = two.ssh(gateway.ssh!, `alice+${account}+web-01`, 'echo ready; exec cat')
    await session.printed(/ready/)
    const [row] = await parts.sessions.list({ user: 'alice', state: 'live' })
    const following = asOwner(gateway, ['session', 'follow', row!.id])
    const told = session.printed(/owner watches this session/).then(() => 'told')
    if (follow === 'announced') t.equal(await told, 'told')
    else {
      while (!(await audited(row!.id)).includes('recording.followed by owner')) await setTimeout(20)
      t.equal(await Promise.race([told, setTimeout(700, 'silent')]), 'silent')
    }
    session.stdin.end()
    await session.ended
    t.equal((await following).exit, 0)
    await gateway.ended(row!.id)
    const watched = []
    for await (const event of await parts.recordings.read(row!.id)) if (event.type === 'watched') watched.push(event)
    t.match(watched[0], { by: 'owner', as: 'follower', what: 'came', ...(follow === 'silent' ? { silent: true } : {}) })
  }
})
