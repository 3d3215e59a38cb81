import fc from 'fast-check'
import t from 'tap'
import { Channels } from '../../../../src/protocols/ssh/relay/channels.ts'
import { WireError } from '../../../../src/shared/ssh-encoding/wire.ts'

const fields = (sender: number, window = 1000, maxPacket = 32_768) => ({ sender, window, maxPacket })

function openChannel() {
  const channels = new Channels()
  channels.opening('client', 'session', fields(5))
  return { channels, channel: channels.confirmed('target', 5, fields(9)) }
}

t.test('each side is spoken to by its own number', async t => {
  const { channels, channel } = openChannel()
  t.equal(channels.find('client', 9), channel)
  t.equal(channels.find('target', 5), channel)
  t.throws(() => channels.find('client', 5), WireError)
})

t.test('both sides may use the same number for channels that they opened themselves', async t => {
  const channels = new Channels()
  channels.opening('client', 'session', fields(0))
  channels.opening('target', 'forwarded-tcpip', fields(0))
  const first = channels.confirmed('target', 0, fields(1))
  const second = channels.confirmed('client', 0, fields(1))
  t.equal(channels.find('target', 0), first)
  t.equal(channels.find('client', 0), second)
  t.not(first.number, second.number)
})

t.test('a number that a side waits with cannot be given to another channel meanwhile', async t => {
  const channels = new Channels()
  channels.opening('client', 'session', fields(0))
  channels.opening('target', 'forwarded-tcpip', fields(7))
  t.throws(() => channels.confirmed('target', 0, fields(7)), WireError)
})

t.test('a packet size that no data fits in is refused: it would loop for ever', async t => {
  t.throws(() => new Channels().opening('client', 'session', fields(1, 1000, 0)), WireError)
  const channels = new Channels()
  channels.opening('client', 'session', fields(1))
  t.throws(() => channels.confirmed('target', 1, fields(1, 1000, 0)), WireError)
})

t.test('a window cannot be overrun, nor raised past what it can hold', async t => {
  const { channels, channel } = openChannel()
  channels.data('target', channel, 1000)
  t.throws(() => channels.data('target', channel, 1), WireError)
  channels.adjusted('client', channel, 10)
  channels.data('target', channel, 10)
  t.throws(() => channels.adjusted('client', channel, 0xffffffff + 1), WireError)
})

t.test('no data after the end of data, nothing at all after the close', async t => {
  const { channels, channel } = openChannel()
  channel.client.sentEof = true
  t.throws(() => channels.data('client', channel, 1), WireError)
  channels.closed('client', channel)
  t.throws(() => channels.find('client', 9), WireError)
  t.equal(channels.find('target', 5), channel, 'the other side has not closed yet')
  t.equal(channels.closed('target', channel), true)
  t.equal(channels.count, 0)
})

t.test('a confirmation or failure of a channel that nobody opens breaks the protocol', async t => {
  const { channels } = openChannel()
  t.throws(() => channels.confirmed('target', 5, fields(3)), WireError)
  t.throws(() => channels.failed('target', 77), WireError)
  t.throws(() => channels.opening('client', 'session', fields(5)), WireError)
})

t.test("the gateway's own words never make the target overrun the client's window", async t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('whisper' as const), bytes: fc.nat(50) }),
    fc.record({ kind: fc.constant('data' as const), bytes: fc.nat(400) }),
    fc.record({ kind: fc.constant('adjust' as const), bytes: fc.nat(400) }),
  )
  const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const { channels, channel } = openChannel()
    const { client } = channel
    let targetsView = 1000
    let granted = 1000
    let received = 0
    for (const { kind, bytes } of steps) {
      if (kind === 'whisper' && bytes <= client.window) {
        client.window -= bytes
        client.debt += bytes
        received += bytes
      } else if (kind === 'data') {
        const part = Math.min(bytes, targetsView)
        channels.data('target', channel, part)
        targetsView -= part
        received += part
      } else if (kind === 'adjust') {
        granted += bytes
        targetsView += channels.adjusted('client', channel, bytes)
      }
      // What overran is what the relay holds back until the client has room again.
      const held = Math.max(0, -client.window)
      if (received - held > granted) return false
      if (targetsView !== client.window + client.debt) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property))
})
