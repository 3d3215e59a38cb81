import fc from 'fast-check'
import t from 'tap'
import { InnerClient } from '../../../../src/protocols/ssh/served/inner-client.ts'
import { SessionChannel } from '../../../../src/protocols/ssh/served/session-channel.ts'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import type { Transport } from '../../../../src/protocols/ssh/transport/transport.ts'
import { message, string, uint32, WireError, WireReader } from '../../../../src/shared/ssh-encoding/wire.ts'

/** A channel whose client has number 7, and what was sent to it. */
function open({ window = 1000, maxPacket = 32_768, ready = (): boolean => true } = {}) {
  const sent: Buffer[] = []
  const refused: string[] = []
  let waits = 0
  let closed = 0
  let started = 0
  const channel = new SessionChannel({
    peer: { id: 7, window, maxPacket },
    line: {
      get ready() {
        return ready()
      },
      send: payload => sent.push(Buffer.from(payload)),
      waits: () => waits++,
      closed: () => closed++,
    },
    session: 'ses_1',
    started: () => started++,
    refused: what => refused.push(what),
    activity() {},
  })
  const request = (name: string, ...fields: Buffer[]) =>
    channel.request(name, true, new WireReader(Buffer.concat(fields)))
  const ofType = (type: number) => sent.filter(payload => payload[0] === type)
  const dataOf = () => Buffer.concat(ofType(MESSAGE.CHANNEL_DATA).map(payload => payload.subarray(9)))
  return { channel, sent, refused, request, ofType, dataOf, counts: () => ({ waits, closed, started }) }
}

t.test('what is written waits for the window of the client, and goes in its packet size', async t => {
  const { channel, dataOf, ofType } = open({ window: 10, maxPacket: 256 })
  const written = channel.write(Buffer.from('a'.repeat(600)))
  t.equal(dataOf().length, 10)
  channel.adjusted(1000)
  await written
  t.equal(dataOf().length, 600)
  t.ok(ofType(MESSAGE.CHANNEL_DATA).every(payload => payload.length <= 9 + 256))
  t.equal(channel.room, 410)
})

t.test('nothing is written while the connection takes nothing, and then it goes on', async t => {
  let ready = false
  const { channel, dataOf, counts } = open({ ready: () => ready })
  const written = channel.write(Buffer.from('later'))
  t.equal(dataOf().length, 0)
  t.ok(counts().waits > 0)
  ready = true
  t.notOk(channel.sendSome(), 'nothing is left')
  await written
  t.equal(dataOf().toString(), 'later')
})

t.test('whoever writes is not left waiting when the client goes', async t => {
  const { channel, sent, counts } = open({ window: 0 })
  const written = channel.write(Buffer.from('never'))
  channel.peerClosed()
  await written
  t.ok(channel.gone.aborted)
  t.same(
    sent.map(payload => payload[0]),
    [MESSAGE.CHANNEL_CLOSE],
  )
  t.equal(counts().closed, 1)
  channel.exit(0)
  await channel.write(Buffer.from('no'))
  t.equal(sent.length, 1, 'nothing follows CLOSE')
})

t.test(
  'more than the window allows, data after its end, and packets in which nothing fits break the protocol',
  async t => {
    t.throws(() => open({ maxPacket: 0 }), WireError)
    const { channel } = open()
    t.throws(() => channel.received(Buffer.alloc(channel.inputWindow + 1)), WireError)
    t.throws(() => channel.adjusted(0xffffffff), WireError)
    channel.peerEnded()
    t.throws(() => channel.received(Buffer.from('x')), WireError)
    t.throws(() => open().request('exec', string('a\0b')), WireError)
    t.throws(() => open().request('pty-req', string('xterm')), WireError)
  },
)

t.test('what nobody reads is thrown away, and may be sent again', async t => {
  const { channel, ofType } = open()
  for (let round = 0; round < 10; round++) channel.received(Buffer.alloc(channel.inputWindow / 2))
  t.equal(ofType(MESSAGE.CHANNEL_WINDOW_ADJUST).length, 10)
})

t.test('what a reader keeps is bounded by the window', async t => {
  const { channel } = open()
  channel.use({ data() {} })
  channel.received(Buffer.alloc(channel.inputWindow))
  t.throws(() => channel.received(Buffer.alloc(1)), WireError)
})

t.test('one program; agent, X11 and subsystems are refused, and that is audited', async t => {
  const { request, refused, ofType, counts, channel } = open()
  request('auth-agent-req@openssh.com')
  request('x11-req', Buffer.of(0), string('a'), string('b'), uint32(0))
  request('subsystem', string('sftp'))
  request('exec', string('whoami'))
  request('shell')
  t.same(refused, ['request auth-agent-req@openssh.com', 'request x11-req', 'request subsystem', 'request shell'])
  t.equal(counts().started, 1)
  t.equal(channel.program.command, 'whoami')
  t.match(ofType(MESSAGE.CHANNEL_EXTENDED_DATA)[0]!.toString(), /sftp needs a target/)
})

t.test('variables are kept for a session, but not without a bound', async t => {
  const { request, channel } = open()
  for (let index = 0; index < 100; index++) request('env', string(`LC_${index}`), string('x'.repeat(100)))
  t.ok(channel.program.environment.length <= 64)
  const other = open()
  other.request('env', string('LC_ALL'), string('x'.repeat(20_000)))
  t.equal(other.channel.program.environment.length, 0)
})

t.test('property: all that is written arrives, in order, however the window grows', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 50 })),
      fc.array(fc.integer({ min: 1, max: 40 })),
      async (texts, steps) => {
        const { channel, dataOf } = open({ window: 0, maxPacket: 256 })
        const written = Promise.all(texts.map(text => channel.write(Buffer.from(text))))
        for (const step of steps) channel.adjusted(step)
        channel.adjusted(100_000)
        await written
        return dataOf().toString() === texts.join('')
      },
    ),
  )
})

t.test('a session on it is told of the window of the client once, whenever that grew', async t => {
  const { channel } = open({ window: 100 })
  const said: Buffer[] = []
  const inner = new InnerClient({ peerSoftware: 'OpenSSH_9.2' } as Transport, channel)
  inner.attach()
  channel.adjusted(20)
  inner.begin({ message: (_, payload) => said.push(Buffer.from(payload)), ended() {} })
  channel.adjusted(3)
  inner.send(message(MESSAGE.CHANNEL_OPEN_CONFIRMATION, uint32(0), uint32(5), uint32(1000), uint32(32_768)))
  channel.adjusted(4)
  const opened = new WireReader(said[0]!, 1)
  t.equal(opened.utf8(), 'session')
  opened.uint32()
  const told = said.filter(([type]) => type === MESSAGE.CHANNEL_WINDOW_ADJUST).map(each => each.readUInt32BE(5))
  t.same([opened.uint32(), ...told], [120, 3, 4])
})
