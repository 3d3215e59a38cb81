import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createStoreTime } from '../../../src/database/store-time.ts'
import { postgresDatabase, stopStores } from '../../support/each-store.ts'

const YEAR = 365 * 86_400_000

t.teardown(stopStores)

t.test('the store says what time it is: setting a gateway’s clock changes nothing, at no moment', async t => {
  const database = await openDatabase(await postgresDatabase())
  t.teardown(() => database.destroy())
  const clock = { wall: 1_000_000, steady: 0, now: () => clock.wall, monotonic: () => clock.steady }
  const time = createStoreTime({ database, clock })
  t.equal(time.now(), clock.wall, 'before it is known')
  await time.measure()
  const first = time.now()
  t.ok(Math.abs(first - Date.now()) < 60_000, 'it is the time of the store')
  for (const byMs of [YEAR, -3 * YEAR]) {
    const before = time.now()
    clock.wall += byMs
    t.equal(time.now(), before, 'also before it is measured anew')
    await time.measure()
    t.ok(Math.abs(time.now() - Date.now()) < 60_000)
    t.ok(Math.abs(time.aheadMs - (Date.now() - clock.wall)) < 60_000, 'and how far the two are apart is known')
    clock.wall -= byMs
    await time.measure()
  }
  clock.steady += 5000
  t.ok(time.now() >= first + 5000, 'it goes on between two measurements')
})
