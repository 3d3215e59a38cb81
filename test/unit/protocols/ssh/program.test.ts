import t from 'tap'
import { MAX_PACKET, type OwnLine, WINDOW } from '../../../../src/protocols/ssh/target-side/own-channels.ts'
import { Program } from '../../../../src/protocols/ssh/target-side/program.ts'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../../src/shared/ssh-encoding/wire.ts'

function open(window: number, maxPacket = 1000) {
  const sent: Buffer[] = []
  const said: string[] = []
  const state = { hasRoom: true, closed: [] as number[] }
  const line: OwnLine = {
    get hasRoom() {
      return state.hasRoom
    },
    send: payload => void sent.push(Buffer.from(payload)),
    closed: id => void state.closed.push(id),
  }
  const program = new Program(line, 7, { id: 9, window, maxPacket }, (bytes, stderr) =>
    said.push(`${stderr ? '!' : ''}${bytes}`),
  )
  const data = () => sent.filter(([type]) => type === MESSAGE.CHANNEL_DATA).map(bytes => bytes.subarray(9).toString())
  return { program, sent, said, state, data, types: () => sent.map(([type]) => type) }
}

const exitStatus = (status: number) => new WireReader(uint32(status))

t.test('what it is given is sent as the host has room, and is overwritten then', async t => {
  const { program, data, state, types } = open(5, 3)
  const bytes = Buffer.from('abcdefgh')
  program.write(bytes)
  program.endInput()
  t.same(data(), ['abc', 'de'])
  t.equal(bytes.toString(), '\0\0\0\0\0fgh')
  state.hasRoom = false
  program.adjusted(10)
  t.same(data(), ['abc', 'de'])
  state.hasRoom = true
  program.sendMore()
  t.same(data(), ['abc', 'de', 'fgh'])
  t.same(bytes, Buffer.alloc(8))
  t.equal(types().at(-1), MESSAGE.CHANNEL_EOF)
  const late = Buffer.from('late')
  program.write(late)
  t.same(late, Buffer.alloc(4), 'also what is never sent')
  t.throws(() => program.adjusted(0xffffffff), /larger than there can be/)
})

t.test('what waits when it ends is overwritten, and not sent', async t => {
  const { program, data } = open(0)
  const bytes = Buffer.from('a secret')
  program.write(bytes)
  program.destroy()
  t.same(bytes, Buffer.alloc(8))
  program.adjusted(100)
  t.same(data(), [])
})

t.test('it ends as the host says, or as the connection does', async t => {
  const exits = open(0)
  exits.program.request('exit-status', false, exitStatus(3))
  exits.program.peerEnded()
  exits.program.peerClosed()
  t.same(await exits.program.ended, { kind: 'exited', status: 3 })
  t.same(exits.types(), [MESSAGE.CHANNEL_CLOSE])
  t.same(exits.state.closed, [7])

  const signalled = open(0)
  signalled.program.request('exit-signal', false, new WireReader(string('KILL')))
  signalled.program.peerClosed()
  t.same(await signalled.program.ended, { kind: 'signalled', signal: 'KILL' })

  const silent = open(0)
  silent.program.peerClosed()
  t.same(await silent.program.ended, { kind: 'closed' })

  const lost = open(0)
  const error = new Error('cut')
  lost.program.lost(error)
  t.same(await lost.program.ended, { kind: 'lost', error })
  t.same(lost.types(), [], 'nothing is sent any more')
})

t.test('whether it is started is what the host answers, or that it is gone', async t => {
  const { program, sent } = open(0)
  const started = program.start('exec', 'a command')
  const request = new WireReader(sent[0]!, 5)
  t.equal(request.utf8(), 'exec')
  t.equal(request.boolean(), true)
  t.equal(request.utf8(), 'a command')
  program.answered(true)
  t.equal(await started, true)
  t.throws(() => program.answered(true), /not made/)
  const refused = program.start('subsystem', 'sftp')
  program.answered(false)
  t.equal(await refused, false)
  const never = program.start('exec', 'another')
  program.destroy()
  t.equal(await never, false)
  program.answered(true)
})

t.test('what it says comes as it came, within the window, and none of it once it is closed', async t => {
  const { program, said, sent } = open(0)
  program.received(Buffer.from('out'))
  program.receivedError(Buffer.from('err'))
  t.same(said, ['out', '!err'])
  for (let bytes = 0; bytes < 2 * WINDOW; bytes += MAX_PACKET) program.received(Buffer.alloc(MAX_PACKET))
  const given = sent.filter(([type]) => type === MESSAGE.CHANNEL_WINDOW_ADJUST)
  t.ok(given.length >= 2, 'room is given back')
  t.throws(() => program.received(Buffer.alloc(WINDOW + 1)), /more data than the window/)
  program.destroy()
  const before = said.length
  program.received(Buffer.from('late'))
  t.equal(said.length, before)
})

t.test('requests of the host are answered, and none is granted', async t => {
  const { program, types } = open(0)
  program.request('keepalive@openssh.com', true, new WireReader(boolean(true)))
  program.request('unknown', false, new WireReader(Buffer.alloc(0)))
  t.same(types(), [MESSAGE.CHANNEL_FAILURE])
})
