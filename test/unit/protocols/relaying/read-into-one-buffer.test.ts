import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { readIntoOneBuffer } from '../../../../src/protocols/relaying/read-into-one-buffer.ts'

/** Two ends of a connection; the first is the accepted one. */
async function pair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [far] = (await accepted) as [Socket]
  server.close()
  t.teardown(() => {
    near.destroy()
    far.destroy()
  })
  return [far, near]
}

/** Reads until `count` bytes are there. */
async function read(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  const enough = new Promise<void>(resolve => {
    socket.on('data', function take(chunk: Buffer) {
      chunks.push(chunk)
      length += chunk.length
      if (length < count) return
      socket.off('data', take)
      resolve()
    })
  })
  await enough
  return Buffer.concat(chunks)
}

t.test('this Node has what it needs', async t => {
  const [accepted, connected] = await pair(t)
  t.equal(readIntoOneBuffer(accepted), true)
  t.equal(readIntoOneBuffer(new TLSSocket(connected)), true)
})

t.test('every byte arrives once and in order, what was read before included', async t => {
  const [far, near] = await pair(t)
  const sent = randomBytes(3_000_000)
  // Read by the stream, and waiting in it.
  near.write(sent.subarray(0, 100))
  await once(far, 'readable')
  readIntoOneBuffer(far)
  near.write(sent.subarray(100))
  t.ok((await read(far, sent.length)).equals(sent))
})

t.test('two sockets that read in turn keep what they read', async t => {
  const ends = [await pair(t), await pair(t)] as const
  const sent = ends.map(() => randomBytes(200_000))
  for (const [far] of ends) readIntoOneBuffer(far)
  const received = Promise.all(ends.map(([far], index) => read(far, sent[index]!.length)))
  for (let at = 0; at < 200_000; at += 1000) {
    for (const [index, [, near]] of ends.entries()) near.write(sent[index]!.subarray(at, at + 1000))
  }
  t.same(await received, sent)
})

t.test('a paused socket is not read, and goes on where it was', async t => {
  const [far, near] = await pair(t)
  readIntoOneBuffer(far)
  const sent = randomBytes(20_000_000)
  const received: Buffer[] = []
  far.on('data', chunk => {
    received.push(chunk)
    if (received.length === 1) far.pause()
  })
  const seen = once(far, 'data')
  near.end(sent)
  await seen
  const held = far.bytesRead
  await new Promise(resolve => setImmediate(resolve))
  t.equal(far.bytesRead, held, 'nothing more was read')
  far.resume()
  await once(far, 'end')
  t.ok(Buffer.concat(received).equals(sent))
})

t.test('the end and an error are told as ever', async t => {
  const [ended, one] = await pair(t)
  const [broken, two] = await pair(t)
  readIntoOneBuffer(ended)
  readIntoOneBuffer(broken)
  const end = once(ended.resume(), 'end')
  const error = once(broken.resume(), 'error')
  one.end('bye')
  two.resetAndDestroy()
  await end
  t.match(await error, [{ code: 'ECONNRESET' }])
})
