/** One session after the other, each with one thing wrong that a real gateway does not do any more. */

import t from 'tap'
import type { AuditRow } from '../../../src/audit/chain/chain.ts'
import type { LeaseTable, SessionTable } from '../../../src/database/schema.ts'
import { examine } from '../../../src/evidence/doctor/examine.ts'
import type { SessionFacts } from '../../../src/evidence/doctor/facts.ts'
import { recordingFile } from '../../../src/recording/store/paths.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
const LONG_AGO = NOW - 3_600_000
const session = 'ses_01m8epm2zwhhd1dt3qcb7rwrvr'
const hash = 'a'.repeat(64)
const living = new Set(['gw_1'])

const lease: LeaseTable = {
  ...{ id: 'lea_1', session, user: 'alice', account: 'root', target: 'web-01', credential_version: 1 },
  ...{ started_at: LONG_AGO, until: NOW, ended_at: LONG_AGO + 1000, check_out: null },
}
const row = {
  ...{ id: session, gateway: 'gw_1', protocol: 'ssh', user: 'alice', account: 'root', target: 'web-01', role: 'ops' },
  ...{ source: '192.0.2.1', state: 'ended', started_at: LONG_AGO, ended_at: LONG_AGO + 1000, end_reason: 'killed' },
  ...{ recording: recordingFile(session), recording_hash: hash, recording_bytes: 500, details: '{}' },
} as SessionTable
let seq = 0
const event = (kind: string, data: object, actor = 'alice'): AuditRow => ({
  ...{ seq: ++seq, at: LONG_AGO, gateway: 'gw_1', kind, actor, session },
  ...{ data: JSON.stringify(data), previous: '', hash: '', signature: '' },
})
const leaseStarted = event('lease.started', { lease: 'lea_1', account: 'root@web-01' })
const started = event('session.started', { account: 'root@web-01', role: 'ops' })
const leaseEnded = event('lease.ended', { lease: 'lea_1' })
const ended = event('session.ended', { reason: 'killed', recording: hash, bytes: 500 })
const whole: SessionFacts = {
  ...{ session, row, leases: [lease], events: [leaseStarted, started, leaseEnded, ended], waiting: [] },
  file: { session, file: 'x', bytes: 500, touchedAt: LONG_AGO },
}
const codes = (facts: Partial<SessionFacts>, present: { living: ReadonlySet<string> | undefined } = { living }) =>
  examine({ ...whole, ...facts }, { now: NOW, ...present })
    .map(({ code }) => code)
    .toSorted()
const without = (gone: AuditRow) => whole.events.filter(each => each !== gone)

t.test('a session as it should be has no finding', async t => {
  t.same(codes({}), [])
})

t.test('what is open is no finding while its gateway lives, or nobody knows whether', async t => {
  const open = {
    row: { ...row, state: 'active', ended_at: null, end_reason: null, recording_hash: null },
    events: [leaseStarted, started],
  }
  const unended = { ...open, leases: [{ ...lease, ended_at: null }] }
  t.same(codes(unended), [])
  t.same(codes(unended, { living: new Set() }), ['session-unfinished'])
  t.same(codes(unended, { living: undefined }), [])
  const fresh = { ...unended, file: { ...whole.file!, touchedAt: NOW - 1000 } }
  t.same(codes(fresh, { living: new Set() }), [], 'it wrote a moment ago')
  t.same(codes({ ...unended, events: [leaseStarted, started, ended] }).includes('session-changed'), true)
})

t.test('what is doubled is named', async t => {
  t.same(codes({ events: [...whole.events, event('session.started', { account: 'root@web-01' })] }), [
    'session-start-doubled',
  ])
  t.same(codes({ events: [...whole.events, event('lease.ended', { lease: 'lea_1' })] }), ['lease-end-doubled'])
  t.same(codes({ events: [...whole.events, event('session.ended', { reason: 'killed' })] }), ['session-end-doubled'])
  const other = event('recording.sealed-as-interrupted', { hash: 'b'.repeat(64), bytes: 500 })
  t.same(codes({ events: [...whole.events, other] }), ['seal-doubled'])
  t.same(codes({ events: [...whole.events, event('recording.seal-noted', { hash, bytes: 500 })] }), ['seal-doubled'])
})

t.test('what is over and open is named', async t => {
  t.same(codes({ leases: [{ ...lease, ended_at: null }], events: whole.events }), ['lease-open'])
  const orphan = { row: undefined, events: [leaseStarted], file: undefined }
  t.same(codes({ ...orphan, leases: [{ ...lease, ended_at: null }] }), ['lease-open'])
  t.same(codes({ ...orphan, leases: [{ ...lease, ended_at: null, started_at: NOW }] }), [], 'it has just begun')
  const unsealed = {
    row: { ...row, recording_hash: null },
    events: [leaseStarted, started, leaseEnded, event('session.ended', { reason: 'killed' })],
  }
  t.same(codes(unsealed), ['recording-unsealed'])
  t.same(codes({ ...unsealed, file: undefined }), ['recording-missing'])
  t.same(codes({ ...unsealed, file: { ...whole.file!, touchedAt: NOW } }), [], 'it is about to be sealed')
})

t.test('events that wait for their place are no finding, unless they wait for long', async t => {
  const events = without(ended)
  t.same(codes({ events }), ['seal-untold', 'session-end-untold'])
  t.same(codes({ events, waiting: [{ kind: 'session.ended', at: NOW - 1000 }] }), [])
  t.same(codes({ events, waiting: [{ kind: 'session.ended', at: LONG_AGO }] }), ['seal-untold', 'session-end-untold'])
})

t.test('rows that are gone are named by what the audit log has', async t => {
  t.same(codes({ row: undefined }), ['session-missing'])
  t.same(codes({ row: undefined, leases: [] }), ['lease-missing', 'session-missing'])
  t.same(codes({ row: undefined, leases: [], events: [leaseStarted], file: undefined }), ['lease-missing'])
  t.same(codes({ row: undefined, leases: [], events: [] }), ['recording-foreign'])
})

t.test('an event whose data somebody broke breaks nothing here', async t => {
  t.ok(codes({ events: [...without(ended), { ...ended, data: '{' }] }).includes('seal-untold'))
})

t.test('whatever the row says otherwise than the audit log is named', async t => {
  const changes = [{ user: 'bob' }, { account: 'dba' }, { target: 'db-01' }, { role: 'admin' }, { end_reason: 'idle' }]
  for (const change of [...changes, { recording: 'y' }]) {
    t.same(codes({ row: { ...row, ...change } }), ['session-changed'], JSON.stringify(change))
  }
})
