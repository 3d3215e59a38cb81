/** The gateway logs in only at the target that was pinned, with the credential of the vault, and says plainly when it cannot. */

import t, { type Test } from 'tap'
import { scanHostKeys } from '../../../src/protocols/ssh/target-side/scan.ts'
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
