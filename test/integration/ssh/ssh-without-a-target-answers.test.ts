/** `ssh alice@gateway COMMAND`: answers without a target, decided by the same policy, audited, and opening nothing else. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type SshResult, startClient } from '../../support/ssh-client.ts'
import { type SshGateway, startSshGateway } from '../../support/ssh-gateway.ts'

t.test('commands by ssh, without a target', async t => {
  const front = await startSshGateway(t, { role: { targets: { names: ['web-*'] } } })
  const { gateway, sshd, alice, identityFile } = front
  const account = sshd.account
  await gateway.addTarget({
    name: 'web-02',
    protocol: 'ssh',
    host: '127.0.0.1',
    description: 'Frontend \u202e\u0007\u001b[31mred',
    labels: { site: 'berlin' },
    accounts: [{ name: account }, { name: 'nobodys' }],
  })
  await gateway.addTarget({ name: 'db-01', protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: account }] })
  const ask = (...command: string[]) => asking(front, 'alice', ...command).ended
  const json = async (...command: string[]) => JSON.parse((await ask(...command, '--json')).stdout)

  t.test('help names every command, and each says how it is used', async t => {
    const { stdout, status } = await ask('help')
    t.equal(status, 0)
    for (const name of ['whoami', 'targets', 'sessions', 'keys', 'explain']) {
      t.match(stdout, new RegExp(`^${name}`, 'm'))
      t.match((await ask(name, '--help')).stdout, new RegExp(`usage: ${name}`))
    }
    t.ok((await json('help')).commands.length >= 5)
  })

  t.test('whoami says who, by what, from where and until when', async t => {
    const answer = await json('whoami')
    t.match(answer, { user: 'alice', roles: ['ops'], proven: ['publickey'], source: '127.0.0.1' })
    t.match((await ask('whoami')).stdout, /^user\s+alice$/m)
  })

  t.test('targets lists what policy gives, and nothing else', async t => {
    const { targets } = await json('targets')
    t.same(
      targets.map((one: { account: string; target: string }) => `${one.account}@${one.target}`),
      [`${account}@web-01`, `${account}@web-02`],
    )
    t.match(targets[1], { login: `alice+${account}+web-02`, labels: { site: 'berlin' }, favourite: false })
    const { stdout } = await ask('targets', 'berlin')
    t.match(stdout, /web-02/)
    t.notMatch(stdout, /web-01/)
    t.notMatch(stdout, /\u202e|\u0007|\u001b/, 'what would act on the terminal is shown, not sent')
  })

  t.test('explain: what is forbidden and what does not exist look the same', async t => {
    const forbidden = await ask('explain', `${account}@db-01`)
    const missing = await ask('explain', `${account}@no-such`)
    t.equal(forbidden.status, 1)
    t.same([forbidden.status, forbidden.stdout], [missing.status, missing.stdout])
    t.same(await json('explain', 'nobodys@web-02'), await json('explain', 'root@no-such'))
    const allowed = await json('explain', 'web-01')
    t.match(allowed, { allowed: true, given: { account, target: 'web-01', protocol: 'ssh' } })
    t.equal((await ask('explain', 'web-01')).status, 0)
  })

  t.test('keys are named as ssh-keygen names them', async t => {
    const { stdout } = await startClient('ssh-keygen', ['-lf', `${identityFile}.pub`], {}).ended
    t.equal((await json('keys')).keys[0].fingerprint, stdout.split(' ')[1])
  })

  t.test('sessions are their own alone', async t => {
    await front.ssh('true').ended
    await gateway.addUser({ name: 'bob', roles: ['ops'], publicKeys: [] })
    const { sessions } = await json('sessions')
    t.match(sessions, [{ user: 'alice', target: 'web-01', account }])
    t.same((await json('sessions', '--live')).sessions, [])
  })

  t.test('what is wrong is said, with an exit status', async t => {
    for (const [command, status, words] of [
      [['sudo', 'ls'], 2, /There is no command "sudo" here\.\n"help" names/],
      [['explain'], 2, /needs <account@target>.\nusage: explain/],
      [['explain', 'a/b'], 2, /written as root@web-01/],
      [['whoami', 'x'], 2, /does not take "x"/],
      [
        ['checkout', 'root@web-01', '--reason', 'disk', 'full'],
        2,
        /take "full"\.\nYour own shell .* --reason "'\.\.\.'"\.\nusage/,
      ],
      [['whoami', '--colour'], 2, /Unknown option '--colour'/],
      [['sessions', '--limit', '0'], 2, /--limit is a number/],
      [["whoami '"], 2, /is not closed/],
      [['help', 'x'.repeat(20_000)], 2, /too long/],
    ] as const) {
      const result = await ask(...command)
      t.equal(result.status, status, command.join(' ').slice(0, 40))
      t.match(result.stderr, words)
      t.equal(result.stdout, '')
    }
  })

  t.test('files, forwards and subsystems need a target, and the refusals say so', async t => {
    const { host, port } = gateway.ssh!
    const at = [...front.options, '-o', `Port=${port}`, '-o', 'User=alice']
    const batch = join(sshd.folder, 'batch')
    writeFileSync(batch, 'ls\n')
    const sftp = await front.run('sftp', '-oBatchMode=no', ...at, '-b', batch, host).ended
    t.not(sftp.status, 0)
    t.match(sftp.stderr, /sftp needs a target: log in as user\+account\+target/)
    const scp = await front.run('scp', ...at, batch, `${host}:/tmp/x`).ended
    t.not(scp.status, 0)
    t.match(scp.stderr, /sftp needs a target/)
    const oldScp = await front.run('scp', '-O', ...at, batch, `${host}:/tmp/x`).ended
    t.not(oldScp.status, 0)
    t.match(oldScp.stderr, /There is no command "scp" here/)
    const forward = await front.run('ssh', ...at, '-W', '127.0.0.1:22', host).ended
    t.not(forward.status, 0)
    t.match(forward.stderr, /127\.0\.0\.1:22 refused: The gateway itself is no target/)
    const remote = await front.run(
      'ssh',
      ...at,
      '-o',
      'ExitOnForwardFailure=yes',
      '-R',
      '0:127.0.0.1:22',
      host,
      'whoami',
    ).ended
    t.not(remote.status, 0)
    t.match(remote.stderr, /forwarding failed/)
    const agent = await front.run('ssh', '-A', ...at, host, 'whoami').ended
    t.equal(agent.status, 0, 'what is refused beside it does not take the answer away')
  })

  t.test('each command is in the audit log, with its login, and in the metrics', async t => {
    await ask('whoami')
    const events = await gateway.parts.database.selectFrom('audit_events').selectAll().orderBy('seq').execute()
    const last = events.at(-1)!
    t.match(last, { kind: 'self-service.command', actor: 'alice' })
    t.match(JSON.parse(last.data), { command: 'whoami', line: 'whoami' })
    const login = events.find(event => event.session === last.session && event.kind === 'login.accepted')
    t.match(JSON.parse(login!.data), { login: 'alice', protocol: 'ssh', factors: ['publickey'] })
    t.ok(events.some(event => event.kind === 'channel.denied' && /127\.0\.0\.1:22/.test(event.data)))
    t.match(
      await gateway.worker!.metrics.registry.metrics(),
      /sallyport_self_service_total\{what="whoami",result="ok"\} \d/,
    )
  })

  t.test(
    'what cannot be audited is not answered, and who is disabled gets no answer on an open connection',
    async t => {
      const socket = join(sshd.folder, 'control')
      const { host, port } = gateway.ssh!
      const at = [...front.options, '-o', `ControlPath=${socket}`, '-p', String(port), '-l', 'alice', host]
      const master = front.run('ssh', '-v', '-o', 'ControlMaster=yes', '-N', ...at)
      await master.printed(/mux_client|Entering interactive session|forking|multiplexing control connection|pledge/)
      const shared = await front.run('ssh', ...at, 'whoami').ended
      t.match(shared.stdout, /alice/)
      const { schema } = gateway.parts.database
      await schema.alterTable('audit_events').renameTo('audit_gone').execute()
      for (const command of [['whoami'], ['-tt']]) {
        const { status, stdout, stderr } = await front.run('ssh', ...at, ...command).ended
        t.equal(status, 5)
        t.match(stdout + stderr, /AUDIT_UNAVAILABLE/)
        t.notMatch(stdout, /alice/)
      }
      await schema.alterTable('audit_gone').renameTo('audit_events').execute()
      await gateway.parts.users.put({ ...(await gateway.parts.users.get('alice'))!, disabled: true })
      await gateway.parts.live.accessChanged()
      const { stderr } = await master.ended
      t.match(stderr, /the access was withdrawn/)
      t.not((await ask('whoami')).status, 0)
    },
  )
  t.ok(alice)
})

function asking(
  { run, options, gateway }: SshGateway,
  login: string,
  ...command: string[]
): { ended: Promise<SshResult> } {
  const { host, port } = gateway.ssh!
  return run('ssh', ...options, '-p', String(port), '-l', login, host, ...command)
}
