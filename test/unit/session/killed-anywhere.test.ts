/**
 * A gateway that is killed between any two steps of a session leaves session records that are right within a minute of the next start: of
 * each session one start and end of its lease, one end, one seal, and the reason that was true.
 */

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { createFolderStore } from '../../../src/recording/store/folder-store.ts'
import { createRecordings, type Recordings } from '../../../src/recording/store/recordings.ts'
import type { SessionBroker } from '../../../src/session/broker/broker.ts'
import { createLiveSessions } from '../../../src/session/live/live-sessions.ts'
import { endSession } from '../../../src/session/records/end-session.ts'
import { createPendingWrites } from '../../../src/session/records/pending-writes.ts'
import { createSessionChanges } from '../../../src/session/records/session-changes.ts'
import { createSessionRecords } from '../../../src/session/records/session-records.ts'
import { createSessionStore } from '../../../src/session/records/session-store.ts'
import { createMarkedRecordings } from '../../../src/session/recovery/marked-recordings.ts'
import { createReaper } from '../../../src/session/recovery/reaper.ts'
import { createRecordsRepair } from '../../../src/session/recovery/repair-records.ts'
import { finalizeSession } from '../../../src/session/steps/finalize-session.ts'
import { newId } from '../../../src/shared/ids.ts'
import { createLog } from '../../../src/shared/log.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { KeyEncryptionKey } from '../../../src/vault/key-encryption-key.ts'
import type { Lease, PromisedLease } from '../../../src/vault/lease.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { Crash, openCrashing } from '../../support/crashing-database.ts'
import { postgresDatabase, stopStores } from '../../support/each-store.ts'
import { anyTarget, grantFor } from '../../support/identity-parts.ts'
import { recordProblems } from '../../support/record-problems.ts'
import { createTestClock, type TestClock, testSubject } from '../../support/recording-parts.ts'

t.teardown(stopStores)

/** Its bytes are wiped when they are taken. */
const vaultKey = () => new KeyEncryptionKey(Buffer.alloc(32, 7))
const log = createLog('silent')

/** A gateway's parts that keep session records, on this store and folder. */
async function createWorld(database: Database, folder: string, clock: TestClock, crash = new Crash(0)) {
  const gateway = newId('gw', clock.now())
  const vault = await createVault({ database, key: vaultKey(), clock, targets: anyTarget })
  const signer = await vault.signingKey()
  const recordings = dying(
    createRecordings({ recordingStore: createFolderStore({ folder, clock }), seal: vault, signer, clock }),
    crash,
  )
  const audit = createAuditLog({ database, signer, gateway, clock })
  const sessions = createSessionStore({ database, clock, gateway })
  const outbox = createOutbox({ database, gateway, clock })
  const changes = createSessionChanges({
    ...{ outbox, audit, sessions, vault, log },
    accountUse: { lend: async () => ({}) },
    useRequest: async () => undefined,
    leasesEnded: async () => undefined,
  })
  const sessionRecords = createSessionRecords({ database, sessions, publicKeyPem: signer.publicKeyPem })
  const metrics = createMetrics()
  const pendingWrites = createPendingWrites({ log })
  const cluster = createLocalCluster({ clock, gateway })
  const live = await createLiveSessions({ cluster, clock, log })
  const marked = createMarkedRecordings({ recordings, store: sessions, changes, sessionRecords, audit, metrics, log })
  const recordsRepair = createRecordsRepair({ outbox, vault, sessions, recordings, clock, log })
  const reaper = createReaper({
    ...{
      cluster,
      gateways: undefined,
      store: sessions,
      moderated: { removeLeft: async () => undefined },
      live,
      marked,
      changes,
      recordings,
      vault,
      recordsRepair,
      audit,
      pendingWrites,
    },
    ...{ clock, log },
  })
  async function close(): Promise<void> {
    await reaper.close()
    await live.close()
  }
  return {
    gateway,
    vault,
    signer,
    recordings,
    audit,
    sessions,
    changes,
    sessionRecords,
    metrics,
    pendingWrites,
    reaper,
    clock,
    close,
    log,
  }
}
type World = Awaited<ReturnType<typeof createWorld>>

/** Recordings whose every step may be the last. */
function dying(recordings: Recordings, crash: Crash): Recordings {
  const step =
    <A extends unknown[], T>(act: (...values: A) => Promise<T>) =>
    (...values: A) =>
      crash.around(() => act(...values))
  return {
    ...recordings,
    async open(...of) {
      const recorder = await crash.around(() => recordings.open(...of))
      const seal = step((reason: string) => recorder.seal(reason))
      return new Proxy(recorder, {
        get: (target, name) => (name === 'seal' ? seal : bound(target, name)),
      })
    },
    sealInterrupted: step(recordings.sealInterrupted),
    sealOf: step(recordings.sealOf),
    compare: step(recordings.compare),
    noted: step(recordings.noted),
    release: step(recordings.release),
    mark: step(recordings.mark),
  }
}

function bound(target: object, name: string | symbol): unknown {
  const value = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

const carrier = { closed: true, writableFinished: true, once: () => undefined, destroy: () => undefined }
const sides = { downstream: { carrier }, upstream: { carrier } }

/** What the pipeline does of a session's records, from the grant to the end. */
async function runSession(
  { gateway, vault, recordings, changes, metrics, pendingWrites, clock }: World,
  session: string,
) {
  const promised = (await vault.lease(grantFor({ session, endsAt: clock.now() + 3_600_000 }))) as PromisedLease
  const facts = { source: '192.0.2.1', recording: recordings.fileOf({ session }), details: {} }
  await changes.begin(promised, facts)
  const lease = promised.open() as Lease
  const recorder = await recordings.open({ ...testSubject(clock.now()), session, gateway })
  await changes.activate(lease.grant, {})
  recorder.fact({ type: 'notice', text: 'hello' })
  const end: SessionBroker['end'] = ({ session }, ending) =>
    endSession({ recordings, changes, pendingWrites }, { session, user: 'alice' }, ending)
  await finalizeSession({ broker: { end }, recordings, metrics, log }, lease, recorder, { reason: 'killed', sides })
}

interface Place {
  readonly url: string
  readonly folder: string
  readonly clock: TestClock
  /** Ends what a dead process still holds of the store. */
  forget(): Promise<void>
}

/** Lets a process do this until it dies by the crash. True when it came to its end first. */
async function until(place: Place, crash: Crash, act: (world: World) => Promise<unknown>): Promise<boolean> {
  const database = openCrashing(place.url, crash)
  const world = await createWorld(database, place.folder, place.clock, crash)
  crash.armed = true
  const over = await Promise.race([crash.dead, act(world).then(() => 'over')])
  if (over === 'over') await world.close()
  await (place.url.startsWith('sqlite:') || over === 'over' ? database.destroy() : place.forget())
  return over === 'over'
}

/** Starts a gateway that is not killed, and lets a minute pass. */
async function nextStart(place: Place, check: (world: World, database: Database) => Promise<void>): Promise<void> {
  const database = await openDatabase(place.url)
  place.clock.move(500)
  const world = await createWorld(database, place.folder, place.clock)
  for (let seconds = 0; seconds < 60; seconds += 5) {
    await world.reaper.round()
    place.clock.move(5000)
  }
  await check(world, database)
  await world.close()
  await world.audit.close()
  await database.destroy()
}

async function checkRecords(t: Test, { folder }: Place, { audit, signer }: World, database: Database, at: string) {
  const { publicKeyPem } = signer
  t.same(await recordProblems({ database, folder, publicKeyPem }), [], `killed ${at}`)
  t.match(await audit.verify(), { ok: true })
}

async function prepare(url: string): Promise<void> {
  const database = await openDatabase(url)
  const vault = await createVault({ database, key: vaultKey(), clock: createTestClock(), targets: anyTarget })
  const material = { kind: 'password', password: new Secret('of root') } as const
  await vault.setCredential({ account: 'root', target: 'web-01' }, material, 'owner')
  await vault.signingKey()
  await database.destroy()
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-killed-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const template = join(folder, 'template.db')
await prepare(`sqlite:${template}`)

function sqlitePlace(): Place {
  const own = mkdtempSync(join(folder, 'place-'))
  copyFileSync(template, join(own, 'store.db'))
  const clock = createTestClock(Date.now())
  return {
    url: `sqlite:${join(own, 'store.db')}`,
    folder: join(own, 'recordings'),
    clock,
    forget: async () => undefined,
  }
}

t.test('killed at any step of a session', async t => {
  for (let at = 1, over = false; !over; at++) {
    const place = sqlitePlace()
    const session = newId('ses', place.clock.now())
    const crash = new Crash(at)
    over = await until(place, crash, world => runSession(world, session))
    await nextStart(place, (world, database) => checkRecords(t, place, world, database, `at step ${at}`))
    if (over) t.ok(crash.steps > 40, `${crash.steps} steps`)
  }
})

t.test('killed at a step of the session, and again at any step of what looks after it', async t => {
  // Behind the lease, the recording, the start, the seal and the end, each carried out and not answered.
  for (const first of [12, 28, 50, 52, 62]) {
    for (let at = 1, over = false; !over; at += 7) {
      const place = sqlitePlace()
      const session = newId('ses', place.clock.now())
      await until(place, new Crash(first), world => runSession(world, session))
      place.clock.move(30_000)
      over = await until(place, new Crash(at), async world => {
        await world.reaper.round()
        place.clock.move(15_000)
        await world.reaper.round()
      })
      const moment = `at step ${first}, and then at step ${at}`
      await nextStart(place, (world, database) => checkRecords(t, place, world, database, moment))
    }
  }
})

t.test('killed on PostgreSQL', async t => {
  for (let at = 1, over = false; !over; at += 9) {
    const url = await postgresDatabase()
    await prepare(url)
    const clock = createTestClock(Date.now())
    const own = mkdtempSync(join(folder, 'place-'))
    async function forget(): Promise<void> {
      const database = await openDatabase(url)
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
        database,
      )
      await database.destroy()
    }
    const place: Place = { url, folder: join(own, 'recordings'), clock, forget }
    const session = newId('ses', clock.now())
    over = await until(place, new Crash(at), world => runSession(world, session))
    await nextStart(place, (world, database) => checkRecords(t, place, world, database, `at step ${at}`))
  }
})
