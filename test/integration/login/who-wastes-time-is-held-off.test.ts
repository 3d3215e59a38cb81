/** A source whose connections lead nowhere is turned away for a while; nobody else is, and nobody who logged in from there lately. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

t.test('failures, silence and broken protocols add up', async t => {
  const gateway = await startTestGateway({
    configure(config) {
      // On loopback nobody is held off otherwise. One violation is enough here, and its time does not pass meanwhile.
      const penaltyMs = { silence: 1000, failure: 250_000, slow: 10_000, violation: 900_000 }
      config.sources = { ...config.sources, penaltyMs, leastMs: 600_000, longestMs: 3_600_000, exempt: [] }
    },
  })
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd, { factors: [['password']] })
  const ssh = (from: string, password: string) => {
    const answers = { password }
    const options = ['-F', 'none', ...clientOptions(answers), '-b', from, '-p', String(gateway.ssh!.port)]
    return startClient('ssh', [...options, '-l', `alice+${sshd.account}+web-01`, '127.0.0.1', 'echo in'], answers).ended
  }
  /** A client sees its connection closed a moment before it is counted. */
  async function counted(fault: string, times: number): Promise<void> {
    const { penalties } = gateway.parts.metrics
    const count = async () => (await penalties.get()).values.find(({ labels }) => labels.fault === fault)?.value ?? 0
    while ((await count()) < times) await setImmediate()
  }
  t.match(await ssh('127.0.0.1', alice.password), { stdout: 'in\n' })
  for (let i = 0; i < 3; i++) t.match(await ssh('127.7.0.1', 'guess-guess'), { stderr: /Permission denied/ })
  await counted('failure', 3)
  t.match(await ssh('127.7.0.1', alice.password), { status: 255, stderr: /TOO_MANY_CONNECTIONS/ }, 'three failures')
  t.match(await ssh('127.7.0.2', alice.password), { stdout: 'in\n' }, 'next door')

  const browser = connect({ ...gateway.ssh!, localAddress: '127.8.0.1' }).resume()
  browser.on('error', () => undefined).write('GET / HTTP/1.1\r\n\r\n')
  await once(browser, 'close')
  await counted('violation', 1)
  t.match(await ssh('127.8.0.1', alice.password), { status: 255, stderr: /TOO_MANY_CONNECTIONS/ }, 'a broken protocol')
  const postgres = connect({ ...gateway.postgres!, localAddress: '127.8.0.1' }).resume()
  postgres.on('error', () => undefined)
  const [words] = await once(postgres, 'data')
  t.match(words.toString('latin1'), /TOO_MANY_CONNECTIONS/, 'on the other port too')

  for (let i = 0; i < 4; i++) t.match(await ssh('127.0.0.1', 'guess-guess'), { stderr: /Permission denied/ })
  await counted('failure', 7)
  t.match(await ssh('127.0.0.1', alice.password), { stdout: 'in\n' }, 'where she logged in lately')
  const metrics = (
    await Promise.all([gateway.parts, gateway.worker!].map(({ metrics }) => metrics.registry.metrics()))
  ).join('')
  t.match(metrics, /^sallyport_source_penalties_total\{fault="failure"\} 7$/m)
  t.match(metrics, /^sallyport_connections_refused_total\{protocol="ssh",because="held-off"\} 2$/m)
})
