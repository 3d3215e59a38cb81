/** `ssh alice@gateway` in a terminal: a menu of what she may use, from which sessions begin that are like any other. */

import { createHash } from 'node:crypto'
import t from 'tap'
import { isStream } from '../../../src/recording/format/events.ts'
import { type InTerminalOptions, inTerminal, type Step } from '../../support/in-terminal.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

/** The menu gives her own screen back. */
const OWN_SCREEN = '\x1b[?1049l'
const PROMPT = '# '
const CTRL = { c: '\x03', d: '\x04', f: '\x06', u: '\x15' }

t.test('the menu', async t => {
  const front = await startSshGateway(t, {
    role: { targets: { names: ['web-*'] } },
    gateway: { configure: config => Object.assign(config.ssh, { rekeyBytes: 100_000 }) },
  })
  const { gateway, sshd, alice, run, options } = front
  const { parts } = gateway
  const account = sshd.account
  const { host, port, hostKeys } = sshd
  const web01 = `${account}@web-01`
  await gateway.addTarget({
    ...{ name: 'web-02', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] },
    description: 'Fron\u202etend\u0007 \u001b[2J\u001b]0;title\u0007 of Berlin',
  })
  await gateway.addTarget({ name: 'db-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] })
  const menu = (steps: Step[], more: InTerminalOptions = {}) => inTerminal(front, steps, { login: 'alice', ...more })
  const events = async (kind: string) => (await parts.audit.list({})).filter(event => event.kind === kind)
  const sessions = () => parts.sessions.list({})

  await t.test('shows what policy gives, finds what is typed, and leaves at Ctrl-C', async t => {
    const { status, stdout } = await menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'BERLIN', expect: '1 of 2' },
      { type: 'x', expect: 'Nothing that you may use has all of this.' },
      { type: CTRL.u, expect: '2 accounts' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0)
    t.match(stdout, new RegExp(web01))
    t.notMatch(stdout, /db-01/, 'what she may not use is nowhere')
    t.notMatch(stdout, /\u202e|\u0007|\u001b\]|\u001b\[2J of/, 'a description does not act on the terminal')
    t.match(stdout, /Fron\\u\{202e\}tend\\x07 \\e\[2J/)
    t.ok(stdout.lastIndexOf(OWN_SCREEN) > stdout.lastIndexOf('accounts'), 'her own screen is back')
    const [opened] = await events('self-service.opened')
    t.match(opened, { actor: 'alice' })
    t.same(JSON.parse(opened!.data), { what: 'menu' })
    t.same(await sessions(), [], 'nothing was lent')
  })

  await t.test('Enter begins a session like any other, and its end leads back', async t => {
    const { status, stdout } = await menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'web-01', expect: '1 of 2' },
      { type: '\r', expect: `Connecting to ${web01}` },
      { expect: OWN_SCREEN },
      { type: 'echo in-$((40+2)); stty size; echo $LC_ALL $TERM\n', expect: 'in-42' },
      { expect: '24 80' },
      { expect: 'xterm-256color' },
      { size: [50, 132], type: 'stty size\n', expect: '50 132' },
      { type: 'exit 3\n', expect: `${web01}: the session ended, exit status 3` },
      { expect: '1 of 2' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0, stdout)
    const [row] = await sessions()
    const { reason } = await gateway.ended(row!.id)
    t.equal(reason, 'client-closed')
    t.match(row, { user: 'alice', account, target: 'web-01', role: 'ops', source: '127.0.0.1' })
    const opened = await events('self-service.opened')
    t.equal(row!.details.inside, opened.at(-1)!.session, 'it says which login it was begun from')
    const recorded = []
    for await (const event of await parts.recordings.read(row!.id)) recorded.push(event)
    const output = recorded.filter(isStream).map(event => event.bytes)
    t.match(Buffer.concat(output).toString(), /in-42/)
    t.notMatch(Buffer.concat(output).toString(), /accounts/, 'the menu is not part of it')
    t.match(recorded, [{ type: 'channel-open' }])
    for (const kind of ['decision.granted', 'lease.started', 'session.started', 'session.ended', 'lease.ended']) {
      t.equal((await events(kind)).filter(({ session }) => session === row!.id).length, 1, kind)
    }
  })

  await t.test('much passes in both directions, through many key exchanges', async t => {
    const sent = 'x'.repeat(1_000_000)
    const hash = createHash('sha256').update(sent).digest('hex')
    const counted = Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('')
    const { status, stdout, stderr } = await menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'web-01', expect: '1 of 2' },
      { type: '\r', expect: OWN_SCREEN },
      { type: 'stty raw -echo; echo GO""NOW; head -c 1000000 | sha256sum\n', expect: 'GONOW' },
      { type: 'x', times: 1_000_000, expect: hash },
      { type: 'seq 1 100000; echo DO""NE\n', expect: 'DONE' },
      { type: 'stty sane; exit\n', expect: 'the session ended' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0, stderr.slice(-1000))
    t.ok(stdout.includes(counted), 'all of it, in order')
  })

  await t.test('what was used last comes first, and favourites before that', async t => {
    const second = await menu([
      { size: [24, 80], expect: web01 },
      { expect: `${account}@web-02` },
      { type: '\x1b[B', expect: `${account}@web-02` },
      { type: CTRL.f, expect: `${account}@web-02 is a favourite` },
      { type: CTRL.c },
    ]).ended
    t.equal(second.status, 0)
    await menu([{ expect: `* ${account}@web-02` }, { expect: web01 }, { type: CTRL.c }]).ended
    const { host, port } = gateway.ssh!
    const ask = ['ssh', ...options, '-p', String(port), '-l', 'alice', host, 'targets', '--json'] as const
    const { targets } = JSON.parse((await run(...ask).ended).stdout)
    t.match(targets, [
      { target: 'web-02', favourite: true },
      { target: 'web-01', favourite: false },
    ])
    t.type(targets[1].lastUsedAt, 'string')
    await menu([{ expect: '2 accounts' }, { type: CTRL.f, expect: 'no favourite any more' }, { type: CTRL.c }]).ended
  })

  await t.test('works in any size, and follows a new one', async t => {
    const { status, stderr } = await menu([
      { size: [5, 20], expect: 'Search:' },
      { expect: web01 },
      { size: [200, 500], expect: '2 accounts' },
      { expect: 'Fron' },
      { size: [1, 1] },
      { size: [24, 80], expect: 'Esc clear' },
      { type: 'web-02', expect: '1 of 2' },
      { type: '\x1b' },
      { expect: '2 accounts' },
      { type: CTRL.d },
    ]).ended
    t.equal(status, 0, stderr.slice(-1000))
  })

  await t.test('a paste runs nothing, however much it is', async t => {
    const before = (await sessions()).length
    const { status } = await menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'web-01\rrm -rf /tmp/x\r\n', times: 100_000 },
      { type: CTRL.u, expect: '2 accounts' },
      { type: `\x1b[200~web-01\rexit\r\x1b[201~`, expect: '0 of 2' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0)
    t.equal((await sessions()).length, before)
  })

  await t.test('with TERM=dumb it is a numbered list', async t => {
    const { status, stdout, stderr } = await menu(
      [
        { size: [24, 80], expect: `1   ${web01}` },
        { expect: 'q to leave: ' },
        { type: 'berlin\r', expect: `1   ${account}@web-02` },
        { expect: 'q to leave: ' },
        { type: '7\r', expect: 'There is no number 7' },
        { expect: 'q to leave: ' },
        { type: 'web-01\r', expect: 'q to leave: ' },
        { type: '1\r', expect: 'Connecting' },
        { expect: PROMPT },
        { type: 'echo in-$((40+2)) $TERM; exit\n', expect: 'in-42 dumb' },
        { expect: `${web01}: the session ended` },
        { expect: 'q to leave: ' },
        { type: 'q\r' },
      ],
      { term: 'dumb' },
    ).ended
    t.equal(status, 0, stderr.slice(-1000))
    t.notMatch(stdout, /\u001b\[\?1049|\u001b\[\d+;\d+H/)
  })

  await t.test('without a terminal it is the list, and a hint', async t => {
    const { host, port } = gateway.ssh!
    const { status, stdout, stderr } = await run('ssh', ...options, '-p', String(port), '-l', 'alice', host).ended
    t.equal(status, 0)
    t.match(stdout, new RegExp(`${web01}.*\n${account}@web-02`))
    t.match(stderr, /A session: ssh alice\+account\+target@gateway/)
  })

  await t.test('a target that cannot be reached is told, and the menu goes on', async t => {
    await gateway.addTarget({ name: 'web-03', protocol: 'ssh', host, port: 1, hostKeys, accounts: [{ name: account }] })
    const { status } = await menu([
      { size: [24, 80], expect: '3 accounts' },
      { type: 'web-03', expect: '1 of 3' },
      { type: '\r', expect: 'CREDENTIAL_UNAVAILABLE' },
      { type: CTRL.u, expect: '3 accounts' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0)
    await parts.targets.remove('web-03')
  })

  await t.test('a code that a role asks for beyond the login is asked for when the session begins', async t => {
    await parts.roles.put({ ...(await parts.roles.get('ops'))!, name: 'strict', factors: [['publickey', 'totp']] })
    await parts.roles.put({ ...(await parts.roles.get('ops'))!, targets: { names: ['web-02'] } })
    const user = (await parts.users.get('alice'))!
    await parts.users.put({ ...user, roles: ['ops', 'strict'] })
    const { status, stdout } = await menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'web-01\r', expect: 'One-time code for' },
      { type: '000000\r', expect: 'That was not right' },
      { type: `${alice.code()}\r`, expect: OWN_SCREEN },
      { type: 'echo in-$((40+2)); exit\n', expect: 'in-42' },
      { expect: 'the session ended' },
      { type: CTRL.c },
    ]).ended
    t.equal(status, 0, stdout)
    t.notMatch(stdout, /000000/, 'a code is not shown')
    const accepted = (await events('login.accepted')).map(({ data }) => JSON.parse(data))
    t.match(accepted.at(-1), { login: `alice+${account}+web-01`, factors: ['publickey', 'totp'] })
    await parts.users.put(user)
    await parts.roles.put({ ...(await parts.roles.get('ops'))!, targets: { names: ['web-*'] } })
  })

  await t.test('a connection that is lost leaves nothing', async () => {
    const lost = menu([{ size: [24, 80], expect: '2 accounts' }, { expect: 'never' }])
    const opened = (await events('self-service.opened')).length
    await until(async () => (await events('self-service.opened')).length > opened)
    lost.kill()
    await lost.ended
    await until(async () => gateway.worker!.pipelines.size === 0)
  })

  await t.test('who may no longer log in is out of the menu, and of the session that it began', async t => {
    const running = menu([
      { size: [24, 80], expect: '2 accounts' },
      { type: 'web-01\r', expect: 'Connecting' },
      { expect: OWN_SCREEN },
      { type: 'echo in-$((40+2))\n', expect: 'in-42' },
    ])
    await until(async () => gateway.worker!.live.count === 1)
    const inMenu = menu([{ size: [24, 80], expect: '2 accounts' }])
    const user = (await parts.users.get('alice'))!
    await until(async () => gateway.worker!.pipelines.size === 3)
    await parts.users.put({ ...user, disabled: true })
    await parts.live.accessChanged()
    await Promise.all([running.ended, inMenu.ended])
    const [row] = await sessions()
    t.equal((await gateway.ended(row!.id)).reason, 'access-revoked')
  })
})

/** Looks again at every turn of the loop. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setImmediate(resolve))
}
