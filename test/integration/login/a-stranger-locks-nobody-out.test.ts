/** Guessing is stopped after ten tries for half an hour, and holds up neither keys nor those who are known where they are. */

import t from 'tap'
import { GatewayError } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { asOwner } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

t.test('a stranger who guesses at a password locks it for strangers alone', async t => {
  const { gateway, alice, login, ssh } = await startSshGateway(t, {
    role: { factors: [['publickey'], ['password', 'totp']] },
  })
  const from = (address: string, password: string, command: string) => {
    const answers = { password, code: alice.code }
    const { port } = gateway.ssh!
    const options = ['-F', 'none', '-o', 'NumberOfPasswordPrompts=5', ...clientOptions(answers), '-b', address]
    return startClient('ssh', [...options, '-p', String(port), '-l', login, '127.0.0.1', command], answers).ended
  }
  const user = async () => (await asOwner(gateway, ['user', 'show', 'alice'])).stdout
  t.match(await from('127.0.0.1', alice.password, 'echo one'), { status: 0, stdout: /one/ })
  t.notMatch(await user(), /failures/)

  for (let i = 0; i < 3; i++) t.match(await from('127.0.0.9', 'guess-guess', 'true'), { status: 255 })
  t.match(await user(), /password failures +10 from sources that are not known, locked until 20/)
  t.match(await from('127.0.0.10', alice.password, 'true'), { status: 255 }, 'the right one, from another stranger')
  t.match(await from('127.0.0.1', alice.password, 'echo two'), { status: 0, stdout: /two/ }, 'where she is known')
  t.match(await ssh('echo three').ended, { status: 0, stdout: /three/ }, 'keys are not held up by guesses')

  gateway.clock.advance(25 * 60_000)
  t.match(await from('127.0.0.10', alice.password, 'true'), { status: 255 }, 'not yet')
  gateway.clock.advance(5 * 60_000)
  t.match(await from('127.0.0.10', alice.password, 'echo four'), { status: 0, stdout: /four/ }, 'half an hour later')

  const locked = await gateway.parts.audit.list({ kind: 'user.locked' })
  t.match(
    locked.map(({ data }) => JSON.parse(data)),
    [{ user: 'alice', factor: 'password', at: 'unknown sources', tries: 10, lockedForMs: 1_800_000 }],
  )
  t.match(await gateway.parts.metrics.registry.metrics(), /^sallyport_lockouts_total\{factor="password"\} 1$/m)
})

t.test('an administrator ends a lock, and the audit log says who', async t => {
  const { gateway, alice } = await startSshGateway(t, { role: { factors: [['password']] } })
  const tries = async (text: string) => {
    const attempt = await gateway.parts.authenticator.begin('alice', { address: '192.0.2.1', port: 1 })
    if (!('verify' in attempt)) throw new Error(attempt.message)
    return attempt.verify({ kind: 'password', password: new Secret(text) }, { rememberFactorMs: 0 })
  }
  for (let i = 0; i < 10; i++) t.equal(await tries('guess-guess'), false)
  t.equal(await tries(alice.password), false)
  t.match(await asOwner(gateway, ['user', 'unlock', 'nobody']), { exit: 1, stderr: /no user nobody/ })
  t.match(await asOwner(gateway, ['user', 'unlock', 'alice']), { exit: 0, stdout: /alice is not locked now/ })
  t.equal(await tries(alice.password), true)
  const unlocked = await gateway.parts.audit.list({ kind: 'user.unlocked' })
  t.match(
    unlocked.map(({ actor, data }) => [actor, JSON.parse(data)]),
    [['owner', { user: 'alice' }]],
  )
  gateway.parts.cluster.counted = () => Promise.reject(new GatewayError('CLUSTER_UNAVAILABLE', 'Redis is gone.'))
  const shown = await asOwner(gateway, ['user', 'show', 'alice'])
  t.match(shown, { exit: 0, stdout: /failures +not known while/ }, 'a user can be looked at also without Redis')
})
