/** What earlier versions left in the session records when they were killed is repaired once, and marked as repaired. */

import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createFolderStore } from '../../../../src/recording/store/folder-store.ts'
import { createRecordings } from '../../../../src/recording/store/recordings.ts'
import { newId } from '../../../../src/shared/ids.ts'
import { testSubject } from '../../../support/recording-parts.ts'
import { startScriptedGateway } from '../../../support/scripted-session.ts'

const { gateway, begin } = await startScriptedGateway()
t.teardown(() => gateway.close())
const { parts, clock } = gateway
const { database, audit } = parts
// With Redis a gateway listens for a while before it says who lives.
while ((await parts.cluster.livingGateways()) === undefined) await once(AbortSignal.timeout(200), 'abort')

interface Left {
  readonly lease: 'open' | 'ended'
  /** Undefined: the gateway died between lease and session. */
  readonly session?: { readonly hash: string | null; readonly reason: string }
  readonly events: readonly ('lease.started' | 'lease.ended' | 'session.ended')[]
}

/** Rows and events as the first version left them. */
async function leave({ lease, session: row, events }: Left): Promise<string> {
  const now = clock.now()
  const session = newId('ses', now)
  const id = newId('lea', now)
  const ended_at = lease === 'open' ? null : now
  const common = { user: 'alice', account: 'root', target: 'web-01', started_at: now }
  await database
    .insertInto('leases')
    .values({ id, session, ...common, credential_version: 1, until: now + 1000, ended_at })
    .execute()
  if (row !== undefined) {
    const rest = { gateway: 'gw_old', protocol: 'ssh', role: 'ops', source: '192.0.2.1', details: '{}' }
    const { hash: recording_hash, reason: end_reason } = row
    const recording = parts.recordings.fileOf({ session })
    await database
      .insertInto('sessions')
      .values({
        id: session,
        ...common,
        ...rest,
        state: 'ended',
        ended_at: now,
        end_reason,
        recording,
        recording_hash,
        recording_bytes: 0,
      })
      .execute()
  }
  for (const kind of events) {
    const data = kind === 'session.ended' ? { reason: row?.reason, recording: row?.hash ?? undefined } : { lease: id }
    await audit.append({ kind, actor: 'alice', session, data })
  }
  return session
}

async function recordsOf(session: string): Promise<string[]> {
  const events = await audit.list({ session, limit: 1000 })
  return events.map(({ kind, data }) => `${kind}${JSON.parse(data).mended ? ' (mended)' : ''}`).sort()
}

/** As at a start: everything that was left is a while ago. */
async function nextStart(): Promise<void> {
  clock.advance(60_000)
  // The round that repairs comes at start, and then every so many.
  for (let round = 0; round < 61; round++) await parts.reaper.round()
}

t.test('leases, ends and seals that the audit log never got', async t => {
  const hash = 'a'.repeat(64)
  const ended = { hash, reason: 'killed' }
  const orphan = await leave({ lease: 'open', events: ['lease.started'] })
  const silent = await leave({ lease: 'open', events: [] })
  const halfway = await leave({ lease: 'ended', session: ended, events: ['lease.started'] })
  const untold = await leave({ lease: 'ended', session: ended, events: [] })
  const unsealed = await leave({
    lease: 'ended',
    session: { hash: null, reason: 'connect-failed' },
    events: ['lease.started', 'lease.ended', 'session.ended'],
  })
  const whole = await leave({
    lease: 'ended',
    session: ended,
    events: ['lease.started', 'lease.ended', 'session.ended'],
  })
  await nextStart()
  await nextStart()
  t.same(await recordsOf(orphan), ['lease.ended', 'lease.started'])
  t.same((await recordsOf(silent)).length, 2)
  t.same(await recordsOf(halfway), ['lease.ended (mended)', 'lease.started', 'session.ended (mended)'])
  t.same(await recordsOf(untold), ['lease.ended (mended)', 'lease.started (mended)', 'session.ended (mended)'])
  const told = await audit.list({ session: untold, kind: 'session.ended' })
  t.match(JSON.parse(told[0]!.data), { reason: 'killed', recording: hash })
  t.same(await recordsOf(unsealed), ['lease.ended', 'lease.started', 'session.ended'])
  t.same(await recordsOf(whole), ['lease.ended', 'lease.started', 'session.ended'])
  const open = await database.selectFrom('leases').select('id').where('ended_at', 'is', null).execute()
  t.same(open, [])
})

t.test('a hash that only the row has is told', async t => {
  const session = await leave({
    lease: 'ended',
    session: { hash: null, reason: 'interrupted' },
    events: ['lease.started', 'lease.ended', 'session.ended'],
  })
  await database
    .updateTable('sessions')
    .set({ recording_hash: 'b'.repeat(64) })
    .where('id', '=', session)
    .execute()
  await nextStart()
  t.match(await parts.sessionRecords.sealNotes(session), [
    { place: 'session' },
    { place: 'audit', hash: 'b'.repeat(64) },
  ])
})

t.test('a recording that was sealed and noted nowhere is noted, with the reason that its seal gives', async t => {
  const session = await leave({
    lease: 'ended',
    session: { hash: null, reason: 'interrupted' },
    events: ['lease.started', 'lease.ended', 'session.ended'],
  })
  const { folder } = gateway.config.recording
  mkdirSync(join(folder, 'unsealed'), { recursive: true })
  const dead = createRecordings({
    recordingStore: createFolderStore({ folder, clock }),
    seal: parts.vault,
    signer: parts.signer,
    clock,
  })
  const recorder = await dead.open({ ...testSubject(clock.now()), session })
  const { hash } = await recorder.seal('killed')
  // The first version took the marker away with the seal.
  await dead.noted(session)
  await nextStart()
  await nextStart()
  t.match(await parts.sessions.get(session), { recording_hash: hash, end_reason: 'killed' })
  t.match(await audit.list({ session, kind: 'recording.seal-noted' }), { length: 1 })
})

t.test('a session of this version is not touched', async t => {
  const { id, over } = begin({ relaying: async () => undefined })
  await over
  const before = await recordsOf(id)
  await nextStart()
  t.same(await recordsOf(id), before)
})
