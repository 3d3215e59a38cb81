/** A clock that jumps or differs is told of once, and makes no session longer. */

import t from 'tap'
import { createAuditLog } from '../../../../src/audit/audit-log.ts'
import { createStoreGateways } from '../../../../src/database/gateways.ts'
import { createStoreTime } from '../../../../src/database/store-time.ts'
import { LiveSession } from '../../../../src/session/live/live-sessions.ts'
import type { Downstream } from '../../../../src/session/protocol.ts'
import { createSessionStore } from '../../../../src/session/records/session-store.ts'
import { createClockWatch } from '../../../../src/session/recovery/clock-watch.ts'
import type { Clock } from '../../../../src/shared/clock.ts'
import { createLog } from '../../../../src/shared/log.ts'
import { createMetrics } from '../../../../src/shared/metrics.ts'
import { eachStore, type Store, stopStores } from '../../../support/each-store.ts'
import { grantFor } from '../../../support/identity-parts.ts'
import { testSigner } from '../../../support/test-signer.ts'

t.teardown(stopStores)

const HOUR = 3_600_000
const signer = testSigner()
const log = createLog('silent')

/** A clock that can be set; `pass` lets time pass. */
function settableClock(): Clock & { set(byMs: number): void; pass(ms: number): void } {
  let setBy = 0
  let passed = 0
  return {
    now: () => Date.now() + setBy + passed,
    monotonic: () => performance.now() + passed,
    set(byMs) {
      setBy += byMs
    },
    pass(ms) {
      passed += ms
    },
  }
}

async function watchOn(t: { teardown(handler: () => unknown): void }, store: Store) {
  const clock = settableClock()
  const database = await store.open()
  const audit = createAuditLog({ database, signer, gateway: 'gw_test', clock })
  const sessions = createSessionStore({ database, clock, gateway: 'gw_test' })
  const storeTime = store.engine === 'postgres' ? createStoreTime({ database, clock }) : undefined
  const metrics = createMetrics()
  const watch = createClockWatch({ clock, storeTime, database, sessions, audit, metrics, log })
  t.teardown(() => watch.close())
  const told = async () => (await audit.list({ after: 0 })).map(({ kind, data }) => ({ kind, ...JSON.parse(data) }))
  const metric = async (name: string) => {
    const found = (await metrics.registry.getMetricsAsJSON()).find(one => one.name === name)
    return found?.values.map(({ labels, value }) => [Object.values(labels)[0], value])
  }
  return { clock, database, audit, sessions, watch, told, metric }
}

eachStore(t, 'a jump while the gateway runs', async (t, store) => {
  const { clock, watch, told, metric } = await watchOn(t, store)
  clock.pass(HOUR)
  await watch.look()
  t.same(
    (await told()).filter(({ kind }) => kind === 'clock.jumped'),
    [],
    'time that passed is no jump',
  )
  clock.set(-HOUR)
  await watch.look()
  await watch.look()
  clock.set(2 * HOUR)
  await watch.look()
  const jumps = (await told()).filter(({ kind }) => kind === 'clock.jumped')
  t.equal(jumps.length, 2)
  t.ok(Math.abs(jumps[0].byMs + HOUR) < 1000 && Math.abs(jumps[1].byMs - 2 * HOUR) < 1000, JSON.stringify(jumps))
  t.equal(watch.state.jumps, 2)
  t.same((await metric('sallyport_clock_jumps_total'))?.sort(), [
    ['back', 1],
    ['forward', 1],
  ])
})

eachStore(t, 'sessions and events in the future are told of, once, until the clock agrees again', async (t, store) => {
  const { clock, audit, sessions, watch, told, metric } = await watchOn(t, store)
  clock.set(HOUR)
  await sessions.open(grantFor({ session: 'ses_1', endsAt: clock.now() }), '192.0.2.1', 'x', {})
  await audit.append({ kind: 'gateway.started', actor: 'gateway' })
  clock.set(-HOUR)
  // As at the next start: this process has seen no jump.
  const later = createClockWatch({
    ...{ clock, storeTime: undefined, sessions, audit, metrics: createMetrics(), log },
    database: await store.open(),
  })
  t.teardown(() => later.close())
  await later.look()
  await later.look()
  const references = (await told()).filter(({ kind }) => kind === 'clock.differs').map(({ reference }) => reference)
  t.same(references, ['sessions'], 'the event of the first difference is the last one, and of now')
  t.same(later.state.differs, ['sessions'])
  clock.set(HOUR)
  await later.look()
  t.same(later.state.differs, [])
  await watch.look()
  t.ok(await metric('sallyport_clock_differs'))
})

t.test("a gateway whose clock differs from the store's says so, and takes no other for dead", async t => {
  await eachStore(t, 'drift', async (t, store) => {
    if (store.engine === 'sqlite') return
    const { clock, database, watch, told, metric } = await watchOn(t, store)
    await watch.look()
    t.same(watch.state.differs, [])
    t.ok(Math.abs(watch.state.storeAheadMs!) < 5000)
    const right = settableClock()
    const other = createStoreGateways({
      workers: new Set(),
      database,
      clock: createStoreTime({ database, clock: right }),
      gateway: 'gw_right',
    })
    await other.beat()
    clock.set(HOUR)
    const late = createStoreGateways({
      workers: new Set(),
      database,
      clock: createStoreTime({ database, clock }),
      gateway: 'gw_test',
    })
    await late.beat()
    t.same(await late.alive(), new Set(['gw_test', 'gw_right']))
    t.same(await other.alive(), new Set(['gw_test', 'gw_right']))
    await watch.look()
    await watch.look()
    const differences = (await told()).filter(({ kind }) => kind === 'clock.differs')
    t.match(differences, [{ reference: 'store' }])
    t.equal(differences.length, 1)
    t.ok(Math.abs(watch.state.storeAheadMs! + HOUR) < 5000)
    t.match(await metric('sallyport_clock_differs'), [['store', 1]])
  })
})

t.test('a clock that is set back makes no session longer, nor a quiet one less idle', async t => {
  const clock = settableClock()
  const moment = () => ({ time: clock.now(), elapsed: clock.monotonic!() })
  const downstream = { notify: () => undefined } as unknown as Downstream
  const begin = () => {
    const grant = grantFor({ endsAt: clock.now() + HOUR })
    return new LiveSession(grant, downstream, async () => ({ is: 'allowed', ends: grant.ends }), moment)
  }
  const session = begin()
  clock.set(-10 * HOUR)
  clock.pass(HOUR - 1000)
  session.tick(moment())
  t.notOk(session.signal.aborted)
  clock.pass(1000)
  session.tick(moment())
  t.match(session.signal.reason, { reason: 'deadline' })
  const other = begin()
  clock.set(2 * HOUR)
  other.tick(moment())
  t.match(other.signal.reason, { reason: 'deadline' }, 'and the hours of a role end by the clock')
})

eachStore(t, 'a session never ends before it began', async (t, store) => {
  const { clock, sessions } = await watchOn(t, store)
  await sessions.open(grantFor({ session: 'ses_1', endsAt: clock.now() }), '192.0.2.1', 'x', {})
  clock.set(-HOUR)
  await sessions.end('ses_1', { reason: 'killed' })
  const row = await sessions.get('ses_1')
  t.equal(row!.ended_at, row!.started_at)
})
