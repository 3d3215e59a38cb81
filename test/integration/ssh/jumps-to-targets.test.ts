/** `ssh -J gateway root@web-01`: the connection inside ends at the gateway, and is a session like any other, of whoever is around it. */

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RoleInput } from '../../../src/policy/role.ts'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { blobOf, logInRaw, type RawClient } from '../../support/raw-ssh-client.ts'
import { asOwner } from '../../support/run-cli.ts'
import { type SshProcess, startClient } from '../../support/ssh-client.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const role: Partial<RoleInput> = { channels: ['shell', 'exec', 'sftp', 'local-forward'] }

async function start(t: Test) {
  const gateway = await startSshGateway(t, { role })
  const { identityFile, sshd, gateway: running } = gateway
  const { parts, folder } = running
  const at = running.ssh!
  const knownHosts = join(folder, 'known_hosts')
  const line = (await asOwner(running, ['ca', 'show', 'host', '--hosts', 'web-*,db-*'])).stdout
  writeFileSync(knownHosts, line)
  const control = join(folder, 'control')
  const config = join(folder, 'ssh_config')
  writeFileSync(
    config,
    `Host gateway
  HostName ${at.host}
  Port ${at.port}
  User alice
  IdentityFile ${identityFile}
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  ControlPath ${control}
Host web-* db-* 127.* localhost nowhere
  ProxyJump gateway
  StrictHostKeyChecking yes
  UserKnownHostsFile ${knownHosts}
  GlobalKnownHostsFile /dev/null
  IdentityFile none
Host *
  IdentityAgent none
`,
  )
  /** `web-02` is the same host, with terms of its own. */
  async function addSecond(name: string, terms: Partial<RoleInput> | undefined): Promise<void> {
    const { host, port, hostKeys, account, privateKey } = sshd
    await running.addTarget(
      { name, protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] },
      { [account]: { kind: 'private-key', privateKey: new Secret(privateKey) } },
    )
    if (terms === undefined) return
    const scope = { targets: { names: [name] }, accounts: { names: [account] }, factors: [['publickey' as const]] }
    await running.addRole({ name: `to-${name}`, ...scope, ...role, ...terms })
    const alice = (await parts.users.get('alice'))!
    await parts.users.put({ ...alice, roles: [...alice.roles, `to-${name}`] })
  }
  const at1 = (host: string) => `${sshd.account}@${host}`
  return {
    ...gateway,
    running,
    parts,
    config,
    control,
    addSecond,
    at: at1,
    ssh: (...args: string[]) => gateway.run('ssh', '-F', config, ...args),
    events: async (kind: string) =>
      (await parts.audit.list({}))
        .filter(event => event.kind === kind)
        .map(event => ({ ...event, ...JSON.parse(event.data) })),
    withCode: (code: () => string, ...args: string[]): SshProcess =>
      startClient('ssh', ['-F', config, ...args], { code }),
  }
}

t.test('a jump', async t => {
  const jump = await start(t)
  const { ssh, at, parts, running, config, sshd, run } = jump

  await t.test('is a session of the person around it, known by a certificate for the name', async t => {
    const result = await ssh('-v', at('web-01'), 'echo hello').ended
    t.match(result, { status: 0, stdout: 'hello\n' })
    t.match(result.stderr, /host key algorithm: ssh-ed25519-cert-v01@openssh\.com/)
    t.match(result.stderr, /Found CA key in .*known_hosts:1/)
    t.match(result.stderr, /Authenticated to web-01 \(via proxy\) using "none"/)
    const { events, session, reason } = await jump.recorded()
    t.equal(reason, 'client-closed')
    t.match(
      events.find(event => event.type === 'exec'),
      { command: 'echo hello' },
    )
    const row = (await parts.sessions.get(session))!
    t.match(row, { user: 'alice', account: sshd.account, target: 'web-01', source: '127.0.0.1', state: 'ended' })
    const accepted = await jump.events('login.accepted')
    t.match(
      accepted.find(event => event.session === session),
      { actor: 'alice', login: `alice+${sshd.account}+web-01` },
    )
    const outer = accepted.find(event => event.session === row.details.inside)
    t.match(outer, { actor: 'alice', login: 'alice', factors: ['publickey'] })
    t.match(await jump.events('lease.started'), [{ session, account: `${sshd.account}@web-01` }])
  })

  await t.test('shows the plain host key of the gateway to who asks for no certificate', async t => {
    const result = await ssh(
      '-v',
      '-oHostKeyAlgorithms=ssh-ed25519',
      '-oStrictHostKeyChecking=no',
      '-oUserKnownHostsFile=/dev/null',
      at('web-01'),
      'true',
    ).ended
    t.match(result, { status: 0, stderr: /kex: host key algorithm: ssh-ed25519\r/ })
    const ecdsa = '-oHostKeyAlgorithms=ecdsa-sha2-nistp256-cert-v01@openssh.com'
    t.match(await ssh(ecdsa, at('web-01'), 'true').ended, { status: 0 })
  })

  await t.test('moves files as they are: scp, sftp, rsync, git, both ways', async t => {
    const folder = join(running.folder, 'files')
    mkdirSync(folder)
    const file = join(folder, 'file')
    const bytes = randomBytes(5_000_000)
    writeFileSync(file, bytes)
    const there = join(sshd.folder, 'there')
    const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
    const wanted = createHash('sha256').update(bytes).digest('hex')
    for (const [program, ...args] of [
      ['scp', '-F', config, file, `${at('web-01')}:${there}`],
      ['scp', '-O', '-F', config, `${at('web-01')}:${there}`, `${file}-scp`],
      ['rsync', '-e', `ssh -F ${config}`, `${file}-scp`, `${at('web-01')}:${there}-rsync`],
      ['rsync', '-e', `ssh -F ${config}`, `${at('web-01')}:${there}-rsync`, `${file}-rsync`],
    ] as const) {
      t.match(await run(program, ...args).ended, { status: 0 }, `${program} ${args.join(' ')}`)
    }
    for (const path of [there, `${file}-scp`, `${there}-rsync`, `${file}-rsync`]) t.equal(sha(path), wanted, path)
    const sftp = run('sftp', '-F', config, '-b', '-', at('web-01'))
    sftp.stdin.end(`get ${there} ${file}-sftp\n`)
    t.match(await sftp.ended, { status: 0 })
    t.equal(sha(`${file}-sftp`), wanted)
    const git = (...args: string[]) => run('git', '-c', `core.sshCommand=ssh -F ${config}`, ...args).ended
    t.match(await git('init', '-q', '--bare', join(sshd.folder, 'bare')), { status: 0 })
    t.match(await git('clone', '-q', `${at('web-01')}:${join(sshd.folder, 'bare')}`, join(folder, 'clone')), {
      status: 0,
    })
  })

  await t.test('takes the windows of both connections into account, in bulk both ways', async t => {
    const upload = ssh(at('web-01'), 'sha256sum')
    const bytes = randomBytes(30_000_000)
    upload.stdin.end(bytes)
    t.match(await upload.ended, { status: 0, stdout: createHash('sha256').update(bytes).digest('hex') })
    const down = await ssh(at('web-01'), 'head -c 30000000 /dev/zero | tr "\\0" x').ended
    t.equal(down.stdout.length, 30_000_000)
  })

  await t.test('forwards inside of it by the role of its target', async t => {
    const inner = ssh('-W', `127.0.0.1:${sshd.port}`, at('web-01'))
    await inner.printed(/SSH-2\.0-OpenSSH/)
    inner.stdin.end('\n')
    await inner.ended
    t.match(
      (await jump.recorded()).events.find(event => event.type === 'forward'),
      { port: sshd.port },
      'as VS Code does',
    )
  })

  await t.test('the user name inside is an account: her own name, or the whole login name, is understood', async t => {
    const user = async (name: string, target = 'web-01') => ssh('-l', name, target, 'id -un').ended
    t.match(await user('alice'), { status: 0, stdout: `${sshd.account}\n` }, 'her own name: the account by default')
    t.match(await user(`alice+${sshd.account}+web-01`), { status: 0, stdout: `${sshd.account}\n` })
    t.match(await user('alice+web-01'), { status: 0, stdout: `${sshd.account}\n` })
    for (const other of ['alice+root+web-02', 'mallory+root+web-01', 'alice+web-02', 'a+b+c+d', 'root@web-01']) {
      const result = await user(other)
      t.match(
        result,
        { status: 255, stderr: /the user name here is an account at web-01.*\[LOGIN_NAME_INVALID/is },
        other,
      )
    }
  })

  await t.test('what she may not reach and what there is not look the same', async t => {
    await jump.addSecond('db-01', undefined)
    const refusal = async (...args: string[]) => {
      const { status, stderr } = await ssh(...args, 'true').ended
      t.equal(status, 255)
      return stderr
        .replace(/^Warning.*\n/gm, '')
        .replace(/ses_\w+/g, 'ses')
        .replace(/(db-01|db-99|127\.0\.0\.9)/g, 'NAME')
    }
    const forbidden = await refusal(at('db-01'))
    t.match(
      forbidden,
      /open failed: administratively prohibited: Sallyport: NAME:22 refused: Access denied: .*do not exist/,
    )
    t.equal(await refusal(at('db-99')), forbidden)
    const account = async (name: string) => {
      // Of neither a role speaks: so the default factors are asked for.
      const { stderr } = await jump.withCode(jump.alice.code, `${name}@web-01`, 'true').ended
      return stderr.replace(/^Warning.*\n/gm, '').replace(/ses_\w+/g, 'ses')
    }
    t.match(await account('nobody'), /do not exist\. \[ACCESS_DENIED/)
    t.equal(await account('other'), await account('nobody'))
    const denied = await jump.events('channel.denied')
    t.match(
      denied
        .filter(event => event.what?.startsWith('db-'))
        .map(event => event.why)
        .sort(),
      ['no role of the user speaks of it', 'there is no such target'],
    )
    t.same(
      (await jump.events('lease.started')).filter(event => event.account !== `${sshd.account}@web-01`),
      [],
    )
  })

  await t.test('leads neither to the gateway nor to its loopback, by whatever name', async t => {
    const { port } = running.ssh!
    for (const host of ['localhost', '127.0.0.1', '127.1.2.3']) {
      for (const to of [port, sshd.port, 22]) {
        const result = await ssh('-p', String(to), at(host), 'true').ended
        t.match(result, { status: 255, stderr: /The gateway itself is no target/ }, `${host}:${to}`)
      }
    }
    for (const to of ['[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '[::]', 'localhost.', 'x.localhost']) {
      const { stderr } = await ssh('-W', `${to}:${sshd.port}`, 'gateway').ended
      t.match(stderr, /The gateway itself is no target/, to)
    }
    t.match((await ssh('-p', '1', at('web-01'), 'true').ended).stderr, /Access denied/, 'another port of a target')
  })

  await t.test('one login around many (ControlMaster): a session and a recording each, which end with it', async t => {
    const before = (await parts.sessions.list({})).length
    const master = ssh('-M', '-N', '-v', 'gateway')
    await master.printed(/Entering interactive session/)
    const first = ssh(at('web-01'), 'echo one; cat')
    const second = ssh(at('web-01'), 'echo two; cat')
    await Promise.all([first.printed(/one/), second.printed(/two/)])
    const live = await parts.sessions.list({ state: 'live' })
    t.equal(live.length, 2)
    t.equal(new Set(live.map(row => row.details.inside)).size, 1)
    t.equal(new Set(live.map(row => row.recording)).size, 2)
    await parts.live.kill(live[0]!.id)
    const ended = await Promise.race([first.ended, second.ended])
    t.match(ended, { status: 255, stderr: /an administrator ended the session/ })
    master.kill()
    t.match(await Promise.all([first.ended, second.ended]), [{ status: 255 }, { status: 255 }])
    for (const { id } of live) await running.ended(id)
    t.equal((await parts.sessions.list({})).length, before + 2)
  })

  await t.test('ends when the person may log in no more', async t => {
    const process = ssh(at('web-01'), 'echo here; cat')
    await process.printed(/here/)
    const [live] = await parts.sessions.list({ state: 'live' })
    const alice = (await parts.users.get('alice'))!
    await parts.users.put({ ...alice, disabled: true })
    await parts.live.accessChanged()
    t.match(await process.ended, { status: 255, stderr: /the access was withdrawn/ })
    t.equal((await running.ended(live!.id)).reason, 'access-revoked')
    await parts.users.put(alice)
  })

  await t.test('is judged by where the login around it comes from, and by hours', async t => {
    await jump.addSecond('web-03', { sources: ['192.0.2.0/24'] })
    t.match(await ssh(at('web-03'), 'true').ended, { stderr: /not allowed from your network.*ACCESS_DENIED/s })
  })

  await t.test('asks for the code that its target demands beyond what is proven around it', async t => {
    await jump.addSecond('web-02', { factors: [['publickey', 'totp']] })
    const good = await jump.withCode(jump.alice.code, at('web-02'), 'echo in').ended
    t.match(good, { status: 0, stdout: 'in\n' })
    const [row] = await parts.sessions.list({ limit: 1 })
    const accepted = (await jump.events('login.accepted')).find(event => event.session === row!.id)
    t.same(accepted.factors, ['publickey', 'totp'])
    const wrong = await jump.withCode(() => '000000', at('web-02'), 'echo in').ended
    t.match(wrong, { status: 255, stdout: '', stderr: /Permission denied|LOGIN_REFUSED/ })
    await jump.addSecond('web-04', { factors: [['password', 'totp']] })
    const other = await jump.withCode(jump.alice.code, at('web-04'), 'echo in').ended
    t.match(other, {
      status: 255,
      stdout: '',
      stderr: /needs password and totp\. Log in to the gateway with that\. \[ACCESS/,
    })
  })

  await t.test('has a new key of the CA after a rotation, when the overlap is over', async t => {
    const text = async (...args: string[]) => (await asOwner(running, ['ca', ...args])).stdout.trim().split('\n')
    const [old] = await text('show', 'host')
    const both = await text('rotate', 'host', '--overlap', '1m')
    t.equal(both.length, 2)
    t.equal(both[0], old)
    t.match(await ssh(at('web-01'), 'true').ended, { status: 0 }, 'the old key signs')
    t.match((await asOwner(running, ['ca', 'rotate', 'host'])).stderr, /A new key waits already: it signs from/)
    // Not further: certificates are good from five minutes before.
    running.clock.advance(61_000)
    t.same(await text('show', 'host'), [both[1]])
    t.match(await ssh(at('web-01'), 'true').ended, { status: 255, stderr: /verification failed|No matching CA/ })
    writeFileSync(join(running.folder, 'known_hosts'), `${both[1]}\n`)
    t.match(await ssh(at('web-01'), 'true').ended, { status: 0 }, 'the new key signs')
    t.match((await jump.events('ca.rotated'))[0], { actor: 'owner', ca: 'host', overlapMs: 60_000 })
    const emergency = await text('rotate', 'host', '--overlap', '0s')
    t.equal(emergency.length, 1)
    t.match(await ssh(at('web-01'), 'true').ended, { status: 255 }, 'at once')
    const names = await parts.database
      .selectFrom('sealed_keys')
      .select('name')
      .where('name', 'like', 'ssh-host-ca-%')
      .execute()
    t.same(names, [{ name: 'ssh-host-ca-3' }], 'keys that sign no more are erased')
  })
})

t.test('what a jump is asked to bear', async t => {
  const gateway = await startSshGateway(t, {
    role,
    gateway: {
      configure(config) {
        config.ssh.maxPerSource = 10
        config.ssh.loginGraceMs = 4_000
      },
    },
  })
  const { gateway: running } = gateway
  const { parts } = running
  const key = generateKeyPairSync('ed25519')
  const publicKeys = [`ssh-ed25519 ${blobOf(key).toString('base64')}`]
  await parts.users.put({ ...(await parts.users.get('alice'))!, publicKeys })
  const logIn = () => logInRaw(running.ssh!, 'alice', key)
  /** As it is logged: the audit log counts floods. */
  const refused = () =>
    running.logLines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'a connection was refused')

  function open(client: RawClient, number: number, to = 'web-01', port = 22): void {
    const fields = [string('direct-tcpip'), uint32(number), uint32(100_000), uint32(32_768)]
    client.send(MESSAGE.CHANNEL_OPEN, ...fields, string(to), uint32(port), string('127.0.0.1'), uint32(1))
  }
  /** Opens a channel to web-01, and gives the gateway's number for it. */
  async function jumpOn(client: RawClient, number: number): Promise<number> {
    open(client, number)
    return (await client.next(MESSAGE.CHANNEL_OPEN_CONFIRMATION)).readUInt32BE(5)
  }

  await t.test('a hundred channels: as many as one source may have connections, and all free again after', async t => {
    for (const _ of [1, 2]) {
      const client = await logIn()
      for (let number = 0; number < 100; number++) open(client, number)
      const answers: number[] = []
      while (answers.length < 100) {
        answers.push(await client.nextOf(MESSAGE.CHANNEL_OPEN_CONFIRMATION, MESSAGE.CHANNEL_OPEN_FAILURE))
      }
      t.equal(answers.filter(type => type === MESSAGE.CHANNEL_OPEN_CONFIRMATION).length, 9)
      client.transport.destroy()
      await client.ended
      // The gateway hears of it a moment later.
      while ((await running.worker!.metrics.connections.get()).values.some(({ value }) => value > 0))
        await new Promise(setImmediate)
    }
    t.ok(refused().some(({ reason }) => reason === 'TOO_MANY_CONNECTIONS'))
  })

  await t.test('garbage in the place of an SSH identification ends that channel, and nothing else', async t => {
    const client = await logIn()
    for (const bytes of [
      'GET / HTTP/1.1\r\nHost: web-01\r\n\r\n',
      'SSH-1.5-old\r\n',
      '\0'.repeat(1000),
      'x'.repeat(30_000),
    ]) {
      const number = await jumpOn(client, 7)
      client.send(MESSAGE.CHANNEL_DATA, uint32(number), string(bytes))
      await client.next(MESSAGE.CHANNEL_EOF)
      client.send(MESSAGE.CHANNEL_CLOSE, uint32(number))
      await client.next(MESSAGE.CHANNEL_CLOSE)
    }
    t.equal(refused().filter(({ reason }) => reason === 'PROTOCOL_VIOLATION').length, 4)
    await jumpOn(client, 7)
    client.transport.destroy()
  })

  await t.test('one who says nothing has as long as for any login', async t => {
    const client = await logIn()
    await jumpOn(client, 0)
    await client.next(MESSAGE.CHANNEL_EOF)
    client.send(MESSAGE.GLOBAL_REQUEST, string('keepalive@openssh.com'), Buffer.of(1))
    t.equal(await client.nextOf(MESSAGE.REQUEST_FAILURE), MESSAGE.REQUEST_FAILURE, 'the login around it goes on')
    client.transport.destroy()
  })

  await t.test('addresses that there are not, NULs and cut messages', async t => {
    const client = await logIn()
    for (const host of ['', 'web-01\0', 'web-01\0.example', '\u001b[2J', 'x'.repeat(255), '../etc', '[::1]']) {
      open(client, 3, host)
      const failure = await client.next(MESSAGE.CHANNEL_OPEN_FAILURE)
      t.match(new WireReader(failure, 9).utf8(), /^[^\u0000-\u001f\u007f]+$/)
    }
    open(client, 4, 'web-01', 65_536)
    await client.ended
  })
})
