/** Whatever is missing where, each session is seen once, in order, with all that there is of it: over many pages, on both stores. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { link } from '../../../src/audit/chain/chain.ts'
import { type SessionFacts, sessionFacts } from '../../../src/evidence/doctor/facts.ts'
import { recordingFile } from '../../../src/recording/store/paths.ts'
import { newId } from '../../../src/shared/ids.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)

const COUNT = 1300

eachStore(t, 'sessions of many pages are put together', async (t, store) => {
  const database = await store.open()
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-facts-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const start = Date.UTC(2026, 9, 1)
  // Several in a millisecond, over many days.
  const ids = Array.from({ length: COUNT }, (_, i) => newId('ses', start + Math.floor(i / 3) * 3_600_000)).toSorted()
  const has = (i: number, what: number) => (i * 7 + 3) % 16 !== 0 && ((i * 2654435761) >>> (what * 4)) % 4 !== 0
  const signer = testSigner()
  const rows = ids.filter((_, i) => has(i, 0))
  const leases = ids.flatMap((id, i) => (has(i, 1) ? Array.from({ length: i % 50 === 0 ? 3 : 1 }, () => id) : []))
  const events = ids.filter((_, i) => has(i, 2)).flatMap(id => [id, id, id])
  const files = ids.filter((_, i) => has(i, 3))
  const common = { user: 'alice', account: 'root', target: 'web-01', started_at: start }
  const session = {
    gateway: 'gw_1',
    protocol: 'ssh',
    role: 'ops',
    source: '',
    state: 'ended',
    ended_at: 1,
    end_reason: 'killed',
    recording: '',
    details: '{}',
  }
  const insert = async <T>(all: T[], into: (some: T[]) => Promise<unknown>) => {
    for (let at = 0; at < all.length; at += 50) await into(all.slice(at, at + 50))
  }
  await insert(rows.toReversed(), some =>
    database
      .insertInto('sessions')
      .values(some.map(id => ({ id, ...common, ...session, recording_hash: null, recording_bytes: 0 })))
      .execute(),
  )
  await insert(leases.toReversed(), some =>
    database
      .insertInto('leases')
      .values(
        some.map(id => ({
          id: newId('lea', start),
          session: id,
          ...common,
          credential_version: 1,
          until: 1,
          ended_at: 1,
        })),
      )
      .execute(),
  )
  let head = { seq: 0, hash: '' }
  const linked = events.toReversed().map((id, i) => {
    const kind = ['session.ended', 'lease.started', 'login.accepted'][i % 3]!
    const row = link(head, { at: 1, gateway: 'gw_1', kind, actor: 'alice', session: id, data: '{}' }, signer)
    head = row
    return row
  })
  await insert(linked, some => database.insertInto('audit_events').values(some).execute())
  for (const id of files) {
    const path = join(folder, recordingFile(id))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, id)
  }

  const seen: SessionFacts[] = []
  for await (const facts of sessionFacts({ database, folder }, {}, finding => t.fail(finding.what))) seen.push(facts)
  const known = new Set([...rows, ...leases, ...events, ...files])
  t.same(
    seen.map(facts => facts.session),
    ids.filter(id => known.has(id)),
  )
  const wrong = seen.filter(({ session: id, row, leases: own, events: told, file }) => {
    const right =
      (row !== undefined) === rows.includes(id) &&
      own.length === leases.filter(each => each === id).length &&
      told.length === (events.includes(id) ? 2 : 0) &&
      told.every((event, i) => i === 0 || event.seq > told[i - 1]!.seq) &&
      (file !== undefined) === files.includes(id)
    return !right
  })
  t.same(wrong, [])
  const from = ids[700]!
  const later: string[] = []
  for await (const facts of sessionFacts({ database, folder }, { from }, () => undefined)) later.push(facts.session)
  t.same(
    later,
    ids.filter(id => id >= from && known.has(id)),
  )
})
