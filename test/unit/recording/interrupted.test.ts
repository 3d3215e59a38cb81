import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { encodeFrame, FRAME_STORED } from '../../../src/recording/format/container.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import {
  collect,
  createTestClock,
  createTestRecordings,
  createTestSealer,
  testSubject,
} from '../../support/recording-parts.ts'

const SCRIPT = fileURLToPath(import.meta.resolve('../../support/record-until-stopped.ts'))
const MINUTE = 60_000

function startRecorder(t: Tap, folder: string, key: Buffer, limitKiB?: number, bytes = 100) {
  // `ulimit -f` counts 512-byte blocks in a POSIX shell.
  const limit = limitKiB === undefined ? '' : `ulimit -f ${limitKiB * 2}; `
  const args = ['-c', `${limit}exec "$@"`, 'sh', process.execPath, SCRIPT, folder, key.toString('hex'), String(bytes)]
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
}

type Tap = { teardown(handler: () => void): void }

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** A clock that runs ahead, so that files of a moment ago are old. */
function later(milliseconds: number) {
  return createTestClock(Date.now() + milliseconds)
}

t.test('after kill -9 the recording is readable, and is sealed as interrupted by the next gateway', async t => {
  const folder = t.testdir()
  const key = randomBytes(32)
  const { child, lines } = startRecorder(t, folder, key)
  const { session } = JSON.parse((await lines.next()).value!)
  let written = 0
  while (written < 20) written = JSON.parse((await lines.next()).value!).written
  child.kill('SIGKILL')
  await ended(child)

  const seal = createTestSealer(key)
  const { recordings, signer, pathOf } = createTestRecordings(folder, { seal, clock: later(MINUTE) })
  const recording = await recordings.read(session)
  const events = await collect(recording)
  t.ok(events.length >= 20, `${events.length} events`)
  t.equal(recording.end?.kind, 'unsealed')
  t.match(await verifyRecording(pathOf(session), signer.publicKeyPem), { ok: false, sealed: false })

  t.same(await recordings.findUnsealed(), [{ session, file: recordings.fileOf({ session }) }])
  const sealed = await recordings.sealInterrupted({ session })
  t.match(await verifyRecording(pathOf(session), signer.publicKeyPem), {
    ok: true,
    sealed: true,
    reason: 'interrupted',
    hash: sealed?.hash,
    bytes: sealed?.bytes,
  })
  t.equal((await collect(await recordings.read(session))).length, events.length, 'nothing whole was lost')
  t.same(await recordings.findUnsealed(), [])
  t.equal(await recordings.sealInterrupted({ session }), undefined)
})

t.test('when the disk is full recording fails, says so, and what was written is kept', async t => {
  const folder = t.testdir()
  const key = randomBytes(32)
  // Frames larger than what is left, so that the last write is a short one.
  const { child, lines } = startRecorder(t, folder, key, 200, 30_000)
  let last: Record<string, unknown> = {}
  const { session } = JSON.parse((await lines.next()).value!)
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) last = JSON.parse(next.value)
  await ended(child)
  t.same(last, { failed: 'RECORDING_FAILED', cause: 'EFBIG', sealing: 'RECORDING_FAILED' })

  const { recordings, signer, pathOf } = createTestRecordings(folder, {
    seal: createTestSealer(key),
    clock: later(MINUTE),
  })
  t.equal(statSync(pathOf(session)).size, 200 * 1024, 'the disk was full in the middle of a frame')
  const whole = (await collect(await recordings.read(session))).length
  t.equal(whole, 6)
  t.ok(await recordings.sealInterrupted({ session }))
  const verification = await verifyRecording(pathOf(session), signer.publicKeyPem)
  t.match(verification, { ok: true, frames: 6, reason: 'interrupted' })
  t.ok(verification.cutBytes! > 0)
})

/** A recording without a seal, as a crash leaves it: its writer is forgotten by a second `Recordings` on the same folder. */
async function leaveUnsealed(folder: string, seal = createTestSealer()) {
  const first = createTestRecordings(folder, { seal })
  const { session } = testSubject()
  const recorder = await first.recordings.open({ ...testSubject(), session })
  recorder.fact({ type: 'notice', text: 'hello' })
  const live = first.recordings.tap(session)![Symbol.asyncIterator]()
  await live.next()
  await live.next()
  await live.return?.()
  const second = createTestRecordings(folder, { seal, clock: later(MINUTE) })
  return { ...second, session, recorder, ownerClock: first.clock, path: second.pathOf(session) }
}

t.test('a torn frame is cut off and kept beside the recording', async t => {
  const { recordings, session, path, signer } = await leaveUnsealed(t.testdir())
  const torn = readFileSync(path).subarray(-70, -20)
  appendFileSync(path, torn)
  t.ok(await recordings.sealInterrupted({ session }, 'force'))
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: true, frames: 1, cutBytes: torn.length })
  t.ok(readFileSync(`${path}.torn`).equals(torn))
})

t.test('what is cut off is written to no file that a link in its place names', async t => {
  const { recordings, session, path, signer } = await leaveUnsealed(t.testdir())
  const torn = readFileSync(path).subarray(-70, -20)
  appendFileSync(path, torn)
  const foreign = `${path}.foreign`
  writeFileSync(foreign, 'mine')
  symlinkSync(foreign, `${path}.torn`)
  t.ok(await recordings.sealInterrupted({ session }, 'force'))
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: true, frames: 1, cutBytes: torn.length })
  t.ok(readFileSync(`${path}.torn`).equals(torn))
  t.equal(readFileSync(foreign, 'utf8'), 'mine')
})

t.test('frames that a stranger appended are not signed', async t => {
  const { recordings, session, path, signer } = await leaveUnsealed(t.testdir())
  const before = readFileSync(path)
  // Anybody who can write to the file can compute links; only who has the data key can make a frame.
  const context = { key: randomBytes(32), session, previous: before.subarray(-32) }
  const { bytes } = encodeFrame(Buffer.from('\0\0\x01\0\x05never'), FRAME_STORED, 1, context)
  appendFileSync(path, bytes)
  t.match(
    await verifyRecording(path, signer.publicKeyPem),
    { frames: 2, firstBad: { why: /no seal/ } },
    'its link is right',
  )
  await recordings.sealInterrupted({ session })
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: true, frames: 1, cutBytes: bytes.length })
})

t.test('a recording that its owner touched a moment ago is left alone', async t => {
  const folder = t.testdir()
  const { session, path, seal } = await leaveUnsealed(folder)
  const before = readFileSync(path)
  const { recordings } = createTestRecordings(folder, { seal, clock: later(0) })
  t.same(await recordings.findUnsealed(), [])
  t.equal(await recordings.sealInterrupted({ session }), undefined)
  t.ok(before.equals(readFileSync(path)))
  t.ok(await recordings.sealInterrupted({ session }, 'force'), 'unless its owner is known to be gone')
})

t.test('an owner that was only slow notices that someone sealed its recording, and its session ends', async t => {
  const { recordings, session, recorder, ownerClock, signer, path } = await leaveUnsealed(t.testdir())
  // As long as the others waited, the owner stood still.
  ownerClock.move(MINUTE)
  t.ok(await recordings.sealInterrupted({ session }))
  recorder.fact({ type: 'notice', text: 'still here' })
  await t.rejects(recorder.seal('client-closed'), { code: 'RECORDING_FAILED' })
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: true, reason: 'interrupted' })
})

t.test('a recording that has no whole header is set aside, a marker without recording forgotten', async t => {
  const folder = t.testdir()
  const { recordings, session, path } = await leaveUnsealed(folder)
  writeFileSync(`${path}.torn`, 'of an earlier try')
  truncateSync(path, 20)
  t.equal(await recordings.sealInterrupted({ session }, 'force'), undefined)
  t.notOk(existsSync(path))
  t.equal(readFileSync(`${path}.torn`, 'utf8'), 'of an earlier try')
  t.equal(statSync(`${path}.torn.2`).size, 20)
  const { session: never } = testSubject()
  writeFileSync(join(folder, 'unsealed', never), '')
  t.match(await recordings.findUnsealed(), [{ session: never }])
  t.equal(await recordings.sealInterrupted({ session: never }), undefined)
  t.same(readdirSync(join(folder, 'unsealed')), [])
})

t.test('of several gateways one seals', async t => {
  const folder = t.testdir()
  const { recordings, session, seal, signer, path } = await leaveUnsealed(folder)
  const others = Array.from({ length: 5 }, () => createTestRecordings(folder, { seal, signer, clock: later(MINUTE) }))
  const all = await Promise.all(
    [recordings, ...others.map(other => other.recordings)].map(one => one.sealInterrupted({ session })),
  )
  t.equal(all.filter(sealed => sealed !== undefined).length, 1)
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: true })
})

t.test('a recording that does not open with the vault key is found again, and never signed blindly', async t => {
  const folder = t.testdir()
  const { session, path } = await leaveUnsealed(folder)
  const { recordings, signer } = createTestRecordings(folder, { clock: later(MINUTE) })
  t.equal(await recordings.sealInterrupted({ session }), undefined)
  t.match(await verifyRecording(path, signer.publicKeyPem), { ok: false, sealed: false })
  const muchLater = createTestRecordings(folder, { clock: later(5 * MINUTE) })
  t.match(await muchLater.recordings.findUnsealed(), [{ session }])
})
