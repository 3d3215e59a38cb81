import t from 'tap'
import { BULK_BOUND_BYTES, SHOWN_BOUND_BYTES, SHOWN_BOUND_MS } from '../../../src/recording/writing/recorder.ts'
import { Unwritten } from '../../../src/recording/writing/unwritten.ts'

function open() {
  let now = 0
  const unwritten = new Unwritten(() => now)
  const holds = (unrecorded = 0) => unwritten.withinBounds(unrecorded)
  const wait = (ms: number) => {
    now += ms
  }
  return { unwritten, holds, wait }
}

t.test('of terminals and statements 64 KiB at most, with what the recorder has not heard of', async t => {
  const { unwritten, holds } = open()
  t.equal(SHOWN_BOUND_BYTES, 64 * 1024, 'as published')
  unwritten.add(SHOWN_BOUND_BYTES - 100, 0, 0)
  t.ok(holds(100))
  t.notOk(holds(101))
  unwritten.cut()
  unwritten.add(101, 0, 0)
  t.notOk(holds())
  unwritten.wrote()
  t.ok(holds())
})

t.test('nothing for longer than 50 ms, whatever came after it', async t => {
  const { unwritten, holds, wait } = open()
  t.equal(SHOWN_BOUND_MS, 50, 'as published')
  unwritten.add(1, 0, 30)
  wait(20)
  t.ok(holds())
  unwritten.cut()
  unwritten.add(1, 0, 0)
  wait(1)
  t.notOk(holds(), 'the first has waited 30 ms elsewhere')
  unwritten.wrote()
  t.ok(holds(), 'it is written, and the second is young')
  wait(50)
  t.notOk(holds())
})

t.test('of bulk 1 MiB at most, kept or only counted', async t => {
  const { unwritten, holds } = open()
  t.equal(BULK_BOUND_BYTES, 1024 * 1024, 'as published')
  unwritten.add(0, 1000, 0)
  unwritten.count(BULK_BOUND_BYTES - 1000)
  t.ok(holds())
  unwritten.count(1)
  t.notOk(holds())
  t.equal(unwritten.counted, BULK_BOUND_BYTES - 999)
  unwritten.add(40, 0, 0)
  unwritten.told(unwritten.counted)
  t.notOk(holds(), 'told, and not written yet')
  t.equal(unwritten.counted, 0)
  unwritten.cut()
  unwritten.wrote()
  t.ok(holds())
})

t.test('what was given up to a position is written when all of it is', async t => {
  const { unwritten } = open()
  unwritten.add(10, 0, 0)
  const first = unwritten.given
  unwritten.cut()
  unwritten.add(0, 10, 0)
  unwritten.cut()
  t.ok(unwritten.isWritten(0))
  t.notOk(unwritten.isWritten(first))
  unwritten.wrote()
  t.ok(unwritten.isWritten(first))
  t.notOk(unwritten.isWritten(unwritten.given))
  unwritten.wrote()
  t.ok(unwritten.isWritten(unwritten.given))
})
