import { readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { reveal } from '../../../src/recording/format/protected-part.ts'
import { createFolderStore } from '../../../src/recording/store/folder-store.ts'
import { readRecordingStream } from '../../../src/recording/store/reader.ts'
import { createRecordings } from '../../../src/recording/store/recordings.ts'
import { SHOWN_BOUND_BYTES } from '../../../src/recording/writing/recorder.ts'
import type { RecordingWriter } from '../../../src/recording/writing/writer.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import {
  collect,
  createTestClock,
  createTestRecordings,
  createTestSealer,
  createTestSigner,
  readable,
  testSubject,
} from '../../support/recording-parts.ts'

t.test('a session that is ahead of the disk is told so, and when it may go on; the lag is a metric', async t => {
  const metrics = createMetrics()
  const parts = { seal: createTestSealer(), signer: createTestSigner(), clock: createTestClock(), metrics }
  const recordings = createRecordings({
    recordingStore: createFolderStore({ folder: t.testdir(), clock: parts.clock }),
    ...parts,
  })
  const recorder = await recordings.open(testSubject())
  const lag = async () => (await metrics.recorderLag.get()).values[0]!.value
  t.equal(recorder.mayPass(recorder.position), true)
  const chunk = Buffer.alloc(4096, 'x')
  for (let sent = 0; sent <= SHOWN_BOUND_BYTES; sent += chunk.length) recorder.stream('output', 0, chunk)
  t.equal(recorder.mayPass(recorder.position), false)
  t.ok((await lag()) > 0)
  while (!recorder.mayPass(recorder.position)) await recorder.progress()
  await recorder.seal('client-closed')
  t.equal(await lag(), 0)
})

t.test('a caller that goes on in spite of that does not grow the gateway without end, nor lose what was', async t => {
  const { recordings } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  recorder.fact({ type: 'notice', text: 'what should be hidden' })
  const chunk = Buffer.alloc(1024 * 1024)
  for (let i = 0; i < 40; i++) recorder.stream('output', 0, chunk)
  t.match(recorder.failure.reason, { code: 'RECORDING_FAILED' })
  recorder.fact({ type: 'notice', text: 'what was on its way then' })
  for (let i = 0; i < 60; i++) recorder.stream('output', 0, chunk)
  await recorder.progress()
  t.equal(recorder.mayPass(0), false, 'nobody waits for a recording that failed, and nothing passes any more')
  await t.rejects(recorder.seal('recording-failed'), { code: 'RECORDING_FAILED' })
  const recording = await recordings.read(subject.session)
  let bytes = 0
  const notices: string[] = []
  for await (const event of recording) {
    if (event.type === 'output') bytes += event.bytes.length
    if (event.type === 'notice') notices.push(event.text)
  }
  t.same(notices, ['what should be hidden', 'what was on its way then'])
  t.ok(bytes > 32 * chunk.length && bytes < 70 * chunk.length, 'all that was taken is in the file')
  t.not(recording.end?.kind, 'sealed', 'which has no seal: it is not whole')
})

t.test('a fact that no reader would take ends the recording instead of damaging it', async t => {
  const { recordings } = createTestRecordings(t.testdir())
  const recorder = await recordings.open(testSubject())
  recorder.fact({ type: 'notice', text: 'x'.repeat(65 * 1024 * 1024) })
  t.match(recorder.failure.reason, { code: 'RECORDING_FAILED' })
  await t.rejects(recorder.seal('recording-failed'), { code: 'RECORDING_FAILED' })
})

t.test('when the file is removed, the session must end', async t => {
  const { recordings, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  rmSync(pathOf(subject.session))
  const failed = new Promise(resolve => recorder.failure.addEventListener('abort', resolve, { once: true }))
  recorder.fact({ type: 'notice', text: 'hello' })
  await failed
  t.match(recorder.failure.reason, { code: 'RECORDING_FAILED' })
  await t.rejects(recorder.seal('recording-failed'), { code: 'RECORDING_FAILED' })
})

t.test(
  'hidden input is bulk, and comes back whole to who has the right, from a recording that never has it in the clear',
  async t => {
    const { recordings, seal, pathOf } = createTestRecordings(t.testdir())
    const subject = testSubject()
    const recorder = await recordings.open(subject)
    const pieces = [Buffer.from('S3cr3t\n'), Buffer.alloc(SHOWN_BOUND_BYTES, 'S3cr3t'), Buffer.alloc(300_000, 'S3cr3t')]
    for (const piece of pieces) {
      recorder.hiddenInput(0, piece)
      t.ok(recorder.mayPass(recorder.position), 'more than the bound of what is shown may wait')
    }
    await recorder.seal('client-closed')
    const read = await collect(await recordings.read(subject.session))
    t.notMatch(JSON.stringify(read), /S3cr3t|UzNjcjN0/)
    t.same(
      read.flatMap(event => (event.type === 'hidden-input' ? [event.bytes] : [])),
      pieces.map(piece => piece.length),
    )
    const seen = await collect(reveal(subject.session, await recordings.read(subject.session), seal.openBytes))
    t.ok(
      Buffer.concat(seen.flatMap(event => (event.type === 'input' ? [event.bytes] : []))).equals(Buffer.concat(pieces)),
    )
    t.notOk(readFileSync(pathOf(subject.session)).includes('S3cr3t'))
  },
)

t.test('without a folder to write to, the session cannot begin', async t => {
  const folder = t.testdir({ file: '' })
  const { recordings } = createTestRecordings(join(folder, 'file'))
  await t.rejects(recordings.open(testSubject()), { code: 'RECORDING_UNAVAILABLE' })
})

t.test('sealing twice gives the same seal; what comes after it is not recorded', async t => {
  const { recordings, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  recorder.fact({ type: 'shell', channel: 0 })
  const [one, two] = await Promise.all([recorder.seal('killed'), recorder.seal('client-closed')])
  t.same(one, two)
  recorder.fact({ type: 'shell', channel: 1 })
  recorder.stream('output', 0, Buffer.from('late'))
  const recording = await recordings.read(subject.session)
  t.same((await collect(recording)).map(readable), [{ type: 'shell', channel: 0, at: 0 }])
  t.match(recording.end, { seal: { reason: 'killed' } })
  t.equal(statSync(pathOf(subject.session)).size, one.bytes)
})

t.test('a session that never falls quiet reaches its file all the same', async t => {
  const { recordings } = createTestRecordings(t.testdir())
  const recorder = (await recordings.open(testSubject())) as RecordingWriter
  const header = recorder.written
  const busy = setInterval(() => recorder.fact({ type: 'notice', text: 'again' }), 20)
  t.teardown(() => clearInterval(busy))
  while (recorder.written === header) await setTimeout(20)
  clearInterval(busy)
  t.ok((await recorder.seal('client-closed')).bytes > header)
})

t.test('a fact that happened a while ago has its own time, but never one before what is recorded already', async t => {
  const { recordings, clock } = createTestRecordings(t.testdir())
  const subject = testSubject(clock.now())
  const recorder = await recordings.open(subject)
  clock.move(1000)
  recorder.fact({ type: 'notice', text: 'late' }, 200)
  recorder.fact({ type: 'notice', text: 'later' }, 900)
  recorder.fact({ type: 'notice', text: 'now' })
  await recorder.seal('client-closed')
  const events = await collect(await recordings.read(subject.session))
  t.same(
    events.map(event => event.at),
    [800, 800, 1000],
  )
})

t.test('a live session is followed by early and late followers alike: all events, once, and the seal', async t => {
  const { recordings, seal } = createTestRecordings(t.testdir())
  const subject = testSubject()
  t.equal(recordings.tap(subject.session), undefined, 'not before it runs')
  const recorder = await recordings.open(subject)
  const follow = async () => {
    const recording = await readRecordingStream(recordings.tap(subject.session)!, seal.openBytes)
    const texts = (await collect(recording)).map(event => (event.type === 'notice' ? event.text : '?'))
    return { texts, end: recording.end }
  }
  const early = follow()
  const followers = [early]
  // A follower of its own, to know when each frame is in the file.
  const pace = recordings.tap(subject.session)![Symbol.asyncIterator]()
  await pace.next()
  const said: string[] = []
  for (let i = 0; i < 12; i++) {
    said.push(`word ${i}`)
    recorder.fact({ type: 'notice', text: `word ${i}` })
    await pace.next()
    if (i % 4 === 3) followers.push(follow())
  }
  await recorder.seal('client-closed')
  await pace.return?.()
  for (const { texts, end } of await Promise.all(followers)) {
    t.same(texts, said)
    t.match(end, { kind: 'sealed', seal: { reason: 'client-closed' } })
  }
  t.equal(recordings.tap(subject.session), undefined, 'not after it ended')
})

t.test('a follower that does not read holds nothing up', async t => {
  const { recordings, seal } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  const slow = recordings.tap(subject.session)![Symbol.asyncIterator]()
  const first = await slow.next()
  const chunk = Buffer.alloc(64 * 1024, 'y')
  for (let i = 0; i < 500; i++) {
    recorder.stream('output', 0, chunk)
    while (!recorder.mayPass(recorder.position)) await recorder.progress()
  }
  await recorder.seal('client-closed')
  async function* all() {
    yield first.value!
    for (let next = await slow.next(); next.done !== true; next = await slow.next()) yield next.value
  }
  const recording = await readRecordingStream(all(), seal.openBytes)
  let bytes = 0
  for await (const event of recording) bytes += event.type === 'output' ? event.bytes.length : 0
  t.equal(bytes, 500 * chunk.length)
  t.equal(recording.end?.kind, 'sealed')
})

t.test('a follower can stop while it waits, and ends when recording fails', async t => {
  const { recordings, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  const stop = new AbortController()
  const stopped = collect(recordings.tap(subject.session, stop.signal)!)
  const others = collect(recordings.tap(subject.session)!)
  stop.abort()
  await stopped
  rmSync(pathOf(subject.session))
  recorder.fact({ type: 'notice', text: 'hello' })
  t.ok((await others).length >= 1)
  await t.rejects(recorder.seal('recording-failed'))
})

t.test('an idle recording says by its time that it is owned; what was written is synced', async t => {
  const folder = t.testdir()
  const { recordings, clock, pathOf } = createTestRecordings(folder)
  const subject = testSubject()
  const recorder = (await recordings.open(subject)) as RecordingWriter
  const old = new Date(2001, 1, 1)
  utimesSync(pathOf(subject.session), old, old)
  await recorder.touch()
  t.equal(
    statSync(pathOf(subject.session)).mtimeMs,
    old.getTime(),
    'what was written a moment ago has its time from that',
  )
  await recorder.sync()
  await recorder.touch()
  t.equal(statSync(pathOf(subject.session)).mtimeMs, clock.now())
  await recorder.seal('client-closed')
  await recorder.touch()
  await recorder.sync()
  t.equal(recorder.failure.aborted, false)
})

t.test('a marker stays until the seal is in the session records', async t => {
  const folder = t.testdir()
  await mkdir(join(folder, 'recordings'))
  const { recordings } = createTestRecordings(join(folder, 'recordings'), {
    clock: createTestClock(Date.now() + 3_600_000),
  })
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  t.ok(statSync(join(folder, 'recordings', 'unsealed', subject.session)))
  t.same(await recordings.findUnsealed(), [], 'one that this gateway writes is not found, whatever its age')
  t.equal(await recordings.sealInterrupted(subject, 'force'), undefined, 'and never sealed by others')
  await recorder.seal('client-closed')
  const marker = join(folder, 'recordings', 'unsealed', subject.session)
  t.ok(statSync(marker), 'a crash now must not lose it')
  await recordings.noted(subject.session)
  t.throws(() => statSync(marker), { code: 'ENOENT' })
})
