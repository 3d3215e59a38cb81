/** The connector `ssh-password` against a real sshd with PAM: what verifies, what changes, and what the target refuses. */

import t from 'tap'
import { sshPassword } from '../../../src/protocols/ssh/connectors/ssh-password.ts'
import type { AccountLogin } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { startSshd } from '../../support/start-sshd.ts'

const signal = AbortSignal.timeout(120_000)
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

const sshd = await startSshd({ passwordAccount: true, config: ['UsePAM yes'] })
t.teardown(() => sshd.stop())
const { host, port, hostKeys, passwordAccount } = sshd
const { name, password: first } = passwordAccount!
const target = targetSchema.parse({
  ...{ name: 'web-01', protocol: 'ssh', host, port, hostKeys },
  accounts: [{ name }, { name: 'root' }],
})
const account = target.accounts[0]!
const root: AccountLogin = {
  account: target.accounts[1]!,
  material: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) },
}
const dial = () => directDialer(target)
const verify = (material: CredentialMaterial) =>
  sshPassword.verify({ target, account, material, dialer: dial() }, signal)
const change = (current: CredentialMaterial | undefined, candidate: CredentialMaterial, as?: AccountLogin) =>
  sshPassword.change({ target, account, dial, current, candidate, as }, signal)

const QUOTED = ' a"\'$x: \\ ü#!§xY9%s `id`;& '

t.test('a password that works is told from one that is refused, and from a target that is not there', async t => {
  t.same(await verify(password(first)), { result: 'works' })
  t.match(await verify(password('another')), { result: 'refused', words: /refused password/ })
  const gone = { ...target, port: 1 }
  const login = { target: gone, account, material: password(first), dialer: directDialer(gone) }
  t.match(await sshPassword.verify(login, signal), { result: 'unreachable' })
})

t.test('an account without any right changes itself, whatever the password is made of', async t => {
  t.same(await change(password(first), password(QUOTED)), { result: 'changed' })
  t.same(await verify(password(QUOTED)), { result: 'works' })
  t.match(await verify(password(first)), { result: 'refused' })
  t.same(await change(password(first), password(QUOTED)), { result: 'changed' }, 'done twice, it is done')
})

t.test("the target's policy refuses a candidate in its own words, and nothing changes", async t => {
  t.match(await change(password(QUOTED), password('abc')), { result: 'candidate-refused', words: /longer password/ })
  t.same(await verify(password(QUOTED)), { result: 'works' })
  for (const unfit of ['', 'two\nlines', 'a\0b', 'x'.repeat(512)])
    t.match(await change(password(QUOTED), password(unfit)), { result: 'candidate-refused' })
})

t.test('another account changes it, and can more than once with one key', async t => {
  for (const text of [' 128 characters '.repeat(8), '#'.repeat(20), '!!:x'])
    t.same(await change(undefined, password(text), root), { result: 'changed' })
  t.same(await verify(password('!!:x')), { result: 'works' })
})

t.test('with nothing that works, nobody is asked', async t => {
  t.match(await change(undefined, password('a good one')), { result: 'not-changed', words: /reconcile/ })
  t.match(await change(password('wrong'), password('a good one')), { result: 'not-changed', words: /cannot log in/ })
})
