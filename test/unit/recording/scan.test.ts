import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { encodeFrame, encodeHeader, FRAME_STORED } from '../../../src/recording/format/container.ts'
import { scan } from '../../../src/recording/format/scan.ts'
import { encodeSeal, sealHolds } from '../../../src/recording/format/seal.ts'
import { readRecordingStream } from '../../../src/recording/store/reader.ts'
import { collect, createTestSealer, createTestSigner, testSubject } from '../../support/recording-parts.ts'

const seal = createTestSealer()
const signer = createTestSigner()
const subject = testSubject()

/** A sealed container of some small frames, made without a file. */
async function make(texts: readonly string[]): Promise<Buffer> {
  const key = randomBytes(32)
  const wrapped = seal.sealBytes(`recording ${subject.session}`, key)
  const header = encodeHeader({ subject, key: wrapped, signingKey: 'x', createdAt: 0 })
  const parts = [header.bytes]
  let previous = header.link
  for (const [seq, text] of texts.entries()) {
    const batch = Buffer.concat([Buffer.from([0, 0, 1, 0, text.length]), Buffer.from(text)])
    const frame = encodeFrame(batch, FRAME_STORED, seq, { key, session: subject.session, previous })
    parts.push(frame.bytes)
    previous = frame.link
  }
  const bytes = Buffer.concat(parts).length
  const facts = { session: subject.session, frames: texts.length, bytes, endedAt: 0, reason: 'client-closed' }
  return Buffer.concat([...parts, await encodeSeal(facts, previous, signer)])
}

async function* inChunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? bytes.length)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

t.test('the size of the chunks makes no difference', async t => {
  const bytes = await make(['one', 'two', ''])
  const whole = await collect(scan(inChunks(bytes, [])))
  t.same(
    whole.map(part => part.kind),
    ['header', 'frame', 'frame', 'frame', 'seal'],
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), async sizes =>
      isDeepStrictEqual(await collect(scan(inChunks(bytes, sizes))), whole),
    ),
    { numRuns: 100 },
  )
})

t.test('whatever is cut out, put in or changed, it is told, and never an exception of another kind', async t => {
  const bytes = await make(['one', 'two', 'three'])
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length), fc.nat(200), fc.uint8Array({ maxLength: 100 }), async (at, cut, put) => {
      const changed = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)])
      if (changed.equals(bytes)) return true
      const parts = await collect(scan(inChunks(changed, [])))
      const end = parts.at(-1)!
      // What still looks like a seal is for the signature to tell.
      if (end.kind === 'seal') return !sealHolds(end.previous, end.head, end.json, end.signature, signer.publicKeyPem)
      return end.kind === 'fault' || end.kind === 'unsealed'
    }),
    { numRuns: 2000 },
  )
  t.pass('for all that was tried')
})

t.test('garbage is refused', async t => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (garbage, magic) => {
      const bytes = Buffer.concat([magic ? Buffer.from('SALLYREC\x01', 'latin1') : Buffer.alloc(0), garbage])
      return readRecordingStream(inChunks(bytes, []), seal.openBytes).then(
        () => false,
        error => error.code === 'RECORDING_DAMAGED',
      )
    }),
    { numRuns: 500 },
  )
  t.pass('for all that was tried')
})

t.test('a key that does not open, or is none, is an error, and the source is closed', async t => {
  const bytes = await make(['one'])
  for (const openBytes of [createTestSealer().openBytes, () => Buffer.alloc(5)]) {
    let closed = false
    async function* source() {
      try {
        yield bytes
      } finally {
        closed = true
      }
    }
    await t.rejects(readRecordingStream(source(), openBytes))
    t.ok(closed)
  }
  const wrongKey = await readRecordingStream(inChunks(bytes, []), () => Buffer.alloc(32))
  await t.rejects(collect(wrongKey), { code: 'RECORDING_DAMAGED', message: /frame 0 does not decrypt/ })
})
