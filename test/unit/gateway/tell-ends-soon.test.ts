/** Who has access for a time is told before it ends: once for each end, whatever became of the gateway that planned it. */

import t from 'tap'
import { endsSoonHandler, tellBeforeRequestsEnd } from '../../../src/gateway/tell-ends-soon.ts'
import { createNotify } from '../../../src/notifications/notifications.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

const MINUTE = 60_000
const HOUR = 60 * MINUTE

eachStore(t, 'the one who asked is told before the end, once for each end', async (t, store) => {
  const database = await store.open()
  const world = await createRequestWorld(database)
  const { requests, as, clock, schedule, ask, offers } = world
  await offers({ ...OFFER, maxTime: '8h' })
  const channels = [{ name: 'mail', events: ['*'], people: true, own: false }]
  const parts = { ...world, database, storeClock: clock, channels: channels as never }
  const notify = createNotify({ database, schedule, clock, channels })
  tellBeforeRequestsEnd(parts, new AsyncDisposableStack())
  const handler = endsSoonHandler({ ...parts, notify })['request.warn']!
  const planned = async (id: string) => (await schedule.list({ kind: 'request.warn', key: id })).map(one => one.dueAt)
  const told = () => database.selectFrom('notifications').selectAll().orderBy('id').execute()
  /** As the runner does; `dies`: the gateway is gone before it notes that it is done. */
  async function runDue(dies = false): Promise<void> {
    for (const job of await schedule.list({ kind: 'request.warn' })) {
      if (job.dueAt > clock.now()) continue
      const again = await handler.run(job, new AbortController().signal)
      if (!dies) await schedule.cancel(job.kind, job.key)
      if (again !== undefined) await schedule.plan({ kind: job.kind, key: job.key, dueAt: again.again, replace: true })
    }
  }
  async function given(forMs: number): Promise<{ id: string; endsAt: number }> {
    const { id } = await ask('alice', { forMs })
    await requests.approve(as('lee'), id, {})
    const state = await world.stateOf(id)
    return { id, endsAt: state?.is === 'active' ? state.endsAt : Number.NaN }
  }

  const { id, endsAt } = await given(2 * HOUR)
  t.same(await planned(id), [endsAt - 15 * MINUTE])
  clock.move(endsAt - 16 * MINUTE - clock.now())
  const more = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'not done' })
  await requests.approve(as('lee'), more.id, {})
  const end = endsAt + HOUR
  t.same(await planned(id), [end - 15 * MINUTE], 'of the new end')
  clock.move(2 * MINUTE)
  await runDue()
  t.same(await told(), [])
  clock.move(end - 15 * MINUTE - clock.now())
  await runDue(true)
  await runDue(true)
  await runDue()
  const [one, ...others] = await told()
  t.same(others, [], 'once, also where a gateway died in between')
  t.match(one, { kind: 'request.ends-soon', subject: /^Your access to root@web-01 ends at .* UTC$/ })
  t.match(JSON.parse(one!.lines), [`For more time: ssh alice@gateway request extend ${id} --reason "'...'"`])
  t.same(await database.selectFrom('notification_deliveries').select(['user', 'channel']).execute(), [
    { user: 'alice', channel: 'mail' },
  ])

  await offers({ ...OFFER, maxTime: '8h', extend: false })
  const short = await given(20 * MINUTE)
  t.same(await planned(short.id), [short.endsAt - 5 * MINUTE], 'a quarter of what is short')
  const shortest = await given(3 * MINUTE)
  t.same(await planned(shortest.id), [])
  await requests.cancel({ user: 'alice' }, short.id)
  t.same(await planned(short.id), [], 'not of what is over')
  const late = await given(HOUR)
  clock.move(2 * HOUR)
  await runDue()
  t.same(await planned(late.id), [])
  t.equal((await told()).length, 1, 'not once it is over')
  const last = await given(HOUR)
  clock.move(46 * MINUTE)
  await runDue()
  t.match(await told(), [{}, { lines: '[]' }], 'nobody is told of a command that would be refused')
  t.ok(last.id)
})
