/** Strangers who knock, guess and cancel in great numbers leave a bounded number of events, and each is counted. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { int32, packet } from '../../support/postgres-bytes.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

t.test('what was counted is told when the gateway stops, of all workers together', async t => {
  const gateway = await startTestGateway({
    configure(config) {
      config.workers = 2
      config.log.level = 'silent'
      config.audit.file = join(config.dataFolder, 'audit.jsonl')
    },
  })
  t.teardown(() => gateway.close())
  const say = async (to: { host: string; port: number }, bytes: Buffer) => {
    const socket = connect(to)
    socket.on('error', () => undefined).resume()
    socket.write(bytes)
    await once(socket, 'close')
  }
  for (let i = 0; i < 40; i++) await say(gateway.ssh!, Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  await say(gateway.postgres!, packet(80877102, int32(4711), int32(42)))
  await gateway.stop()

  const lines = readFileSync(gateway.config.audit.file!, 'utf8').trim().split('\n')
  const events = lines.map(line => JSON.parse(line))
  const refused = events.filter(({ kind }) => kind === 'connection.refused').map(({ data }) => data)
  t.equal(refused.length, 11)
  t.match(refused.at(-1), {
    more: 31,
    from: '127.0.0.1',
    codes: { distinct: 2, some: { PROTOCOL_VIOLATION: 30, ACCESS_DENIED: 1 } },
    protocols: { some: { ssh: 30, postgres: 1 } },
  })
  t.equal(events.at(-1).kind, 'gateway.stopped')
})
