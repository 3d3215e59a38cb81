/** A channel of the gateway's own keeps to the windows of both sides, whatever the sizes, and brings every byte in order. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import type { ChannelLine } from '../../../../src/protocols/ssh/served/served-connection.ts'
import { StreamChannel } from '../../../../src/protocols/ssh/served/stream-channel.ts'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import { string, uint32, WireError, WireReader } from '../../../../src/shared/ssh-encoding/wire.ts'

/** The client's end, and a connection that can be full. */
function channelWith(peer: { window: number; maxPacket: number }) {
  const line = {
    ready: true as boolean,
    messages: [] as number[],
    data: [] as Buffer[],
    given: 0,
    waiting: 0,
    closedCalls: 0,
    send(payload: Buffer) {
      line.messages.push(payload[0]!)
      const reader = new WireReader(payload, 5)
      if (payload[0] === MESSAGE.CHANNEL_DATA) line.data.push(Buffer.from(reader.string()))
      if (payload[0] === MESSAGE.CHANNEL_WINDOW_ADJUST) line.given += reader.uint32()
    },
    waits() {
      line.waiting++
    },
    closed() {
      line.closedCalls++
    },
  } satisfies ChannelLine & Record<string, unknown>
  const channel = new StreamChannel({ id: 7, ...peer }, line, () => undefined)
  return { line, channel }
}

t.test('what is written goes out in the client’s window and packet size, and in order', async t => {
  const chunk = fc.uint8Array({ minLength: 0, maxLength: 5_000 }).map(bytes => Buffer.from(bytes))
  await fc.assert(
    fc.asyncProperty(
      fc.array(chunk, { maxLength: 20 }),
      fc.integer({ min: 256, max: 4_000 }),
      fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 5 }),
      async (chunks, maxPacket, adjustments) => {
        const { line, channel } = channelWith({ window: 100, maxPacket })
        let allowed = 100
        const sent = () => line.data.reduce((sum, { length }) => sum + length, 0)
        for (const bytes of chunks) channel.write(bytes)
        channel.end()
        for (let round = 0; !channel.writableFinished; round++) {
          const more = (adjustments[round % adjustments.length] ?? 0) + 1
          allowed += more
          channel.adjusted(more)
          if (sent() > allowed) throw new Error('more than the window')
          await new Promise(setImmediate)
        }
        if (line.data.some(({ length }) => length > maxPacket)) throw new Error('more than a packet')
        if (!Buffer.concat(line.data).equals(Buffer.concat(chunks))) throw new Error('other bytes')
        if (line.messages.at(-1) !== MESSAGE.CHANNEL_EOF) throw new Error('no end of data')
      },
    ),
    { numRuns: 100 },
  )
  t.pass()
})

t.test('while the connection is full nothing is sent; then a message at a time', async t => {
  const { line, channel } = channelWith({ window: 100_000, maxPacket: 1_000 })
  line.ready = false
  channel.write(Buffer.alloc(2_500))
  t.same(line.data, [])
  t.equal(line.waiting, 1)
  t.same([channel.sendSome(), channel.sendSome(), channel.sendSome()], [true, true, false])
  t.same(
    line.data.map(({ length }) => length),
    [1_000, 1_000, 500],
  )
})

t.test('the client is given room for what was read, and breaks a rule when it sends more', async t => {
  const { line, channel } = channelWith({ window: 0, maxPacket: 1_000 })
  const bytes = randomBytes(32_000)
  const most = Math.floor(channel.inputWindow / bytes.length)
  for (let sent = 0; sent < most; sent++) channel.received(bytes)
  t.throws(() => channel.received(bytes), new WireError('more data than the window allows'))
  t.equal(line.given, 0, 'nobody reads')
  let read = 0
  channel.on('data', part => {
    read += part.length
  })
  while (read < most * bytes.length) await once(channel, 'data')
  await new Promise(setImmediate)
  t.ok(line.given > channel.inputWindow / 2)
  channel.received(bytes)
  channel.peerEnded()
  t.throws(() => channel.received(bytes), new WireError('data after the end of data'))
})

t.test('what was sent before the close is read to its end; ours is sent once', async t => {
  const { line, channel } = channelWith({ window: 0, maxPacket: 1_000 })
  channel.received(Buffer.from('last words'))
  channel.peerClosed()
  t.equal(String(Buffer.concat(await channel.toArray())), 'last words')
  if (!channel.closed) await once(channel, 'close')
  t.same(line.messages, [MESSAGE.CHANNEL_CLOSE])
  t.equal(line.closedCalls, 1)
})

t.test('a packet size that no data fits in, and a window beyond all bounds, break a rule', async t => {
  t.throws(() => channelWith({ window: 0, maxPacket: 0 }), new WireError('a packet size that no data fits in'))
  const { channel } = channelWith({ window: 0xffffffff, maxPacket: 1_000 })
  t.throws(() => channel.adjusted(1), new WireError('a window larger than there can be'))
})

t.test('requests on it are refused', async t => {
  const { line, channel } = channelWith({ window: 0, maxPacket: 1_000 })
  channel.request('shell', false, new WireReader(Buffer.alloc(0)))
  channel.request('exec', true, new WireReader(string(uint32(0))))
  t.same(line.messages, [MESSAGE.CHANNEL_FAILURE])
})
