/** An earlier version of a credential comes in force again once it has logged in at a real sshd with PAM, and never what the target refuses. */

import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Credential, Probed } from '../../../src/api/routes/credential-versions.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { accountName, startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'
import { makeToken } from '../../support/web-01.ts'

const skip = whyNoLinuxHost() ?? false
if (skip) {
  t.pass(skip)
  process.exit(0)
}

const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const
const ODD = [` a"'$x: \\ ü#!§xY9%s \`id\`;& `, `${' 128 characters '.repeat(8)}`, 'plain']
const [shared, keyed] = [accountName(), accountName()]
const host = await startLinuxHost({ accounts: [shared, keyed].map(name => ({ name, password: ODD[0]! })) })
t.teardown(() => host.stop())
/** The way to the host, which the test may cut. */
let isCut = false
const way = createServer(client => {
  if (isCut) return void client.destroy()
  const server = connect(host.target.port, host.target.host)
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const)
    one.on('error', () => undefined).on('close', () => other.destroy())
  client.pipe(server).pipe(client)
})
await new Promise<void>(resolve => way.listen(0, '127.0.0.1', resolve))
t.teardown(() => way.close())
const gateway = await startTestGateway({
  configure: config => Object.assign(config.vault.probe, { tries: 3, pauseMs: 1 }),
})
t.teardown(() => gateway.close())
const { vault, targets, audit } = gateway.parts
const { port } = way.address() as AddressInfo
const entry = { ...host.target, port, accounts: [{ name: shared }, { name: keyed }] }
await gateway.addTarget(entry)
const account = `${shared}@${entry.name}`
const address = { account: shared, target: entry.name }
const cli = (...argv: string[]) => asOwner(gateway, ['credential', ...argv])
const history = async (of = account): Promise<Credential[]> =>
  JSON.parse((await cli('history', of, '--json')).stdout).credentials
const states = async () => (await history()).map(({ version, current }) => (current ? `${version}!` : `${version}`))
const event = async (kind: 'credential.restored' | 'credential.versions-deleted' | 'credential.pinned') =>
  JSON.parse((await audit.list({ kind, limit: 1 }))[0]!.data)

t.test('a version is restored by its number where the target takes it, whatever it is made of', async t => {
  for (const text of ODD) await vault.setCredential(address, password(text), 'test')
  const refused = await cli('restore', account, '--version', '2')
  t.match(refused, { exit: 1, stderr: /refuses version 2 of .*nothing was changed/s })
  t.notMatch(refused.stderr + refused.stdout, ODD[1]!.trim())
  t.same(await states(), ['3!', '2', '1'])
  t.match(await event('credential.restored'), { restored: 2, failed: 'TARGET_LOGIN_FAILED' })

  const restored = await cli('restore', account, '--version', '1')
  t.match(restored, { exit: 0, stdout: /Version 4 of .* is in force, and holds what version 1 held/ })
  t.match(await history(), [
    { version: 4, current: true, cause: 'restored', restoredFrom: 1, verifiedResult: 'works', createdBy: 'owner' },
    { version: 3, current: false, cause: 'typed' },
    { version: 2, verifiedResult: 'refused' },
    { version: 1, verifiedResult: 'works' },
  ])
  t.match(await event('credential.restored'), { restored: 1, version: 4, verified: true })
  t.match(await cli('restore', account, '4'), { exit: 1, stderr: /in force already/ })
  t.match(await cli('restore', account, '9'), { exit: 1, stderr: /no version 9/ })
  t.match(await cli('restore', account, '1', '--version', '1'), { exit: 2, stderr: /Name one version/ })
  t.match(await cli('history', account), { stdout: /restored from 1 +owner +works/ })
})

t.test('a probe stops at the first version that logs in, and sends none twice', async t => {
  t.match(await cli('restore', account, '--probe'), { exit: 0, stdout: /Version 4 .*nothing to restore/ })
  await vault.setCredential(address, password('not on the target'), 'test')
  const found = await cli('restore', account, '--probe', '--dry-run')
  t.match(found, { exit: 0, stdout: /version 5: refused.*version 4: works.*put it in force with/s })
  t.same((await states())[0], '5!')
  const probed: Probed = JSON.parse((await cli('restore', account, '--probe', '--json')).stdout)
  t.match(probed, { result: 'restored', lives: 4, version: 6 })
  t.same(
    probed.tried.map(({ version, result }) => [version, result]),
    [[4, 'works']],
    'what was just refused is last',
  )
  t.match(await event('credential.restored'), { restored: 4, version: 6, verified: true, words: 'probed' })

  host.run(`echo '${shared}:changed by somebody' | chpasswd`)
  const none: Probed = JSON.parse((await cli('restore', account, '--probe', '--json')).stdout)
  t.match(none, { result: 'stopped', version: 6 })
  t.equal(
    none.tried.filter(({ words }) => !words.startsWith('it holds')).length,
    3,
    'no more than the configuration says',
  )
  t.equal((await states())[0], '6!')
  host.run(`chpasswd <<'P'\n${shared}:${ODD[0]}\nP`)
})

t.test('a target that does not answer changes nothing, unless that is asked for and said', async t => {
  isCut = true
  t.match(await cli('restore', account, '1'), { exit: 1, stderr: /could not be verified.*--unverified/s })
  t.same((await states())[0], '6!')
  t.match(await cli('restore', account, '--probe'), { exit: 1, stderr: /did not answer; nothing was changed/ })
  const restored = await cli('restore', account, '2', '--unverified')
  t.match(restored, { exit: 0, stdout: /Version 7/, stderr: /not verified/ })
  t.match(await event('credential.restored'), { restored: 2, version: 7, verified: false })
  isCut = false
  t.match(await cli('restore', account, '3', '--unverified'), { exit: 1, stderr: /refuses version 3/ })
  t.match(await cli('restore', account, '1'), { exit: 0, stdout: /Version 8/ })

  // Nothing is sent to a target that nobody confirmed.
  await targets.put({ ...host.target, port: 1 })
  t.match(await cli('restore', account, '2', '--unverified'), { exit: 1, stderr: /must be confirmed first/ })
  await targets.put({ ...host.target, ...entry } as typeof host.target)
})

t.test('pinned versions stay, others go by the policy, and both are audited', async t => {
  t.match(await cli('pin', account, '2'), { exit: 0, stdout: /Version 2 .* stays/ })
  t.match(await event('credential.pinned'), { ...address, version: 2 })
  t.match(await cli('pin', account, '99'), { exit: 1, stderr: /no version 99/ })
  const policy = join(gateway.folder, 'policy.yaml')
  writeFileSync(policy, `kind: rotation-policy\nname: short\ntargets: { names: ['*'] }\nretention: { keep: 2 }\n`)
  t.match(await asOwner(gateway, ['apply', '-f', policy]), { exit: 0 })
  t.match(await asOwner(gateway, ['credential', 'set', account, '--stdin'], { stdin: ODD[0]! }), { exit: 0 })
  t.same(await states(), ['9!', '8', '7', '6', '5', '4', '3', '2', '1'], 'what was typed has not logged in yet')
  t.match(await cli('restore', account, '8'), { exit: 0, stdout: /Version 10/ })
  t.same(await states(), ['10!', '9', '2'])
  t.match(await event('credential.versions-deleted'), { ...address, versions: [8, 7, 6, 5, 4, 3, 1] })
})

t.test('a key pair that is made here is a candidate until the target knows it', async t => {
  const of = `${keyed}@${entry.name}`
  await vault.setCredential({ account: keyed, target: entry.name }, password(ODD[0]!), 'test')
  const made = await cli('generate', of, '--type', 'ecdsa')
  t.match(made, { exit: 0, stdout: /^ecdsa-sha2-nistp256 \S+ \S+@web-01\n$/, stderr: /candidate.*restore/s })
  t.equal((await cli('show-public', of)).stdout, made.stdout)
  t.match(await cli('show-public', of, '--version', '1'), { exit: 1, stderr: /is a password/ })
  t.match(await cli('restore', of, '--version', '2'), { exit: 1, stderr: /refuses version 2/ })
  t.match(await history(of), [
    { version: 2, candidate: true, current: false },
    { version: 1, current: true },
  ])
  host.run(
    `install -d -m 700 -o ${keyed} ~${keyed}/.ssh; install -m 600 -o ${keyed} /dev/stdin ~${keyed}/.ssh/authorized_keys <<'K'\n${made.stdout}K`,
  )
  t.match(await cli('restore', of, '--version', '2'), { exit: 0, stdout: /Version 2 of .* is in force\.$/m })
  t.match(await history(of), [{ version: 2, candidate: false, current: true, cause: 'generated' }, { version: 1 }])
  const { stdout } = await cli('generate', of, '--type', 'rsa', '--json')
  t.match(JSON.parse(stdout), { version: 3, current: false, publicKey: { fingerprint: /^SHA256:/, line: /^ssh-rsa / } })
  // Whoever can write to the store cannot have another key put on targets.
  await gateway.parts.database.updateTable('credentials').set({ public: 'v1.x' }).where('version', '=', 3).execute()
  t.match(await cli('show-public', of), { exit: 1 })
})

t.test('to restore is a right of its own', async t => {
  await gateway.addUser({ name: 'alice', roles: [] })
  const keeper = await makeToken(gateway, 'alice', 'rotate')
  for (const argv of [
    ['restore', account, '9'],
    ['restore', account, '--probe'],
  ])
    t.match(await withToken(gateway, keeper, ['credential', ...argv]), { exit: 4, stderr: /scope restore/ })
  t.match(await withToken(gateway, keeper, ['credential', 'pin', account, '9']), { exit: 0 })
})
