/** A client that stops reading stops the target, not the memory of the gateway; then everything arrives. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const BYTES = 200 * 1024 * 1024

t.test('a stalled download does not grow the gateway', async t => {
  const { gateway, login, options } = await startSshGateway(t)
  const { host, port } = gateway.ssh!
  const ssh = ['-p', String(port), '-l', login, host, `head -c ${BYTES} /dev/zero`]
  const child = spawn('ssh', [...options, ...ssh], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => void child.kill('SIGKILL'))
  let received = 0
  const out = gateway.worker!.metrics.bytes
  const relayed = async () => (await out.get()).values.find(value => value.labels.direction === 'out')?.value ?? 0
  child.stdout.on('data', (part: Buffer) => {
    received += part.length
  })
  await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  const before = process.memoryUsage().rss
  let last = -1
  // Until nothing moves any more: twice the same count, a moment apart.
  while (last !== (await relayed())) {
    last = await relayed()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(last < BYTES, 'the target was stopped')
  t.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024, 'the gateway did not grow')
  child.kill('SIGCONT')
  await once(child, 'close')
  t.equal(received, BYTES)
})
