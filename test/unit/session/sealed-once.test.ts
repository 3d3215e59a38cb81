/** What was sealed is never sealed or noted again, whatever lies in the folder of recordings; it is compared, and told of. */

import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { decodeHead, FRAME_HEAD_BYTES, LINK_BYTES, TAG_BYTES } from '../../../src/recording/format/container.ts'
import { createFolderStore } from '../../../src/recording/store/folder-store.ts'
import { createRecordings } from '../../../src/recording/store/recordings.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { createMarkedRecordings } from '../../../src/session/recovery/marked-recordings.ts'
import type { Signer } from '../../../src/shared/cryptography/signer.ts'
import { newId } from '../../../src/shared/ids.ts'
import { grantFor } from '../../support/identity-parts.ts'
import { createTestSigner, testSubject } from '../../support/recording-parts.ts'
import { startScriptedGateway } from '../../support/scripted-session.ts'

const { gateway, begin } = await startScriptedGateway()
t.teardown(() => gateway.close())
const { parts, clock } = gateway
const { folder } = gateway.config.recording
const key = parts.signer.publicKeyPem
// With Redis a gateway listens for a while before it says who lives.
while ((await parts.cluster.livingGateways()) === undefined) await once(AbortSignal.timeout(200), 'abort')

const pathOf = (session: string) => join(folder, parts.recordings.fileOf({ session }))
const markerOf = (session: string) => join(folder, 'unsealed', session)
const hashOf = async (session: string) => (await parts.sessions.get(session))?.recording_hash
const isMarked = (session: string) => existsSync(markerOf(session)) || existsSync(`${markerOf(session)}.sealing`)

/** A session that was recorded, and whose seal is in the session records. */
async function sealedSession(): Promise<string> {
  const session = begin({
    async relaying({ recorder }) {
      for (const text of ['first', 'second', 'third']) {
        recorder.fact({ type: 'notice', text })
        await nextFrame(session.id)
      }
    },
  })
  await session.over
  t.equal(session.downstream.closed?.reason, 'client-closed')
  return session.id
}

async function nextFrame(session: string): Promise<void> {
  const chunks = parts.recordings.tap(session)![Symbol.asyncIterator]()
  const before = lstatSync(pathOf(session)).size
  for (let seen = 0; seen <= before; ) seen += (await chunks.next()).value!.length
  await chunks.return?.()
}

/** A recording that a gateway left when it was killed, sealed by it (with this key) or not. */
async function leftSession(sealWith?: Signer): Promise<string> {
  const { vault, signer } = parts
  const dead = createRecordings({
    recordingStore: createFolderStore({ folder, clock }),
    seal: vault,
    signer: sealWith ?? signer,
    clock,
  })
  const session = newId('ses', clock.now())
  const grant = grantFor({ session, endsAt: clock.now() + 60_000 })
  // As long as its gateway lives, no round looks at it.
  await parts.sessions.open(grant, '192.0.2.1', dead.fileOf({ session }), {})
  const recorder = await dead.open({ ...testSubject(clock.now()), session })
  for (const text of ['first', 'second']) {
    recorder.fact({ type: 'notice', text })
    const live = dead.tap(session)![Symbol.asyncIterator]()
    const before = lstatSync(pathOf(session)).size
    for (let seen = 0; seen <= before; ) seen += (await live.next()).value!.length
    await live.return?.()
  }
  if (sealWith !== undefined) await recorder.seal('killed')
  return session
}

/** The offsets at which frames begin, the seal's last. */
function framesOf(bytes: Buffer): number[] {
  const offsets: number[] = []
  for (let at = 9 + 4 + bytes.readUInt32BE(9) + LINK_BYTES; at < bytes.length; ) {
    offsets.push(at)
    const { length, type } = decodeHead(bytes.subarray(at, at + FRAME_HEAD_BYTES))
    at += type === 3 ? bytes.length : FRAME_HEAD_BYTES + length + TAG_BYTES + LINK_BYTES
  }
  return offsets
}

function mark(session: string): void {
  mkdirSync(dirname(markerOf(session)), { recursive: true })
  writeFileSync(markerOf(session), '')
  // Young by the clock of the test, which runs ahead.
  utimesSync(markerOf(session), clock.now() / 1000, clock.now() / 1000)
}

/** Later, so that everything here is old: what a reaper finds. */
async function lookLater(): Promise<void> {
  await parts.database.updateTable('sessions').set({ gateway: 'gw_dead' }).where('state', '=', 'connecting').execute()
  clock.advance(120_000)
  await parts.reaper.round()
}

async function tampered(session: string) {
  const events = await parts.audit.list({ session, kind: 'recording.tampered' })
  return events.map(({ data }) => JSON.parse(data))
}

async function tamperedCount(): Promise<number> {
  return (await parts.metrics.recordingsTampered.get()).values[0]?.value ?? 0
}

t.test(
  'what is cut while it is being written gets no signature either, and the audit log says who noticed',
  async t => {
    const session = begin({
      async relaying({ recorder }) {
        for (const text of ['first', 'second']) {
          recorder.fact({ type: 'notice', text })
          await nextFrame(session.id)
        }
        truncateSync(pathOf(session.id), lstatSync(pathOf(session.id)).size - 10)
      },
    })
    await session.over
    const [told, ...others] = await parts.audit.list({ session: session.id, kind: 'recording.tampered' })
    t.match(JSON.parse(told!.data), {
      file: parts.recordings.fileOf({ session: session.id }),
      why: /while it was being written/,
    })
    t.same(others, [])
    clock.advance(60_000)
    await parts.reaper.round()
    t.notOk(isMarked(session.id), 'and it is looked at once')
    t.equal(await hashOf(session.id), null)
    t.match(await verifyRecording(pathOf(session.id), key), { ok: false, sealed: false })
  },
)

t.test('a recording that was cut after its seal gets no other one', async t => {
  const session = await sealedSession()
  const noted = await hashOf(session)
  const path = pathOf(session)
  const whole = readFileSync(path)
  const cut = framesOf(whole)[1]!
  truncateSync(path, cut)
  mark(session)
  const before = await tamperedCount()
  await lookLater()
  t.ok(readFileSync(path).equals(whole.subarray(0, cut)), 'the file was not touched')
  t.equal(await hashOf(session), noted)
  t.match(await tampered(session), [{ noted, found: /^[0-9a-f]{64}$/, why: /no seal/ }])
  t.equal(await tamperedCount(), before + 1)
  t.notOk(isMarked(session))
  mark(session)
  await lookLater()
  t.equal((await tampered(session)).length, 1, 'told once')
  t.match(await verifyRecording(path, key), { ok: false })
})

t.test('also where the row has lost the hash: the audit log has it', async t => {
  const session = await sealedSession()
  const noted = await hashOf(session)
  await parts.database.updateTable('sessions').set({ recording_hash: null }).where('id', '=', session).execute()
  truncateSync(pathOf(session), framesOf(readFileSync(pathOf(session)))[2]!)
  mark(session)
  await lookLater()
  t.equal(await hashOf(session), null)
  t.match(await tampered(session), [{ noted }])
  await parts.database.deleteFrom('sessions').where('id', '=', session).execute()
  truncateSync(pathOf(session), framesOf(readFileSync(pathOf(session)))[1]!)
  mark(session)
  await lookLater()
  t.equal((await tampered(session)).length, 2, 'and where it has lost the row')
})

t.test('a row whose hash was changed is told of', async t => {
  const session = await sealedSession()
  const found = await hashOf(session)
  await parts.database
    .updateTable('sessions')
    .set({ recording_hash: 'f'.repeat(64) })
    .where('id', '=', session)
    .execute()
  mark(session)
  await lookLater()
  t.match(await tampered(session), [{ noted: found, found, why: /several hashes/ }])
})

t.test('a whole recording with a marker left beside it is only compared', async t => {
  const session = await sealedSession()
  const whole = readFileSync(pathOf(session))
  mark(session)
  await lookLater()
  t.same(await tampered(session), [])
  t.notOk(isMarked(session))
  t.ok(readFileSync(pathOf(session)).equals(whole))
})

t.test('the sealed recording of another session, and no recording at all, are told of', async t => {
  const session = await sealedSession()
  copyFileSync(pathOf(await sealedSession()), pathOf(session))
  mark(session)
  await lookLater()
  t.match(await tampered(session), [{ why: /another recording/ }])
  renameSync(pathOf(session), `${pathOf(session)}.away`)
  mark(session)
  await lookLater()
  t.match((await tampered(session))[1], { found: null, why: /missing/ })
})

t.test('a seal that a dead gateway wrote is noted, once', async t => {
  const session = await leftSession(parts.signer)
  await lookLater()
  await lookLater()
  const verified = await verifyRecording(pathOf(session), key)
  t.match(verified, { ok: true, reason: 'killed' })
  t.equal(await hashOf(session), verified.hash)
  const notes = await parts.sessionRecords.sealNotes(session)
  t.match(notes, [
    { place: 'session', hash: verified.hash },
    { place: 'audit', hash: verified.hash },
  ])
  t.equal(notes.length, 2)
  t.notOk(isMarked(session))
  t.equal(
    await parts.sessions.noteSeal(session, { file: 'x', bytes: 1, hash: 'e'.repeat(64) }),
    false,
    'a second seal cannot be noted',
  )
})

t.test(
  'a seal of another key, of another session or before other bytes is not noted, and the file is left',
  async t => {
    const foreign = await leftSession(createTestSigner())
    const longer = await leftSession(parts.signer)
    writeFileSync(pathOf(longer), 'more', { flag: 'a' })
    const other = await leftSession(parts.signer)
    copyFileSync(pathOf(await sealedSession()), pathOf(other))
    const before = [foreign, longer, other].map(session => readFileSync(pathOf(session)))
    await lookLater()
    for (const [index, session] of [foreign, longer, other].entries()) {
      t.equal(await hashOf(session), null)
      t.ok(readFileSync(pathOf(session)).equals(before[index]!))
      t.match(await tampered(session), [{ noted: null, why: /seal|another session/ }])
      t.notOk(isMarked(session))
    }
  },
)

t.test('what was sealed and then changed is not sealed again, although no hash was noted yet', async t => {
  const session = await leftSession(parts.signer)
  const bytes = readFileSync(pathOf(session))
  const [first, second, seal] = framesOf(bytes) as [number, number, number]
  for (const changed of [
    Buffer.concat([bytes.subarray(0, second), bytes.subarray(seal)]),
    Buffer.concat([bytes.subarray(0, first + 20), Buffer.from('x'), bytes.subarray(first + 21)]),
    Buffer.concat([bytes.subarray(0, seal), Buffer.alloc(300_000), bytes.subarray(seal)]),
  ]) {
    writeFileSync(pathOf(session), changed)
    mark(session)
    await lookLater()
    t.ok(readFileSync(pathOf(session)).equals(changed))
    t.equal(await hashOf(session), null)
  }
  t.match(await tampered(session), [{ why: /was sealed before/ }])
})

t.test('markers of any name and kind hold up nothing, and no link is followed', async t => {
  const left = await leftSession()
  const outside = join(t.testdir({ outside: 'not a recording' }), 'outside')
  for (const name of ['ses_zzzzzzzzzz0000000000000000', '..', 'ses_\n', 'é'.repeat(40), `${left}.sealing.sealing`]) {
    if (name !== '..') writeFileSync(join(folder, 'unsealed', name), '')
  }
  mkdirSync(join(folder, 'unsealed', newId('ses', clock.now())))
  const linked = await leftSession()
  const { mtimeMs } = lstatSync(outside)
  renameSync(markerOf(linked), `${markerOf(linked)}.away`)
  symlinkSync(outside, markerOf(linked))
  await lookLater()
  t.ok(await hashOf(left), 'the one beside them was sealed')
  t.ok(await hashOf(linked), 'a link is as good a marker as any')
  t.notOk(isMarked(linked))
  t.equal(lstatSync(outside).mtimeMs, mtimeMs)
  t.equal(readFileSync(outside, 'utf8'), 'not a recording')
})

t.test('of several gateways that find it one tells', async t => {
  const session = await sealedSession()
  truncateSync(pathOf(session), framesOf(readFileSync(pathOf(session)))[1]!)
  mark(session)
  clock.advance(120_000)
  const { vault, signer, sessions: store, ...rest } = parts
  const others = Array.from({ length: 3 }, () =>
    createMarkedRecordings({
      ...rest,
      store,
      recordings: createRecordings({
        recordingStore: createFolderStore({ folder, clock }),
        seal: vault,
        signer,
        clock,
      }),
    }),
  )
  await Promise.all([parts.reaper.round(), ...others.map(other => other.lookAfter(new Set()))])
  t.equal((await tampered(session)).length, 1)
  t.notOk(isMarked(session))
})

t.test('nothing is sealed through a link', async t => {
  const session = await leftSession()
  const elsewhere = join(t.testdir(), 'elsewhere.rec')
  renameSync(pathOf(session), elsewhere)
  const before = readFileSync(elsewhere)
  symlinkSync(elsewhere, pathOf(session))
  await lookLater()
  t.ok(readFileSync(elsewhere).equals(before))
  t.equal(await hashOf(session), null)
  t.match(await tampered(session), [{ why: /it is a link/ }])

  clock.advance(3 * 24 * 3_600_000)
  const other = await leftSession()
  const day = dirname(pathOf(other))
  renameSync(day, join(dirname(elsewhere), 'day'))
  symlinkSync(join(dirname(elsewhere), 'day'), day)
  await lookLater()
  t.equal(await hashOf(other), null)
  t.match(await tampered(other), [{ why: /folder on the way to it is a link/ }])
})
