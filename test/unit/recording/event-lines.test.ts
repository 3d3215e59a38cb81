import { Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { decodeEventLines, encodeEventLines } from '../../../src/recording/rendering/event-lines.ts'
import type { Recording } from '../../../src/recording/store/reader.ts'
import { testSubject } from '../../support/recording-parts.ts'

const subject = testSubject()

/** A recording with these events; `closed` tells whether its file was let go. */
function recordingOf(events: RecordedEvent[], end?: Recording['end']) {
  const state = { closed: false }
  const recording = {
    header: { subject, key: '', signingKey: '', createdAt: 0 },
    end,
    async *[Symbol.asyncIterator]() {
      try {
        yield* events
      } finally {
        state.closed = true
      }
    },
  } satisfies Recording
  return { recording, state }
}

/** The bytes in pieces of `size`, as a network would deliver them. */
async function* inPieces(stream: AsyncIterable<Buffer | string>, size: number): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as string))
  const all = Buffer.concat(chunks)
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}

const sealed = { kind: 'sealed', seal: { reason: 'killed', endedAt: 7 } } as unknown as Recording['end']
const stream = fc.record({
  type: fc.constantFrom('output', 'stderr', 'input'),
  channel: fc.nat(9),
  bytes: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
  at: fc.nat(100_000),
})
const fact = fc.record({
  type: fc.constant('exec'),
  channel: fc.nat(9),
  command: fc.string({ unit: 'binary' }),
  at: fc.nat(1000),
})
const copy = fc.record({
  type: fc.constant('copy'),
  direction: fc.constantFrom('in', 'out'),
  bytes: fc.nat(),
  at: fc.nat(1000),
})

t.test('whatever was recorded comes back, in pieces of any size', async t => {
  const holds = fc.asyncProperty(
    fc.array(fc.oneof(stream, fact, copy), { maxLength: 12 }),
    fc.integer({ min: 1, max: 200 }),
    async (events, size) => {
      const { recording } = recordingOf(events as RecordedEvent[], sealed)
      const decoded = await decodeEventLines(inPieces(encodeEventLines(recording), size))
      const seen: RecordedEvent[] = []
      for await (const event of decoded) seen.push(event)
      t.same(decoded.subject, subject)
      t.same(seen, events)
      t.same(decoded.end, { type: 'end', sealed: true, reason: 'killed', endedAt: 7 })
    },
  )
  await fc.assert(holds, { numRuns: 30 })
})

t.test('a part is never taken for the whole', async t => {
  const { recording } = recordingOf([{ type: 'cancel', at: 1 }], { kind: 'unsealed', tornBytes: 3 })
  const whole = Buffer.concat(await Array.fromAsync(inPieces(encodeEventLines(recording), 4096)))
  for (let length = 0; length < whole.length - 1; length++) {
    const read = async () => {
      const decoded = await decodeEventLines(Readable.from([whole.subarray(0, length)]))
      for await (const _ of decoded);
    }
    await t.rejects(read(), { code: 'RECORDING_DAMAGED' }, `${length} bytes of ${whole.length}`)
  }
  const decoded = await decodeEventLines(Readable.from([whole]))
  for await (const _ of decoded);
  t.same(decoded.end, { type: 'end', sealed: false, tornBytes: 3 })
})

t.test('a connection that is cut is told as such', async t => {
  async function* cut() {
    yield Buffer.from('{"type":"header"}\n{"type":"can')
    throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
  }
  const decoded = await decodeEventLines(cut())
  await t.rejects(Array.fromAsync(decoded), { code: 'RECORDING_DAMAGED', message: /stopped sending/ })
})

t.test('the recording is closed when nobody reads it, or reads it only in part', async t => {
  const unread = recordingOf([{ type: 'cancel', at: 1 }])
  const first = encodeEventLines(unread.recording)
  first.destroy()
  await new Promise(resolve => first.once('close', resolve))
  t.ok(unread.state.closed, 'destroyed before the first byte')

  const part = recordingOf([
    { type: 'cancel', at: 1 },
    { type: 'cancel', at: 2 },
  ])
  const second = encodeEventLines(part.recording, true)
  const closed = new Promise(resolve => second.once('close', resolve))
  for await (const _ of second) break
  await closed
  t.ok(part.state.closed, 'left in the middle')
})
