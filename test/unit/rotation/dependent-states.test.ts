import t from 'tap'
import { createDependentStates } from '../../../src/rotation/dependents/dependent-states.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)
const address = { account: 'app', target: 'orders' }
const other = { account: 'app', target: 'reports' }

eachStore(t, 'what a dependent has, and since when it does not take the next one, is remembered', async (t, store) => {
  const database = await store.open()
  let now = 1000
  const states = createDependentStates({ database, clock: { now: () => now } })
  await states.told(database, address, 'service', 1)
  await states.told(database, other, 'service', 9)
  t.match(await states.of(address), [{ program: 'service', version: 1, failed: undefined, updatedAt: 1000 }])
  now = 2000
  await states.failed(database, address, 'service', { version: 2, words: 'full' })
  await states.failed(database, address, 'cluster', { version: 2, words: 'gone' })
  now = 3000
  await states.failed(database, address, 'service', { version: 3, words: 'still full' })
  t.match(await states.failing(), [
    { program: 'cluster', version: undefined, failed: { version: 2, words: 'gone', tries: 1, since: 2000 } },
    { program: 'service', version: 1, failed: { version: 3, words: 'still full', tries: 2, since: 2000 } },
  ])
  await states.told(database, address, 'service', 3)
  t.match(await states.failing(), [{ program: 'cluster' }])
  await states.failed(database, address, 'service', { version: 4, words: 'again' })
  t.match((await states.failing())[1], { version: 3, failed: { tries: 1, since: 3000 } }, 'counted anew')
  await states.forgetOthers(database, address, ['service'])
  t.match(await states.of(address), [{ program: 'service' }])
  await states.forgetOthers(database, address, [])
  t.same(await states.of(address), [])
  t.match(await states.of(other), [{ version: 9 }], 'of no other account')
})
