import t from 'tap'
import { createRecordings } from '../../../src/recording/store/recordings.ts'
import { createMemoryStore } from '../../support/memory-store.ts'
import {
  collect,
  createTestClock,
  createTestSealer,
  createTestSigner,
  readable,
  testSubject,
} from '../../support/recording-parts.ts'

const BYTES = Buffer.from('hello')

function start() {
  const clock = createTestClock()
  const memory = createMemoryStore(() => clock.now())
  const keys = { seal: createTestSealer(), signer: createTestSigner(), clock }
  const gateway = () => createRecordings({ recordingStore: memory.store, ...keys })
  return { memory, clock, gateway, subject: testSubject() }
}

t.test(
  'recordings lie wherever the store keeps them: written, followed, sealed, read, verified, given away',
  async t => {
    const { memory, gateway, subject } = start()
    const recordings = gateway()
    const recorder = await recordings.open(subject)
    const followed = collect(recordings.tap(subject.session)!)
    recorder.stream('output', 1, BYTES)
    const sealed = await recorder.seal('client-closed')
    t.equal(sealed.file, memory.nameOf(subject.session))
    t.match((await collect(await recordings.read(subject.session))).map(readable), [{ type: 'output', bytes: 'hello' }])
    t.match(await recordings.verify(subject.session), { ok: true, hash: sealed.hash })
    const kept = memory.kept.get(sealed.file)!.bytes
    t.ok(Buffer.concat(await followed).equals(kept), 'whoever follows gets all of it')
    const file = await recordings.openFile(subject.session)
    t.ok(Buffer.concat(await collect(file.bytesFrom())).equals(kept))
  },
)

t.test('what was left unfinished in a store is sealed by the next gateway, and what is cut off is kept', async t => {
  const { memory, clock, gateway, subject } = start()
  const recorder = await gateway().open(subject)
  recorder.stream('output', 1, BYTES)
  recorder.flush()
  await recorder.progress()
  const one = memory.kept.get(memory.nameOf(subject.session))!
  one.bytes = Buffer.concat([one.bytes, Buffer.from('torn')])
  t.same(await gateway().findUnsealed(), [], 'its owner touched it a moment ago')

  clock.move(60_000)
  const next = gateway()
  t.match(await next.findUnsealed(), [{ session: subject.session }])
  const sealed = await next.sealInterrupted({ session: subject.session })
  t.match(sealed, { reason: 'interrupted', file: memory.nameOf(subject.session) })
  t.equal(await next.sealInterrupted({ session: subject.session }), undefined, 'one takes it up')
  await next.noted(subject.session)
  t.same(await next.findUnsealed(), [])
  t.match(await next.verify(subject.session), { ok: true, cutBytes: 4 })
  t.equal(memory.kept.get(memory.torn(subject.session))!.bytes.toString(), 'torn')
})

t.test('what never became a recording is put aside', async t => {
  const { memory, clock, gateway, subject } = start()
  await memory.store.markers.make(subject.session)
  await memory.store.create(subject.session, Buffer.from('SALLY'))
  clock.move(60_000)
  t.equal(await gateway().sealInterrupted({ session: subject.session }), undefined)
  t.same([...memory.kept.keys()], [memory.torn(subject.session)])
  t.same(await gateway().findUnsealed(), [])
  await t.rejects(gateway().openFile(subject.session), { code: 'NOT_FOUND' })
})
