import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  dataKeyPurpose,
  encodeFrame,
  encodeHeader,
  FRAME_DEFLATE,
  FRAME_HEAD_BYTES,
  FRAME_ZSTD,
  MAGIC,
} from '../../../src/recording/format/container.ts'
import { readRecording } from '../../../src/recording/store/reader.ts'
import { verifyFolder, verifyRecording } from '../../../src/recording/store/verify.ts'
import { collect, createTestRecordings, createTestSigner, testSubject } from '../../support/recording-parts.ts'

type Setup = ReturnType<typeof createTestRecordings>

/** A sealed recording of three frames (each event is followed by its own frame). */
async function makeSmall(setup: Setup): Promise<{ bytes: Buffer; session: string }> {
  const subject = testSubject()
  const recorder = await setup.recordings.open(subject)
  const live = setup.recordings.tap(subject.session)!
  const grown = live[Symbol.asyncIterator]()
  await grown.next()
  for (const text of ['one', 'two', 'three']) {
    recorder.stream('output', 0, Buffer.from(text))
    await grown.next()
  }
  await recorder.seal('client-closed')
  await grown.return?.()
  return { bytes: readFileSync(setup.pathOf(subject.session)), session: subject.session }
}

/** Where the header ends, and each frame begins; the last is the seal. */
function layout(bytes: Buffer): { header: number; frames: number[] } {
  const header = MAGIC.length + 4 + bytes.readUInt32BE(MAGIC.length) + 32
  const frames: number[] = []
  for (let at = header; at < bytes.length; ) {
    frames.push(at)
    at += FRAME_HEAD_BYTES + bytes.readUInt32BE(at) + (bytes[at + 4] === 3 ? 64 : 48)
  }
  return { header, frames }
}

t.test('a flipped bit anywhere is found, and its frame is named', async t => {
  const setup = createTestRecordings(t.testdir())
  const { bytes, session } = await makeSmall(setup)
  const path = setup.pathOf(session)
  const { header, frames } = layout(bytes)
  t.equal(frames.length, 4, 'three frames and the seal')
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes)
    altered[at]! ^= 1 << (at % 8)
    writeFileSync(path, altered)
    const result = await verifyRecording(path, setup.signer.publicKeyPem)
    const frame = at < header ? -1 : frames.findLastIndex(begin => begin <= at)
    if (result.ok || result.firstBad?.frame !== frame) t.fail(`byte ${at}: ${JSON.stringify(result)}`)
    if (frame >= 0 && result.firstBad?.offset !== frames[frame]) t.fail(`byte ${at}: offset ${result.firstBad?.offset}`)
  }
  writeFileSync(path, bytes)
  t.match(await verifyRecording(path, setup.signer.publicKeyPem), { ok: true, frames: 3 })
})

t.test('a file cut at any byte is not ok, and readable up to its last whole frame', async t => {
  const setup = createTestRecordings(t.testdir())
  const { bytes, session } = await makeSmall(setup)
  const path = setup.pathOf(session)
  const { header, frames } = layout(bytes)
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length))
    const result = await verifyRecording(path, setup.signer.publicKeyPem)
    const whole = length < header ? -1 : frames.slice(1).filter(end => end <= length).length
    const bad = result.firstBad
    if (result.ok || result.sealed || bad?.frame !== whole || !/truncated|no seal/.test(bad.why)) {
      t.fail(`${length} bytes: ${JSON.stringify(result)}`)
    }
    if (length < header) {
      const error = await readRecording(path, setup.seal.openBytes).catch(error => error)
      if (error.code !== 'RECORDING_DAMAGED') t.fail(`${length} bytes: ${error}`)
      continue
    }
    const recording = await readRecording(path, setup.seal.openBytes)
    const events = await collect(recording)
    const begin = [header, ...frames].findLast(begin => begin <= length)!
    if (events.length !== whole) t.fail(`${length} bytes: ${events.length} events`)
    const { end } = recording
    if (end?.kind !== 'unsealed' || end.tornBytes !== length - begin) t.fail(`${length} bytes: ${JSON.stringify(end)}`)
  }
  t.pass(`${bytes.length} lengths`)
})

t.test('frames that are missing, doubled or in another order are named', async t => {
  const setup = createTestRecordings(t.testdir())
  const { bytes, session } = await makeSmall(setup)
  const path = setup.pathOf(session)
  const { header, frames } = layout(bytes)
  const part = (index: number) =>
    bytes.subarray(index < 0 ? 0 : frames[index]!, index < 0 ? header : (frames[index + 1] ?? bytes.length))
  const cases: [string, number[], { frame: number; why: RegExp }][] = [
    ['the second frame is missing', [0, 2, 3], { frame: 1, why: /missing or reordered: frame 2/ }],
    ['two frames are exchanged', [1, 0, 2, 3], { frame: 0, why: /missing or reordered: frame 1/ }],
    ['a frame comes twice', [0, 0, 1, 2, 3], { frame: 1, why: /missing or reordered: frame 0/ }],
    ['the last frame is missing', [0, 1, 3], { frame: 2, why: /missing or reordered: frame 3/ }],
    ['something follows the seal', [0, 1, 2, 3, 0], { frame: 4, why: /after the seal/ }],
    ['the seal is missing', [0, 1, 2], { frame: 3, why: /no seal/ }],
  ]
  for (const [what, order, firstBad] of cases) {
    writeFileSync(path, Buffer.concat([part(-1), ...order.map(part)]))
    t.match(await verifyRecording(path, setup.signer.publicKeyPem), { ok: false, firstBad }, what)
  }
})

t.test('a header of another recording, and a seal by another key, do not pass', async t => {
  const setup = createTestRecordings(t.testdir())
  const [one, two] = [await makeSmall(setup), await makeSmall(setup)]
  const path = setup.pathOf(one.session)
  writeFileSync(
    path,
    Buffer.concat([two.bytes.subarray(0, layout(two.bytes).header), one.bytes.subarray(layout(one.bytes).header)]),
  )
  t.match(await verifyRecording(path, setup.signer.publicKeyPem), { ok: false, firstBad: { frame: 0, why: 'altered' } })
  writeFileSync(path, one.bytes)
  t.match(await verifyRecording(path, createTestSigner().publicKeyPem), {
    ok: false,
    sealed: false,
    firstBad: { frame: 3, why: /sealed with another key/ },
  })
})

t.test('a chain that was computed anew fails at the signature', async t => {
  const setup = createTestRecordings(t.testdir())
  const { bytes, session } = await makeSmall(setup)
  const forger = createTestRecordings(t.testdir(), { seal: setup.seal })
  const forged = await makeSmall(forger)
  const id = JSON.parse(bytes.subarray(MAGIC.length + 4, layout(bytes).header - 32).toString()).signingKey
  const seal = forged.bytes.subarray(layout(forged.bytes).frames[3]! + FRAME_HEAD_BYTES, -64).toString()
  const claims = seal.replace(/"signingKey":"[0-9a-f]*"/, `"signingKey":"${id}"`)
  const path = setup.pathOf(session)
  writeFileSync(path, Buffer.from(forged.bytes.toString('latin1').replace(seal, claims), 'latin1'))
  t.match(await verifyRecording(path, setup.signer.publicKeyPem), {
    ok: false,
    firstBad: { frame: 3, why: 'the signature of the seal is wrong' },
  })
})

t.test('lengths are bounded before anything is allocated, and what unpacks to too much is refused', async t => {
  const setup = createTestRecordings(t.testdir())
  const { bytes, session } = await makeSmall(setup)
  const path = setup.pathOf(session)
  const longHeader = Buffer.from(bytes)
  longHeader.writeUInt32BE(0xffffffff, MAGIC.length)
  writeFileSync(path, longHeader)
  t.match(await verifyRecording(path, setup.signer.publicKeyPem), {
    firstBad: { frame: -1, why: 'the header is too long' },
  })
  const longFrame = Buffer.from(bytes)
  longFrame.writeUInt32BE(0xffffffff, layout(bytes).header)
  writeFileSync(path, longFrame)
  t.match(await verifyRecording(path, setup.signer.publicKeyPem), { firstBad: { frame: 0, why: /too large/ } })

  const { deflateRawSync, zstdCompressSync } = await import('node:zlib')
  const key = Buffer.alloc(32, 7)
  const subject = testSubject()
  const header = encodeHeader({
    subject,
    key: setup.seal.sealBytes(dataKeyPurpose(subject.session), key),
    signingKey: '',
    createdAt: 0,
  })
  const context = { key, session: subject.session, previous: header.link }
  const much = Buffer.alloc(64 * 1024 * 1024)
  for (const bomb of [
    encodeFrame(zstdCompressSync(much), FRAME_ZSTD, 0, context),
    encodeFrame(deflateRawSync(much), FRAME_DEFLATE, 0, context),
  ]) {
    writeFileSync(path, Buffer.concat([header.bytes, bomb.bytes]))
    await t.rejects(collect(await readRecording(path, setup.seal.openBytes)), {
      code: 'RECORDING_DAMAGED',
      message: /frame 0 does not unpack/,
    })
  }
})

t.test('a folder is verified file by file; what is not a recording is left alone', async t => {
  const folder = t.testdir()
  const setup = createTestRecordings(folder)
  const [one, two] = [await makeSmall(setup), await makeSmall(setup)]
  writeFileSync(setup.pathOf(two.session), two.bytes.subarray(0, -1))
  mkdirSync(join(folder, 'other'))
  writeFileSync(join(folder, 'README.md'), 'hello')
  const results = await collect(verifyFolder(folder, setup.signer.publicKeyPem))
  t.same(
    new Map(results.map(({ file, ok }) => [file, ok])),
    new Map([
      [setup.recordings.fileOf(one), true],
      [setup.recordings.fileOf(two), false],
    ]),
  )
})
