/** The owner describes people and systems in files, enrols and explains, all over the Unix socket, and finds it in the audit log. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { asOwner, cli } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { runSession, startSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const owner = (argv: string[], stdin?: string) => asOwner(gateway, argv, stdin === undefined ? {} : { stdin })

const resources = join(gateway.folder, 'resources')
mkdirSync(resources)
writeFileSync(
  join(resources, 'all.yaml'),
  `kind: role
name: ops
targets: { labels: { env: production } }
accounts: { levels: [admin] }
factors: [[password]]
---
kind: target
name: web-01
protocol: ssh
host: 127.0.0.1
allowLocal: true
port: ${sshd.port}
labels: { env: production }
accounts:
  - { name: ${sshd.account}, level: admin, checkOut: { maxTime: 4h } }
---
kind: user
name: alice
roles: [ops]
`,
)

t.test('files become true once, and a second time there is nothing to do', async t => {
  const dry = await owner(['apply', '-f', resources, '--dry-run'])
  t.match(dry, { exit: 0, stdout: /^\+ role ops$/m, stderr: /dry run/ })
  t.equal((await owner(['user', 'list'])).stdout, '', 'a dry run changes nothing')
  t.match(await owner(['apply', '-f', resources]), { exit: 0, stdout: /3 new, 0 changed/ })
  t.match(await owner(['apply', '-f', resources]), { exit: 0, stdout: /^Nothing to change/ })
  // A duration is stored, and answered, in milliseconds.
  const shown = await owner(['target', 'show', 'web-01', '--json'])
  t.match(shown.json(), { accounts: [{ name: sshd.account, checkOut: { maxTime: 4 * 3_600_000 } }] })
  t.match(await owner(['target', 'list']), { exit: 0, stdout: /web-01/ })
  const byStdin = await owner(['apply', '-f', '-', '--dry-run'], 'kind: user\nname: carol\n---\nkind: user\nnam: dan\n')
  t.match(byStdin, { exit: 1, stderr: /stdin:5:1.*name/s })
  t.match(await owner(['apply', '-f', '-', '--dry-run'], 'kind: user\nname: carol\n'), { stdout: /^\+ user carol$/m })
  const events = await gateway.parts.audit.list({ kind: 'resources.applied' })
  t.equal(events.length, 1, 'one change, one event')
  t.match(events[0], { actor: 'owner', data: /\+ user alice/ })
})

t.test('a mistake is told with its place, and changes nothing', async t => {
  const file = join(gateway.folder, 'wrong.yaml')
  writeFileSync(file, 'kind: user\nname: mallory\nrolls: [ops]\n')
  const result = await owner(['apply', '-f', file])
  t.equal(result.exit, 1)
  t.match(result.stderr, /wrong\.yaml:3:1.*roles/s)
  t.equal((await owner(['user', 'show', 'mallory'])).exit, 1)
  t.match(await owner(['apply', '-f', join(gateway.folder, 'absent')]), { exit: 2, stderr: /cannot be read/ })
})

t.test('secrets go in by stdin, and none comes out', async t => {
  t.match(await owner(['user', 'password', 'alice', '--stdin'], 'correct horse battery\n'), { exit: 0 })
  t.match(await owner(['user', 'password', 'alice'], 'x'), { exit: 2, stderr: /no terminal.*--stdin/ })
  const totp = await owner(['user', 'totp', 'alice', '--json'])
  t.match(totp.json(), { user: 'alice', secret: /^[A-Z2-7]{32}$/, url: /^otpauth:\/\/totp\// })
  const key = await owner(['credential', 'set', `${sshd.account}@web-01`, '--private-key', sshd.identityFile])
  t.match(key, { exit: 0, stdout: `Stored version 1 of ${sshd.account}@web-01.\n` })
  const account = `${sshd.account}@web-01`
  t.equal((await owner(['credential', 'set', account, '--stdin'], 'a password')).exit, 0)
  const unverified = await owner(['credential', 'restore', account, '1'])
  t.match(unverified, { exit: 1, stderr: /could not be verified .*host key is not known yet/ })
  t.match(await owner(['credential', 'restore', account, '1', '--unverified']), {
    exit: 0,
    stdout: /Version 3 .* holds what version 1 held/,
    stderr: /not verified/,
  })
  t.match(await owner(['credential', 'restore', account, '7']), { exit: 1, stderr: /no version 7/ })
  t.match(await owner(['credential', 'restore', account, 'x']), { exit: 2 })
  t.match(JSON.parse((await gateway.parts.audit.list({ kind: 'credential.restored', limit: 2 }))[0]!.data), {
    restored: 1,
  })
  t.match(await owner(['credential', 'set', 'nobody@web-01', '--stdin'], 'x'), { exit: 1, stderr: /no account nobody/ })
  // No terminal to ask at: but that is not what is wrong here.
  t.match(await owner(['credential', 'set', 'nobody@web-01']), { exit: 1, stderr: /no account nobody/ })
  t.match(await owner(['credential', 'set', 'root@nowhere']), { exit: 1, stderr: /nowhere/ })
  t.match(await owner(['credential', 'set', 'web-01', '--stdin'], 'x'), { exit: 2, stderr: /account@target/ })
  t.match((await owner(['credential', 'list', '--json'])).json(), {
    credentials: [{ account: sshd.account, target: 'web-01', version: 3, kind: 'private-key', createdBy: 'owner' }],
  })
  const events = JSON.stringify(await gateway.parts.audit.list({ limit: 1000 })) + gateway.logLines.join('')
  t.notMatch(events, 'correct horse battery')
  t.notMatch(events, totp.json<{ secret: string }>().secret)
  t.notMatch(events, sshd.privateKey.split('\n')[2]!)
})

t.test('explain says yes or no, and by which rule', async t => {
  const yes = await owner(['explain', 'alice', `${sshd.account}@web-01`])
  t.match(yes, { exit: 0, stdout: /^Yes, by the role ops\./ })
  const no = await owner(['explain', 'alice', `other@web-01`])
  t.match(no, { exit: 1, stdout: /^No: there is no account other on web-01/, stderr: '' })
  const json = await owner(['explain', 'alice', 'web-01', '--json'])
  t.match(json.json(), { allowed: true, given: { account: sshd.account, channels: ['shell', 'exec', 'sftp'] } })
  t.match(await owner(['explain', 'mallory', 'web-01']), { exit: 1, stdout: /no such user/ })
})

t.test('host keys are learnt by an explicit command, and then the target can be reached', async t => {
  const alice = { name: 'alice', password: 'correct horse battery', code: () => '' }
  const before = await startSession(gateway, alice, sshd.account, 'echo reached').ended
  t.not(before.status, 0, 'without its keys the target is not used')

  const ask = await owner(['target', 'scan', 'web-01'])
  t.match(ask, { exit: 2, stdout: /ssh-ed25519 +SHA256:\S{43} +new/, stderr: /confirm with --yes/ })
  t.match(await owner(['target', 'scan', 'web-01', '--yes']), { exit: 0, stdout: /Pinned\./ })
  t.same(((await gateway.parts.targets.get('web-01')) as { hostKeys: string[] }).hostKeys, sshd.hostKeys)
  t.match(await owner(['target', 'scan', 'web-01']), { exit: 0, stdout: /pinned already/ })
  await gateway.addTarget({ name: 'nobody-there', protocol: 'ssh', host: '127.0.0.1', port: 1 })
  t.match(await owner(['target', 'scan', 'nobody-there']), { exit: 1, stderr: /nobody-there|127\.0\.0\.1/ })
  const result = await runSession(gateway, alice, sshd.account, 'echo reached')
  t.match(result, { status: 0, stdout: 'reached\n' })
})

t.test('a host that shows other keys than those pinned is told apart from a new one', async t => {
  const blob = Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20'), randomBytes(32)])
  const hostKeys = [`ssh-ed25519 ${blob.toString('base64')}`]
  await gateway.addTarget({ name: 'changed', protocol: 'ssh', host: '127.0.0.1', port: sshd.port, hostKeys })
  const pinned = async () => ((await gateway.parts.targets.get('changed')) as { hostKeys: string[] }).hostKeys
  const refused = await owner(['target', 'scan', 'changed', '--yes'])
  t.match(refused, { exit: 1, stdout: /WARNING: 1 pinned key is not shown any more/, stderr: /--yes --replace/ })
  t.same(await pinned(), hostKeys)
  t.match(await owner(['target', 'scan', 'changed', '--yes', '--replace']), { exit: 0, stdout: /Pinned\./ })
  t.same(await pinned(), sshd.hostKeys)
})

t.test('errors are a line or two: what is wrong, where, what next', async t => {
  const absent = await cli(['session', 'list', '--socket', '/nowhere/sallyport.sock'])
  t.match(absent, {
    exit: 3,
    stdout: '',
    stderr: /^sallyport: No gateway answers on the socket \/nowhere\/.*\nStart one/,
  })
  t.match(await cli(['session', 'list', '--url', 'http://127.0.0.1:1']), { exit: 2, stderr: /not an https address/ })
  t.match(await cli(['session', 'list', '--url', 'https://127.0.0.1:1']), { exit: 2, stderr: /needs a token/ })
  const url = { env: { SALLYPORT_TOKEN: `sp_${'x'.repeat(43)}` } }
  t.match(await cli(['session', 'list', '--url', gateway.api.url!], url), {
    exit: 3,
    stderr: /not trusted here.*\n.*--ca FILE/,
  })
  t.match(await cli(['sesion']), { exit: 2, stderr: /Did you mean session/ })
  t.match(await owner(['session', 'show', '../../etc/passwd']), { exit: 2, stderr: /not a session's id/ })
  t.match(await owner(['session', 'show', `ses_${'0'.repeat(26)}`]), { exit: 1, stderr: /There is no session/ })
  t.match(await cli([]), { exit: 0, stdout: /Exit codes:/ })
})
