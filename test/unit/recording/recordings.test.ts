import { appendFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { isStream } from '../../../src/recording/format/events.ts'
import { readRecording } from '../../../src/recording/store/reader.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { collect, createTestRecordings, readable, testSubject } from '../../support/recording-parts.ts'

t.test('what was recorded is read back, in order, with its times and the reason of the end', async t => {
  const { recordings, clock, seal, signer, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  recorder.fact({ type: 'exec', channel: 0, command: 'uptime' })
  clock.move(40)
  recorder.stream('output', 0, Buffer.from(' 12:03 up 3 days\r\n'))
  clock.move(-10_000)
  recorder.stream('stderr', 3, Buffer.from([0xff, 0x00]))
  clock.move(20_000)
  recorder.fact({ type: 'exit', channel: 0, status: 0 })
  const sealed = await recorder.seal('client-closed')

  const path = pathOf(subject.session)
  const recording = await readRecording(path, seal.openBytes)
  t.same(recording.header.subject, subject)
  t.equal(recording.end, undefined, 'the end is not known before it was read')
  t.same((await collect(recording)).map(readable), [
    { type: 'exec', channel: 0, command: 'uptime', at: 0 },
    { type: 'output', channel: 0, bytes: ' 12:03 up 3 days\r\n', at: 40 },
    { type: 'stderr', channel: 3, bytes: '\xff\0', at: 40 },
    { type: 'exit', channel: 0, status: 0, at: 10_040 },
  ])
  t.match(recording.end, { kind: 'sealed', seal: { reason: 'client-closed', session: subject.session, frames: 1 } })

  t.equal(sealed.file, recordings.fileOf(subject))
  t.equal(sealed.bytes, (await stat(path)).size)
  t.match(await verifyRecording(path, signer.publicKeyPem), {
    ok: true,
    sealed: true,
    frames: 1,
    bytes: sealed.bytes,
    hash: sealed.hash,
    reason: 'client-closed',
    subject,
  })
})

t.test('long streams and long facts are split over frames and joined again', async t => {
  const { recordings, seal, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) % 251))
  const text = `select '${'ä€'.repeat(200_000)}'`
  recorder.stream('output', 1, bytes)
  recorder.fact({ type: 'statement', text, protocol: 'simple', durationUs: 5 })
  recorder.stream('input', 2, Buffer.from('x'))
  bytes.fill(0, 0, 10)
  await recorder.seal('client-closed')
  bytes.set(Buffer.from(Array.from({ length: 10 }, (_, i) => (i * 7919) % 251)))

  const events = await collect(await readRecording(pathOf(subject.session), seal.openBytes))
  const output = events
    .filter(isStream)
    .filter(event => event.channel === 1)
    .map(event => event.bytes)
  t.ok(Buffer.concat(output).equals(bytes), 'copied before stream() returned, and whole')
  const statement = events.find(event => event.type === 'statement')
  t.ok(statement?.text === text)
  t.match(events.at(-1), { type: 'input', channel: 2 })
})

t.test('files are for their owner alone, and lie where the session id says and nowhere else', async t => {
  const folder = t.testdir()
  const { recordings, pathOf } = createTestRecordings(join(folder, 'recordings'))
  const subject = testSubject()
  t.match(recordings.fileOf(subject), /^2026\/11\/21\/ses_[0-9a-z]{26}\.rec$/)
  await (await recordings.open(subject)).seal('client-closed')
  t.equal((await stat(pathOf(subject.session))).mode & 0o777, 0o600)
  t.equal((await stat(join(folder, 'recordings'))).mode & 0o777, 0o700)
  t.equal((await stat(join(folder, 'recordings', '2026', '11'))).mode & 0o777, 0o700)

  const hostile = [
    '../../etc/passwd',
    `${subject.session}/../x`,
    'ses_../../../../../../../../tmp/x',
    '',
    'ses_zzzzzzzzzz0000000000000000',
  ]
  for (const session of hostile) {
    t.throws(() => recordings.fileOf({ session }), { code: 'NOT_FOUND' }, session)
    await t.rejects(recordings.open({ ...subject, session }), { code: 'RECORDING_UNAVAILABLE' }, session)
    await t.rejects(recordings.read(session), { code: 'NOT_FOUND' }, session)
  }
})

t.test('a session is never recorded over another recording', async t => {
  const { recordings, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  await (await recordings.open(subject)).seal('client-closed')
  const before = await readFile(pathOf(subject.session))
  await t.rejects(recordings.open(subject), { code: 'RECORDING_UNAVAILABLE' })
  t.ok(before.equals(await readFile(pathOf(subject.session))))
})

t.test('recording fails closed when someone else writes to the file', async t => {
  const { recordings, pathOf } = createTestRecordings(t.testdir())
  const subject = testSubject()
  const recorder = await recordings.open(subject)
  await appendFile(pathOf(subject.session), 'x')
  recorder.fact({ type: 'notice', text: 'hello' })
  await t.rejects(recorder.seal('client-closed'), { code: 'RECORDING_FAILED' })
  t.match(recorder.failure.reason, { code: 'RECORDING_FAILED' })
})

t.test('a key store that does not really sign leaves no recording that looks sealed (CVE-2025-59339)', async t => {
  const { signer } = createTestRecordings(t.testdir())
  for (const signature of [Buffer.alloc(0), Buffer.alloc(64)]) {
    const folder = t.testdir()
    const { recordings, pathOf } = createTestRecordings(folder, { signer: { ...signer, sign: () => signature } })
    const subject = testSubject()
    const recorder = await recordings.open(subject)
    await t.rejects(recorder.seal('client-closed'), { code: 'RECORDING_FAILED' })
    t.match(await verifyRecording(pathOf(subject.session), signer.publicKeyPem), {
      ok: false,
      sealed: false,
      firstBad: { why: /no seal/ },
    })
  }
})
