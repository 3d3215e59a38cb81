import t from 'tap'
import { Gate } from '../../../src/recording/writing/gate.ts'
import { memoryRecorder } from '../../support/memory-recorder.ts'

/** A recorder whose disk takes events when the test says so. */
function open() {
  const failure = new AbortController()
  const state = { position: 0, written: 0, flushed: 0, progress: Promise.withResolvers<void>() }
  const recorder = memoryRecorder([], {
    get position() {
      return state.position
    },
    mayPass: (position, unrecorded = 0) => !failure.signal.aborted && unrecorded === 0 && position <= state.written,
    progress: () => state.progress.promise,
    flush: () => void state.flushed++,
    failure: failure.signal,
  })
  const sent: string[] = []
  const full: boolean[] = []
  const gate = new Gate(
    recorder,
    bytes => sent.push(bytes.toString()),
    is => full.push(is),
  )
  const wake = () => {
    const { progress } = state
    state.progress = Promise.withResolvers()
    progress.resolve()
  }
  return {
    ...{ gate, sent, full, state },
    /** Bytes pass after their event. */
    pass(text: string, events = 1) {
      state.position += events
      gate.pass(Buffer.from(text))
    },
    write(position: number) {
      state.written = position
      wake()
    },
    fail() {
      failure.abort()
      wake()
    },
  }
}

t.test('bytes wait until their own events are written, in order, and no longer', async t => {
  const { gate, sent, pass, write, state } = open()
  pass('nothing to record', 0)
  t.same(sent, ['nothing to record'])
  pass('a')
  pass('b')
  pass('no event of its own', 0)
  pass('c')
  t.same(sent, ['nothing to record'])
  t.ok(gate.holds)
  t.ok(state.flushed > 0, 'what they wait for is asked for')
  write(2)
  while (sent.length < 4) await null
  t.same(sent.slice(1), ['a', 'b', 'no event of its own'])
  write(3)
  await gate.empty
  t.same(sent.at(-1), 'c')
  t.notOk(gate.holds)
  t.notOk(gate.dropped)
  t.ok(gate.passable())
  t.notOk(gate.passable(1), 'not with bytes of which the recorder has not heard')
})

t.test('one who sends nothing waits for the same turn', async t => {
  const { gate, sent, pass, write, state } = open()
  await gate.turn()
  pass('a')
  state.position++
  let had = false
  const turn = gate.turn().then(() => {
    had = true
  })
  write(1)
  while (sent.length === 0) await null
  t.equal(had, false)
  write(2)
  await turn
  t.same(sent, ['a'])
})

t.test('what is held is a copy: the caller may use its buffer again', async t => {
  const { gate, sent, state, write } = open()
  const buffer = Buffer.from('mine')
  state.position++
  gate.pass(buffer)
  buffer.fill('x')
  write(1)
  await gate.empty
  t.same(sent, ['mine'])
})

t.test('it says when no more should be read, and when it may go on', async t => {
  const { gate, full, pass, write, state } = open()
  pass('x'.repeat(60_000))
  t.same(full, [])
  pass('x'.repeat(60_000))
  t.same(full, [true])
  write(state.position)
  await gate.empty
  t.same(full, [true, false])
})

t.test('what recording has failed for is never sent', async t => {
  const { gate, sent, pass, fail } = open()
  pass('secret life')
  fail()
  await gate.empty
  t.same(sent, [])
  t.ok(gate.dropped)
})

t.test('when the session must end, what is held is dropped, and the last words pass', async t => {
  const { gate, sent, pass } = open()
  pass('held')
  gate.end()
  pass('goodbye')
  t.same(sent, ['goodbye'])
  t.ok(gate.dropped)
})
