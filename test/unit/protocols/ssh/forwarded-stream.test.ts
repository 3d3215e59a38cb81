import { once } from 'node:events'
import t from 'tap'
import { ForwardedStream } from '../../../../src/protocols/ssh/hops/forwarded-stream.ts'
import { type OwnLine, WINDOW } from '../../../../src/protocols/ssh/target-side/own-channels.ts'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'

function open(room: number, mostBytes = 1000) {
  const sent: Buffer[] = []
  const line = { hasRoom: true, closed: [] as number[] }
  const hop: OwnLine = {
    get hasRoom() {
      return line.hasRoom
    },
    send: payload => void sent.push(payload),
    closed: id => void line.closed.push(id),
  }
  const stream = new ForwardedStream(hop, 7, { id: 9, window: room, maxPacket: mostBytes })
  const data = () =>
    sent.filter(([type]) => type === MESSAGE.CHANNEL_DATA).map(payload => payload.subarray(9).toString())
  return { stream, sent, line, data, types: () => sent.map(([type]) => type) }
}

t.test('no more is sent than the window, the packet and the connection take', async t => {
  const { stream, line, data } = open(5, 3)
  stream.write('abcdefgh')
  t.same(data(), ['abc', 'de'])
  line.hasRoom = false
  stream.adjusted(10)
  t.same(data(), ['abc', 'de'])
  line.hasRoom = true
  stream.sendMore()
  t.same(data(), ['abc', 'de', 'fgh'])
})

t.test('a hop that sends more than its window, or after its end, breaks the protocol', async t => {
  const { stream } = open(0)
  stream.received(Buffer.alloc(WINDOW))
  t.throws(() => stream.received(Buffer.alloc(1)), /more data than the window/)
  stream.peerEnded()
  t.throws(() => stream.received(Buffer.alloc(0)), /after the end/)
  t.throws(() => stream.adjusted(0xffffffff + 1), /larger than there can be/)
})

t.test('a reader that stopped until the window was used up gets all of it, and more', async t => {
  const { stream, sent } = open(0)
  const chunk = Buffer.alloc(32 * 1024)
  let got = 0
  stream.on('data', (bytes: Buffer) => {
    got += bytes.length
  })
  for (let round = 1; round <= 3; round++) {
    stream.pause()
    let room = round === 1 ? WINDOW : 0
    for (const payload of sent.splice(0)) {
      t.equal(payload[0], MESSAGE.CHANNEL_WINDOW_ADJUST)
      room += payload.readUInt32BE(5)
    }
    t.ok(room >= WINDOW / 2, 'room was given back')
    for (; room >= chunk.length; room -= chunk.length) {
      stream.received(chunk)
      if (room % (4 * chunk.length) === 0) await new Promise(resolve => setImmediate(resolve))
    }
    const before = got
    stream.resume()
    while (stream.readableLength > 0 || got === before) await new Promise(resolve => setImmediate(resolve))
  }
})

t.test('each end is said once, and the number is free when both have', async t => {
  const { stream, line, types } = open(10)
  stream.end('bye')
  stream.resume()
  await once(stream, 'finish')
  t.same(types(), [MESSAGE.CHANNEL_DATA, MESSAGE.CHANNEL_EOF])
  t.same(line.closed, [])
  stream.peerClosed()
  if (!stream.destroyed) await once(stream, 'close')
  t.same(types(), [MESSAGE.CHANNEL_DATA, MESSAGE.CHANNEL_EOF, MESSAGE.CHANNEL_CLOSE])
  t.ok(line.closed.includes(7))
})

t.test('a hop that is lost ends the stream with an error, and is sent nothing more', async t => {
  const { stream, types } = open(0)
  stream.write('never')
  const failed = once(stream, 'error')
  stream.lost(new Error('the hop is gone'))
  t.match(await failed, [{ message: 'the hop is gone' }])
  t.same(types(), [])
})
