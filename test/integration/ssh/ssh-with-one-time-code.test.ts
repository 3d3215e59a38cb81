/** alice logs in with her own ssh: key and code, or password and code; each wrong turn is refused the same way and audited. */

import { once } from 'node:events'
import t from 'tap'
import type { Config } from '../../../src/config/config.ts'
import { addPush, PUSH } from '../../support/push-factor.ts'
import { startClient } from '../../support/ssh-client.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const phone = addPush()

const parts = await startSshGateway(t, {
  role: {
    factors: [
      ['publickey', 'totp'],
      ['password', 'totp'],
    ],
  },
})
const { gateway, alice, identityFile, login, options } = parts
const { host, port } = gateway.ssh!

const byKey = (code: string, user = login) =>
  startClient('ssh', [...options, '-p', String(port), '-l', user, host, 'echo in'], { code: () => code, identityFile })
    .ended
const byPassword = (password: string, code: string, user = login) => {
  const methods = [
    '-o',
    'PubkeyAuthentication=no',
    '-o',
    'NumberOfPasswordPrompts=1',
    '-o',
    'PreferredAuthentications=password,keyboard-interactive',
  ]
  const known = options.slice(0, 6)
  return startClient('ssh', [...known, ...methods, '-p', String(port), '-l', user, host, 'echo in'], {
    code: () => code,
    password,
  }).ended
}
const audited = async (kind: string) => (await gateway.parts.audit.list({})).filter(event => event.kind === kind).length

t.test('key and code', async t => {
  t.match(await byKey(alice.code()), { status: 0, stdout: 'in\n' })
  t.equal(await audited('login.accepted'), 1)
})

t.test('password and code', async t => {
  t.match(await byPassword(alice.password, alice.code()), { status: 0, stdout: 'in\n' })
})

t.test('a wrong code is refused and leaves no session', async t => {
  const before = (await gateway.parts.sessions.list({})).length
  const right = alice.code()
  const { status, stderr } = await byKey(right === '000000' ? '111111' : '000000')
  t.equal(status, 255)
  t.match(stderr, /Permission denied|LOGIN_REFUSED/)
  t.equal((await gateway.parts.sessions.list({})).length, before)
  // The client leaves before the gateway has written what it thinks of it.
  while ((await audited('login.refused')) === 0) await once(AbortSignal.timeout(20), 'abort')
})

t.test('a code is accepted once', async t => {
  const code = alice.code()
  t.match(await byKey(code), { status: 0 })
  t.match(await byKey(code), { status: 255 })
})

t.test('an unknown user and a wrong password look the same', async t => {
  const wrong = await byPassword('wrong', alice.code())
  const unknown = await byPassword('wrong', '123456', login.replace('alice', 'nobody'))
  const words = (stderr: string) =>
    stderr
      .replaceAll(/ses_\w+/g, '')
      .replaceAll(/alice|nobody/g, '')
      .replaceAll(/^Warning.*$/gm, '')
  t.same([wrong.status, unknown.status], [255, 255])
  t.equal(words(unknown.stderr), words(wrong.stderr))
})

t.test('a login name that is none is told so', async t => {
  const { status, stderr } = await byKey('123456', 'alice+root+web-01+more')
  t.equal(status, 255)
  t.match(stderr, /not of the form user\+account\+target.*LOGIN_NAME_INVALID, session ses_/)
})

t.test('a factor that is confirmed elsewhere, added by one call, is asked for and waited for', async t => {
  const role = (await gateway.parts.roles.get('ops'))!
  await gateway.addRole({ ...role, factors: [['publickey', PUSH]] })
  const connect = () =>
    startClient('ssh', [...options, '-p', String(port), '-l', login, host, 'echo in'], { identityFile })

  const asking = phone.next()
  const client = connect()
  const { answer } = await asking
  await client.printed(/Confirm this login on your phone\./)
  t.equal(gateway.worker!.live.count, 0)
  answer('confirmed')
  t.match(await client.ended, { status: 0, stdout: 'in\n' })

  const askingAgain = phone.next()
  const refused = connect()
  ;(await askingAgain).answer('refused')
  t.match(await refused.ended, { status: 255, stdout: '' })

  const askingOnce = phone.next()
  const leaving = connect()
  const { signal } = await askingOnce
  leaving.kill()
  if (!signal.aborted) await once(signal, 'abort')
  await leaving.ended
  await gateway.addRole(role)
})

t.test('nobody is waited for longer than a login may take', async t => {
  // Where the machine is so busy that the way to the phone alone takes that long, it gets longer.
  for (let loginGraceMs = 1000; ; loginGraceMs *= 4) {
    const configure = (config: Config) => {
      config.ssh.loginGraceMs = loginGraceMs
    }
    const slow = await startSshGateway(t, { role: { factors: [['publickey', PUSH]] }, gateway: { configure } })
    const asking = phone.next()
    const client = slow.ssh('echo in')
    const asked = await Promise.race([asking, client.ended])
    if ('status' in asked) continue
    t.match(await client.ended, { status: 255, stdout: '', stderr: /LOGIN_TOO_SLOW/ })
    t.equal(asked.signal.aborted, true)
    return
  }
})
