/** What a dead gateway left is ended in full, also when the store or the audit log fails half-way. */

import t from 'tap'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { createLiveSessions } from '../../../src/session/live-sessions.ts'
import { createMarkedRecordings } from '../../../src/session/marked-recordings.ts'
import { createOwedSteps } from '../../../src/session/owed-steps.ts'
import { createReaper } from '../../../src/session/reaper.ts'
import { createSessionStore } from '../../../src/session/session-store.ts'
import { systemClock as clock } from '../../../src/shared/clock.ts'
import { createLog } from '../../../src/shared/log.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import { grantFor } from '../../support/identity-parts.ts'

type Step = 'leases' | 'audit' | 'seal'

/** A store in which the gateway `gw_dead` left the session `ses_1`; each step in `failing` fails once. */
async function start(t: { teardown(handler: () => unknown): void }, failing: Step[]) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const left = createSessionStore({ database, clock, gateway: 'gw_dead' })
  await left.open(grantFor({ endsAt: Date.now() + 60_000 }), '192.0.2.1', 'ses_1.rec', {})
  const cluster = createLocalCluster({ clock, gateway: 'gw_alive' })
  const log = createLog('silent')
  const live = await createLiveSessions({ cluster, clock, log })
  t.teardown(() => live.close())
  const fail = new Set(failing)
  const once = (step: Step) => {
    if (fail.delete(step)) throw new Error(`${step} failed`)
  }
  const store = createSessionStore({ database, clock, gateway: 'gw_alive' })
  const events: AuditEvent[] = []
  const leasesEnded: string[] = []
  const recording = { session: 'ses_1', file: 'ses_1.rec' }
  let unsealed = true
  const audit = {
    async append(event: AuditEvent) {
      once('audit')
      events.push(event)
    },
  }
  const reaper = createReaper({
    cluster,
    gateways: undefined,
    store,
    live,
    marked: createMarkedRecordings({
      recordings: {
        findUnsealed: async () => (unsealed ? [recording] : []),
        sealInterrupted: async () => ({ ...recording, bytes: 10, hash: 'abc', reason: 'interrupted', endedAt: 1 }),
        compare: async () => ({ same: true }),
        async noted() {
          unsealed = false
        },
        release: async () => undefined,
      },
      store: {
        ...store,
        async noteSeal(id, sealed) {
          once('seal')
          return store.noteSeal(id, sealed)
        },
      },
      books: { sealNotes: async () => [], events: async () => [] },
      audit,
      metrics: createMetrics(),
      log,
    }),
    async endLeases(session) {
      once('leases')
      leasesEnded.push(session)
    },
    audit,
    owed: createOwedSteps({ log }),
    log,
  })
  t.teardown(() => reaper.close())
  return { reaper, store, events, leasesEnded }
}

for (const failing of [[], ['leases'], ['audit'], ['seal'], ['leases', 'audit', 'seal']] satisfies Step[][]) {
  t.test(`all is ended and told once, after failures of: ${failing.join(', ') || 'nothing'}`, async t => {
    const { reaper, store, events, leasesEnded } = await start(t, failing)
    for (let round = 0; round <= failing.length; round++) await reaper.round()
    t.match(await store.get('ses_1'), { state: 'ended', end_reason: 'interrupted', recording_hash: 'abc' })
    t.same(leasesEnded, ['ses_1'])
    const told = events.map(event => event.kind)
    t.same(told.sort(), ['recording.sealed-as-interrupted', 'session.ended'])
  })
}
