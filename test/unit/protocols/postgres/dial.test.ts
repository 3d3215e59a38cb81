import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { dial } from '../../../../src/protocols/postgres/target-side/dial.ts'
import { targetSchema } from '../../../../src/targets/target.ts'
import { directDialer } from '../../../support/direct-dialer.ts'

const BYTES = 1024 * 1024

t.test('plain sockets read at once keep their bytes apart, paused ones too', async t => {
  let letter = 0x61
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    // Each connection has a letter of its own.
    socket.end(Buffer.alloc(BYTES, letter++))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  const target = targetSchema.parse({
    protocol: 'postgres',
    name: 'db',
    host: '127.0.0.1',
    port,
    tls: 'disable',
    accounts: [{ name: 'app' }],
  })
  if (target.protocol !== 'postgres') throw new Error('another target')

  const read = async () => {
    const { socket } = await dial(target, directDialer(target), 'plain', AbortSignal.timeout(600_000))
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      socket.pause()
      setImmediate(() => socket.resume())
    })
    await once(socket, 'end')
    socket.destroy()
    return Buffer.concat(chunks)
  }
  const all = await Promise.all([read(), read(), read()])
  const letters = new Set<number>()
  for (const bytes of all) {
    t.equal(bytes.length, BYTES)
    t.ok(bytes.equals(Buffer.alloc(BYTES, bytes[0])), 'bytes of one connection alone')
    letters.add(bytes[0]!)
  }
  t.equal(letters.size, 3)
})
