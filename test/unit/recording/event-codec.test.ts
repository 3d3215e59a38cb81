import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { BATCH_BYTES, Batch, BatchReader, MAX_FACT_BYTES } from '../../../src/recording/format/event-codec.ts'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'

const channel = fc.nat(2 ** 32 - 1)
const stream = fc.record({
  type: fc.constantFrom('output' as const, 'stderr' as const, 'input' as const),
  channel,
  bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }).map(bytes => Buffer.from(bytes)),
})
const fact = fc.oneof(
  fc.record({ type: fc.constant('exec' as const), channel, command: fc.string({ unit: 'binary' }) }),
  fc.record({
    type: fc.constant('statement' as const),
    text: fc.string(),
    protocol: fc.constant('simple' as const),
    durationUs: fc.nat(),
  }),
)

t.test('events are read as they were added, whatever they are', async t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2 ** 40), fc.oneof(stream, fact)), { maxLength: 50 }), events => {
      const batch = new Batch()
      let at = 0
      const expected: RecordedEvent[] = []
      for (const [step, event] of events) {
        at += step
        expected.push({ ...event, at })
        if ('bytes' in event) batch.addStream(at, event.type, event.channel, event.bytes)
        else batch.addFact(at, JSON.stringify(event))
      }
      if (events.length === 0) return batch.length === 0
      return isDeepStrictEqual([...new BatchReader().read(batch.take())], expected) && batch.length === 0
    }),
    { numRuns: 500 },
  )
  t.pass('for all that was tried')
})

t.test('a batch never grows beyond its bound, and says what it did not take', async t => {
  const batch = new Batch()
  const bytes = Buffer.alloc(BATCH_BYTES * 2)
  const taken = batch.addStream(1, 'output', 0, bytes)
  t.ok(taken > BATCH_BYTES - 100 && taken < BATCH_BYTES)
  t.ok(batch.length <= BATCH_BYTES)
  t.equal(batch.addStream(1, 'output', 0, bytes), 0)
  t.equal(batch.addFact(1, '{"type":"cancel"}'), false)
})

t.test('bytes that no writer made are an error, never a crash or a hang', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        for (const event of new BatchReader().read(Buffer.from(bytes))) void event
      } catch (error) {
        return (error as { code?: string }).code === 'RECORDING_DAMAGED'
      }
      return true
    }),
    { numRuns: 5000 },
  )
  t.pass('for all that was tried')
})

t.test('a fact in endless pieces is refused before it fills the memory', async t => {
  const reader = new BatchReader()
  const piece = Buffer.concat([Buffer.from([0, 0, 17, 0x80, 0x80, 0x40]), Buffer.alloc(0x100000)])
  t.throws(
    () => {
      for (let i = 0; i <= MAX_FACT_BYTES / 0x100000; i++) for (const event of reader.read(piece)) void event
    },
    { code: 'RECORDING_DAMAGED' },
  )
})

const text = fc.constantFrom('', 'a', 'aa', 'select 1', 'é', '😀', '\ud83d', '"', '\\', 'x'.repeat(600))
const alike = fc.tuple(text, text, text).map(parts => JSON.stringify({ type: 'notice', text: parts.join('') }))

t.test('facts that are alike are read as they were added, and take little room', async t => {
  fc.assert(
    fc.property(fc.array(alike, { maxLength: 50 }), facts => {
      const batch = new Batch()
      for (const json of facts) batch.addFact(0, json)
      const read = facts.length === 0 ? [] : [...new BatchReader().read(batch.take())]
      return isDeepStrictEqual(
        read,
        facts.map(json => ({ ...JSON.parse(json), at: 0 })),
      )
    }),
    { numRuns: 1000 },
  )
  const batch = new Batch()
  let whole = 0
  for (let i = 0; i < 100; i++) {
    const json = JSON.stringify({ type: 'statement', protocol: 'simple', text: `select ${i}`, durationUs: i, rows: 1 })
    batch.addFact(i, json)
    whole += json.length
  }
  t.ok(batch.length < whole / 2)
})

t.test('a fact that refers to what is not there, or to what no writer refers to, is an error', async t => {
  const cancel = Buffer.from('{"type":"cancel"}')
  const long = Buffer.from(JSON.stringify({ type: 'notice', text: 'x'.repeat(2000) }))
  const lengthOf = (bytes: Buffer) => Buffer.from([(bytes.length % 128) | 0x80, bytes.length >> 7])
  const whole = (json: Buffer) => Buffer.concat([Buffer.from([0, 16]), lengthOf(json), json])
  const like = (head: number, tail: number) => Buffer.from([0, 18, head, tail, 0])
  const read = (...events: Buffer[]) => [...new BatchReader().read(Buffer.concat([Buffer.from([0]), ...events]))]
  t.same(read(whole(cancel), like(9, 8)), [
    { type: 'cancel', at: 0 },
    { type: 'cancel', at: 0 },
  ])
  for (const events of [[like(9, 8)], [whole(cancel), like(9, 9)], [whole(long), like(20, 20)]])
    t.throws(() => read(...events), { code: 'RECORDING_DAMAGED' })
  const reader = new BatchReader()
  t.equal([...reader.read(Buffer.concat([Buffer.from([0]), whole(cancel)]))].length, 1)
  t.throws(() => [...reader.read(Buffer.concat([Buffer.from([0]), like(9, 8)]))], { code: 'RECORDING_DAMAGED' })
})
