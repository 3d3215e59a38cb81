/** Each kind of damage to rows, leases, audit events and recordings is planted, and the doctor names it by its code. */

import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { newId } from '../../../src/shared/ids.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { createTestRecordings, testSubject } from '../../support/recording-parts.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startScriptedGateway } from '../../support/scripted-session.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const { gateway, begin } = await startScriptedGateway()
t.teardown(() => gateway.close())
const { parts, clock, config } = gateway
const { database, audit, recordings } = parts
const pathOf = (session: string) => join(config.recording.folder, recordings.fileOf({ session }))

interface Report {
  sessions: number
  findings: number
  counts: Record<string, number>
  recordingsRead: number
  found: { code: string; session: string | null; what: string; next: string }[]
}

async function doctor(...words: string[]): Promise<Report & { exit: number }> {
  const result = await asOwner(gateway, ['doctor', '--json', ...words])
  if (result.stdout === '') throw new Error(result.stderr)
  return { ...result.json<Report>(), exit: result.exit }
}

/** A whole session. */
async function session(): Promise<string> {
  const { id, over } = begin({ relaying: async () => undefined })
  await over
  return id
}

const codesOf = (report: Report, id: string | null) =>
  report.found.filter(({ session }) => session === id).map(({ code }) => code)

/** Plants damage on a session of its own; nothing else may be found. What was done is undone by what `damage` gives. */
async function named(
  t: Test,
  codes: string[],
  damage: (id: string) => Promise<(() => unknown) | undefined>,
  ...words: string[]
) {
  const id = await session()
  const undo = await damage(id)
  const report = await doctor(...words)
  t.same(codesOf(report, id).toSorted(), codes.toSorted())
  t.equal(report.findings, codes.length, JSON.stringify(report.found))
  t.equal(report.exit, 1)
  t.ok(report.found.every(({ what, next }) => what !== '' && next !== ''))
  await undo?.()
  t.equal((await doctor(...words)).findings, 0, 'and well again')
}

const rowOf = (id: string) => database.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const leaseOf = (id: string) =>
  database.selectFrom('leases').selectAll().where('session', '=', id).executeTakeFirstOrThrow()
const eventOf = async (id: string, kind: string) =>
  database
    .selectFrom('audit_events')
    .selectAll()
    .where('session', '=', id)
    .where('kind', '=', kind)
    .executeTakeFirstOrThrow()

async function changeRow(id: string, change: object) {
  const before = await rowOf(id)
  await database.updateTable('sessions').set(change).where('id', '=', id).execute()
  return () => database.updateTable('sessions').set(before).where('id', '=', id).execute()
}

/** Takes an event out of the log behind the back of its chain. */
async function withoutEvent(id: string, kind: string) {
  await audit.flush()
  const event = await eventOf(id, kind)
  await database.deleteFrom('audit_events').where('seq', '=', event.seq).execute()
  return () => database.insertInto('audit_events').values(event).execute()
}

t.test('where all is as it should be, nothing is found, whatever goes on', async t => {
  const going = Promise.withResolvers<void>()
  const relaying = Promise.withResolvers<void>()
  const live = begin({
    relaying() {
      relaying.resolve()
      return going.promise
    },
  })
  await relaying.promise
  const connecting = Promise.withResolvers<void>()
  const waits = Promise.withResolvers<void>()
  const half = begin({
    connecting() {
      connecting.resolve()
      return waits.promise
    },
    relaying: async () => undefined,
  })
  await connecting.promise
  const failed = begin({ connecting: () => Promise.reject(new Error('no')) })
  await failed.over
  for (let i = 0; i < 3; i++) await session()
  t.match(await doctor(), { exit: 0, findings: 0, sessions: 6 })
  const text = await asOwner(gateway, ['doctor', '--full'])
  t.match(text, { exit: 0, stdout: /^well: 6 sessions, 3 recordings read\.\n$/ })
  going.resolve()
  waits.resolve()
  await Promise.all([live.over, half.over])
  t.match(await doctor('--full'), { exit: 0, findings: 0 })
})

t.test('sessions that begin and end while it looks are no findings', async t => {
  let ended = false
  const sessions = (async () => {
    for (let i = 0; i < 15; i++) await session()
    ended = true
  })()
  while (!ended) t.equal((await doctor()).findings, 0)
  await sessions
})

t.test('damage to rows', async t => {
  await t.test('a deleted session', t =>
    named(t, ['session-missing'], async id => {
      const row = await rowOf(id)
      await database.deleteFrom('sessions').where('id', '=', id).execute()
      return () => database.insertInto('sessions').values(row).execute()
    }),
  )
  await t.test('another user', t => named(t, ['session-changed'], id => changeRow(id, { user: 'mallory' })))
  await t.test('another target', t => named(t, ['session-changed'], id => changeRow(id, { target: 'db-01' })))
  await t.test('another reason', t => named(t, ['session-changed'], id => changeRow(id, { end_reason: 'idle' })))
  await t.test('another hash', t => named(t, ['seal-differs'], id => changeRow(id, { recording_hash: 'f'.repeat(64) })))
  await t.test('a deleted lease', t =>
    named(t, ['lease-missing'], async id => {
      const row = await leaseOf(id)
      await database.deleteFrom('leases').where('session', '=', id).execute()
      return () => database.insertInto('leases').values(row).execute()
    }),
  )
  await t.test('a doubled lease that nobody was told of', t =>
    named(t, ['lease-doubled', 'lease-untold', 'lease-end-untold'], async id => {
      const row = { ...(await leaseOf(id)), id: newId('lea', clock.now()) }
      await database.insertInto('leases').values(row).execute()
      return () => database.deleteFrom('leases').where('id', '=', row.id).execute()
    }),
  )
  await t.test('a row that is no session', async t => {
    const row = { ...(await rowOf(await session())), id: 'zzz' }
    await database.insertInto('sessions').values(row).execute()
    const report = await doctor()
    t.same(
      report.found.map(({ code }) => code),
      ['row-foreign'],
    )
    await database.deleteFrom('sessions').where('id', '=', 'zzz').execute()
  })
})

t.test('damage to the audit log', async t => {
  const codes = {
    'session.ended': ['session-end-untold', 'seal-untold'],
    'lease.ended': ['lease-end-untold'],
    'lease.started': ['lease-untold'],
  }
  for (const [kind, expected] of Object.entries(codes)) {
    await t.test(`no ${kind}`, async t => {
      const id = await session()
      const undo = await withoutEvent(id, kind)
      const report = await doctor()
      t.same(codesOf(report, id).toSorted(), expected.toSorted())
      t.same(codesOf(report, null), ['audit-broken'], 'the chain is broken as well')
      await undo()
      t.equal((await doctor()).findings, 0)
    })
  }
  await t.test('an event that was changed, also one before what the last round saw', async t => {
    const id = await session()
    const { seq, data } = await eventOf(id, 'session.started')
    await doctorRound(t)
    const change = (text: string) =>
      database.updateTable('audit_events').set({ data: text }).where('seq', '=', seq).execute()
    await change(data.replace('ops', 'own'))
    const report = await doctor('--full')
    t.same(codesOf(report, id).toSorted(), ['event-altered', 'session-changed'])
    t.same(codesOf(report, null), ['audit-broken'])
    await change(data)
    t.equal((await doctor('--full')).findings, 0)
  })
})

/** A round that is due. */
async function doctorRound(t: Test): Promise<void> {
  clock.advance(config.doctor.everyMs)
  t.equal(await gateway.doctorRounds.look(), true)
}

t.test('damage to recordings', async t => {
  const kept = mkdtempSync(join(tmpdir(), 'sallyport-kept-'))
  t.teardown(() => rmSync(kept, { recursive: true }))
  /** Changes a file, and brings it back later. */
  const onFile = (change: (path: string) => unknown) => async (id: string) => {
    const path = pathOf(id)
    copyFileSync(path, join(kept, id))
    await change(path)
    return () => copyFileSync(join(kept, id), path)
  }
  await t.test('deleted', t =>
    named(
      t,
      ['recording-missing'],
      onFile(path => rmSync(path)),
    ),
  )
  await t.test('cut', t =>
    named(
      t,
      ['recording-cut'],
      onFile(path => truncateSync(path, readFileSync(path).length - 10)),
    ),
  )
  await t.test('longer', t =>
    named(
      t,
      ['recording-altered'],
      onFile(path => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(5)]))),
    ),
  )
  const flip = (path: string) => {
    const bytes = readFileSync(path)
    bytes[bytes.length - 70]! ^= 1
    writeFileSync(path, bytes)
  }
  await t.test('altered, to be found by reading it', t => named(t, ['recording-altered'], onFile(flip), '--full'))
  await t.test('replaced by that of another session', async t => {
    const other = await session()
    await named(
      t,
      ['recording-replaced'],
      onFile(path => copyFileSync(pathOf(other), path)),
      '--full',
    )
  })
  await t.test('a second copy', t =>
    named(t, ['recording-doubled'], async id => {
      const copy = join(dirname(dirname(pathOf(id))), `${id}.rec`)
      cpSync(pathOf(id), copy)
      return () => rmSync(copy)
    }),
  )
  await t.test('foreign', async t => {
    const { recordings, pathOf, ...rest } = createTestRecordings(config.recording.folder)
    const subject = testSubject(rest.clock.now())
    await (await recordings.open(subject)).seal('client-closed')
    await recordings.noted(subject.session)
    const stray = join(config.recording.folder, 'notes.rec')
    writeFileSync(stray, 'hello')
    const report = await doctor()
    t.same(report.found.map(({ code, session }) => [code, session]).toSorted(), [
      ['recording-foreign', null],
      ['recording-foreign', subject.session],
    ])
    rmSync(pathOf(subject.session))
    rmSync(stray)
    t.equal((await doctor()).findings, 0)
  })
})

t.test('with --since only what came since is looked at', async t => {
  const old = await session()
  renameSync(pathOf(old), `${pathOf(old)}.gone`)
  clock.advance(3_600_000)
  const since = new Date(clock.now()).toISOString()
  await session()
  t.match(await doctor('--since', since), { exit: 0, sessions: 1 })
  t.same(codesOf(await doctor(), old), ['recording-missing'])
  renameSync(`${pathOf(old)}.gone`, pathOf(old))
})

t.test('the lease of a check-out is neither missed by the doctor nor ended by the reaper', async t => {
  const lease = await leaseOf(await session())
  const checkOut = {
    ...lease,
    id: 'lea_of_a_check_out',
    session: '',
    check_out: 'out_1',
    started_at: 1,
    ended_at: null,
  }
  await database.insertInto('leases').values(checkOut).execute()
  await parts.reaper.round()
  t.equal((await doctor()).findings, 0)
  const row = () => database.selectFrom('leases').selectAll().where('id', '=', checkOut.id).executeTakeFirst()
  t.match(await row(), { ended_at: null })
  await database.deleteFrom('leases').where('id', '=', checkOut.id).execute()
})

t.test('the daily round is made by one of several gateways, and all show what it found', async t => {
  const damaged = await session()
  rmSync(pathOf(damaged))
  const beside = gateway.config.database.startsWith('postgres')
    ? await startTestGateway({ beside: gateway })
    : undefined
  t.teardown(() => beside?.close())
  clock.advance(config.doctor.everyMs)
  const both = await Promise.all([gateway.doctorRounds.look(), beside?.doctorRounds.look() ?? false])
  t.same(both.toSorted(), [false, true])
  t.equal(await gateway.doctorRounds.look(), false, 'and not again on the same day')
  await beside?.doctorRounds.look()
  for (const one of beside === undefined ? [gateway] : [gateway, beside]) {
    const metrics = await one.parts.metrics.registry.metrics()
    t.match(metrics, /sallyport_doctor_findings\{kind="recording-missing"\} 1\n/)
    t.match(metrics, /sallyport_doctor_findings\{kind="lease-open"\} 0\n/)
    t.match(metrics, /sallyport_doctor_round_timestamp_seconds 1\d{9}/)
  }
  const [told] = (await audit.list({ kind: 'doctor.round' })).slice(-1)
  t.match(JSON.parse(told!.data), {
    findings: 1,
    counts: { 'recording-missing': 1 },
    first: [{ code: 'recording-missing', session: damaged }],
  })
  const logs = [...gateway.logLines, ...(beside?.logLines ?? [])].join('')
  t.match(logs, /doctor: its recording \(\d+ bytes\) is not in the folder/)
})

t.test('rounds read the recordings in shares, one after the other', async t => {
  const { readAtMostBytes } = config.doctor
  t.ok(readAtMostBytes > 0)
  const [told] = (await audit.list({ kind: 'doctor.round' })).slice(-1)
  t.ok(JSON.parse(told!.data).recordingsRead > 3)
  t.equal((await gateway.doctorRounds.state()).readUpTo, '', 'all were read')
  t.ok((await gateway.doctorRounds.state()).chain.seq > 0)
})

t.test('what the store says of a credential’s version is held against what was sealed', async t => {
  await gateway.addTarget({ name: 'vaulted', protocol: 'ssh', host: '192.0.2.7', accounts: [{ name: 'root' }] })
  await parts.vault.setCredential(
    { account: 'root', target: 'vaulted' },
    { kind: 'password', password: new Secret('hush') },
    'owner',
  )
  const row = database.updateTable('credentials').where('target', '=', 'vaulted')
  await row.set({ created_by: 'mallory' }).execute()
  const altered = async () => (await doctor()).found.filter(({ code }) => code === 'history-altered')
  t.match(await altered(), [{ session: null, what: 'version 1 of root@vaulted: its row says another created_by' }])
  const history = await asOwner(gateway, ['--no-color', 'credential', 'history', 'root@vaulted'])
  t.match(history, { stdout: /altered .* owner/, stderr: /Somebody changed what the store says/ })
  await row.set({ created_by: 'owner' }).execute()
  t.same(await altered(), [])
})
