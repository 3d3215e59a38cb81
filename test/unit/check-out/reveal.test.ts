/** What a person is shown is what is in force: not while it is being changed, not after the end, and once. */

import t from 'tap'
import { createReveal } from '../../../src/check-out/reveal.ts'
import type { Database } from '../../../src/database/database.ts'
import { OPEN_STATES } from '../../../src/rotation/rotation.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { createCheckOutWorld, HOUR, ROOT } from '../../support/check-out-parts.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)

async function worldThatReveals(database: Database, mode: 'exclusive' | 'shared' = 'exclusive') {
  const world = await createCheckOutWorld(database, { rule: { mode }, role: { checkOut: { ways: ['reveal'] } } })
  const reveal = createReveal({
    checkOuts: world.checkOuts,
    vault: {
      standing: async () => ({ version: 1 }) as never,
      openVersion: async () => ({ kind: 'password', password: new Secret('what is shown') }),
    },
  })
  const take = async (user: string) => {
    const taken = await world.checkOuts.take(world.as(user), ROOT, { way: 'reveal' })
    if (!taken.taken) throw new Error('it is free')
    return taken.checkOut.id
  }
  const show = (user: string, checkOut: string, prove = async () => true) =>
    reveal(world.as(user), { checkOut }, prove).then(({ shown }) => (shown.as === 'text' ? shown.text.reveal() : ''))
  /** As the journal has it. */
  const rotation = async (state: string) => {
    await database.deleteFrom('rotations').execute()
    const row = {
      ...{ id: 'rot_1', ...ROOT, way: 'rotate', state, from_version: 1, to_version: 2, attempt: 1, changes: 1 },
      ...{ trigger: 'by-hand', by: 'owner', connector: 'ssh-password', policy: null, tries: 0, next_at: 0, words: '' },
      ...{ started_at: 0, updated_at: 0, ended_at: null, gateway: 'gw_test', claimed_until: 0 },
    }
    await database.insertInto('rotations').values(row).execute()
  }
  return { ...world, take, show, rotation }
}

eachStore(t, 'not while a rotation is changing it; one that has not begun waits for the holder', async (t, store) => {
  const database = await store.open()
  const { take, show, rotation, checkOuts, events } = await worldThatReveals(database)
  const id = await take('alice')
  for (const state of OPEN_STATES.filter(state => state !== 'prepared' && state !== 'current')) {
    await rotation(state)
    await t.rejects(show('alice', id), { code: 'CONFLICT', message: /is being changed .* nothing was shown/ }, state)
  }
  t.match(await checkOuts.get(id), { revealedAt: undefined })
  t.same(await events(), ['check-out.started'], 'nothing says that it was seen')
  await rotation('prepared')
  t.equal(await show('alice', id), 'what is shown')
  await database.deleteFrom('rotations').execute()
  await t.rejects(show('alice', id), { code: 'CONFLICT', message: /shown already/ })
})

eachStore(t, 'who shares an account is not shown what is about to change', async (t, store) => {
  const { take, show, rotation } = await worldThatReveals(await store.open(), 'shared')
  const id = await take('alice')
  await rotation('prepared')
  await t.rejects(show('alice', id), { code: 'CONFLICT', message: /being changed/ })
  await rotation('current')
  t.equal(await show('alice', id), 'what is shown')
})

eachStore(t, 'a check-out that ends while the code is typed shows nothing', async (t, store) => {
  const { take, show, checkOuts, clock, as } = await worldThatReveals(await store.open())
  const first = await take('alice')
  const forced = async () => (await checkOuts.force(first, 'dora')) !== undefined
  await t.rejects(show('alice', first, forced), { code: 'NOT_FOUND', message: /has ended; nothing was shown/ })
  const second = await take('alice')
  const timeOver = async () => {
    clock.move(HOUR)
    return true
  }
  await t.rejects(show('alice', second, timeOver), { code: 'NOT_FOUND' })
  await t.rejects(
    checkOuts.extend(as('alice'), ROOT, HOUR),
    { code: 'NOT_FOUND' },
    'nor is it extended at that instant',
  )
})

eachStore(t, 'two gateways show it once', async (t, store) => {
  const [one, other] = [await worldThatReveals(await store.open()), await worldThatReveals(await store.open())]
  const id = await one.take('alice')
  const both = await Promise.allSettled([one.show('alice', id), other.show('alice', id)])
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})
