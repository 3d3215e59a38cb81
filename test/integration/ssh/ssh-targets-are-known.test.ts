/** The gateway logs in only at the target that was pinned, with the credential of the vault, and says plainly when it cannot. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectHop } from '../../../src/protocols/ssh/hops/connect-hop.ts'
import { sshAuthorizedKeys } from '../../../src/protocols/ssh/rotation/ssh-authorized-keys.ts'
import { scanHostKeys } from '../../../src/protocols/ssh/target-side/scan.ts'
import { createDialer } from '../../../src/session/dialer.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'

async function refusedWith(t: Test, change: { port?: number; hostKeys?: string[] }, code: RegExp) {
  const parts = await startSshGateway(t)
  const { gateway, sshd } = parts
  const { host, port, hostKeys, account } = sshd
  await gateway.addTarget({
    name: 'web-01',
    protocol: 'ssh',
    host,
    port,
    hostKeys,
    accounts: [{ name: account }],
    ...change,
  })
  const { status, stdout, stderr } = await parts.ssh('echo never').ended
  t.same([status, stdout], [255, ''])
  t.match(stderr, code)
  t.match(stderr, /session ses_/)
  t.notMatch(stderr, /ECONN|Host denied|at .*\.ts/, 'the cause is not told')
  return { ...parts, stderr }
}

t.test('another host key than the pinned one: nothing is sent to it', async t => {
  const other = await startSshd()
  t.teardown(() => other.stop())
  const { sshd } = await refusedWith(t, { hostKeys: other.hostKeys }, /TARGET_IDENTITY_MISMATCH/)
  t.notMatch(sshd.log(), /Accepted/)
})

t.test('a pinned key of a type that the target no longer has is another key too', async t => {
  const other = await startSshd({ hostKeyTypes: ['ecdsa'] })
  t.teardown(() => other.stop())
  await refusedWith(t, { hostKeys: other.hostKeys }, /TARGET_IDENTITY_MISMATCH/)
})

t.test('no pinned key: the target is not used, and the text says how to learn it', async t => {
  const { sshd } = await refusedWith(t, { hostKeys: [] }, /TARGET_IDENTITY_UNKNOWN/)
  t.notMatch(sshd.log(), /Connection from/)
})

t.test('of a hop that shows certificates its own key is what counts, whatever the certificates say', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-certified-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const keygen = (...options: string[]) => execFileSync('ssh-keygen', ['-q', ...options], { cwd: folder })
  for (const name of ['ca', 'host']) keygen('-t', 'ecdsa', '-N', '', '-f', name)
  const lineOf = (name: string) =>
    readFileSync(join(folder, `${name}.pub`), 'utf8')
      .split(' ', 2)
      .join(' ')
  const behind = await startSshd()
  t.teardown(() => behind.stop())
  for (const [kind, options] of Object.entries({
    'a good one': ['-n', '127.0.0.1'],
    'one of another name': ['-n', 'elsewhere.example'],
    'one that has expired': ['-n', '127.0.0.1', '-V', '20200101:20200102'],
  })) {
    keygen('-s', 'ca', '-I', 'host', '-h', ...options, 'host.pub')
    const certified = [`HostKey ${join(folder, 'host')}`, `HostCertificate ${join(folder, 'host-cert.pub')}`]
    const hop = await startSshd({ config: certified, hostKeyTypes: [] })
    t.teardown(() => hop.stop())
    const verify = (hostKeys: string[]) => {
      const entry = ({ host, port, account }: typeof hop) => ({
        ...{ protocol: 'ssh' as const, host, port, accounts: [{ name: account }], allowLocal: true },
      })
      const bastion = targetSchema.parse({ name: 'bastion', ...entry(hop), hostKeys })
      const target = targetSchema.parse({
        ...{ name: 'web-01', ...entry(behind), hostKeys: behind.hostKeys, via: 'bastion' },
      })
      const keyOf = ({ privateKey }: typeof hop) =>
        ({ kind: 'private-key', privateKey: new Secret(privateKey) }) as const
      const dialer = createDialer(target, {
        find: () => bastion,
        connectHop,
        lend: async () => ({ material: keyOf(hop), erase: () => undefined }),
        passed: async () => undefined,
      })
      const login = { target, account: target.accounts[0]!, material: keyOf(behind), dialer }
      return sshAuthorizedKeys.verify(login, AbortSignal.timeout(60_000))
    }
    t.same(await verify([lineOf('host')]), { result: 'works' }, kind)
    t.match(
      await verify([lineOf('ca')]),
      { result: 'unreachable', words: /hop 1 of 1, .*bastion: TARGET_IDENTITY_MISMATCH: it showed SHA256:/ },
      `${kind}: its authority is not the host`,
    )
    for (const line of [`@cert-authority * ${lineOf('ca')}`, lineOf('host-cert')])
      t.match(
        await verify([line]),
        { result: 'unreachable', words: /bastion: TARGET_IDENTITY_UNKNOWN: .*sallyport target scan bastion/ },
        `${kind}: what is no key of a host pins nothing`,
      )
  }
})

t.test('a target that does not answer', async t => {
  await refusedWith(t, { port: 1 }, /TARGET_UNREACHABLE/)
})

t.test('a credential that the target does not take', async t => {
  const { gateway, sshd, ssh } = await startSshGateway(t)
  const wrong = await startSshd()
  t.teardown(() => wrong.stop())
  const { host, port, account } = sshd
  await gateway.addTarget({
    name: 'web-01',
    protocol: 'ssh',
    host: wrong.host,
    port: wrong.port,
    hostKeys: wrong.hostKeys,
    accounts: [{ name: account }],
  })
  const { status, stderr } = await ssh('echo never').ended
  t.equal(status, 255)
  t.match(stderr, /did not accept the stored credential.*TARGET_LOGIN_FAILED, session ses_/)
  t.notMatch(stderr, new RegExp(`${host}:?${port}`))
})

t.test(
  'an account with a password, also where the target asks for it interactively',
  { skip: process.getuid!() !== 0 },
  async t => {
    for (const config of [[], ['PasswordAuthentication no', 'KbdInteractiveAuthentication yes', 'UsePAM yes']]) {
      const { ssh, sshd } = await startSshGateway(t, {
        sshd: { passwordAccount: true, config },
        account: ({ passwordAccount }) => passwordAccount!,
      })
      const result = await ssh('id -un').ended
      t.match(result, { status: 0, stdout: `${sshd.passwordAccount!.name}\n` })
      t.notMatch(result.stderr, sshd.passwordAccount!.password)
    }
  },
)

t.test('a scan gives the keys of every type, in the form that a target entry takes', async t => {
  const sshd = await startSshd({ hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] })
  t.teardown(() => sshd.stop())
  const scan = (port: number) => {
    const target = targetSchema.parse({ name: 'web-01', protocol: 'ssh', host: sshd.host, port })
    return scanHostKeys(target, directDialer(target))
  }
  t.same(await scan(sshd.port), sshd.hostKeys)
  await t.rejects(scan(1), { code: 'TARGET_UNREACHABLE' })
})
