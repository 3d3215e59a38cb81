/** One login at one server is one account, whatever it is called: who has it for themselves alone has it under all its names. */

import t from 'tap'
import { createCheckOutWatch, type WatchedSession } from '../../../src/check-out/watch.ts'
import type { Database } from '../../../src/database/database.ts'
import { createLog } from '../../../src/shared/log.ts'
import { type AccountAddress, parseAccountAddress } from '../../../src/shared/names.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { createCheckOutWorld, ROOT } from '../../support/check-out-parts.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)

const at = (name: string): AccountAddress => parseAccountAddress(name)!
const ALIASES = ['admin@web-01', 'root@www', 'turns@www'].map(at)

/** root@web-01 can be checked out. admin@web-01 and root@www are the same login, and turns@www is it by turns; its `app` too. */
async function worldWithAliases(database: Database, openSessions: 'refuse' | 'tell' | 'end' = 'refuse') {
  const world = await createCheckOutWorld(database)
  const host = '192.0.2.1'
  const put = (name: string, accounts: object[]) =>
    world.targets.put(targetSchema.parse({ name, protocol: 'ssh', host, accounts }))
  await put('web-01', [
    { name: 'root', checkOut: { openSessions } },
    { name: 'admin', login: 'root' },
    { name: 'other' },
  ])
  await put('www', [{ name: 'root', checkOut: {} }, { name: 'turns', logins: ['root', 'app'] }, { name: 'app' }])
  await put('else', [])
  await world.setRole({
    targets: { names: ['web-01', 'www'] },
    accounts: { names: ['root', 'admin', 'turns', 'app', 'other'] },
  })
  return { ...world, put }
}

eachStore(t, 'nobody gets at it by another name, as a hop, or by checking that out', async (t, store) => {
  const { checkOuts, as, session, clock } = await worldWithAliases(await store.open())
  const { taken } = await checkOuts.take(as('alice'), ROOT, {})
  t.ok(taken)
  for (const [index, alias] of ALIASES.entries()) {
    t.equal(await session('bob', `ses_${index}`, false, alias), 'ACCOUNT_CHECKED_OUT')
    t.equal(await session('bob', `ses_${index}`, true, alias), 'ACCOUNT_CHECKED_OUT')
    t.equal(await session('alice', `ses_a${index}`, false, alias), `ses_a${index}`, 'who has it has it')
    t.match(await checkOuts.heldExclusively(alias), { user: 'alice' }, 'nor is it rotated')
  }
  t.equal(await session('bob', 'ses_other', false, at('other@web-01')), 'ses_other')
  t.match(await checkOuts.take(as('bob'), at('root@www'), { wait: true }), {
    ...{ taken: false, place: 1, obstacle: { why: 'held', by: { user: 'alice' } } },
  })
  clock.move(1)
  t.match(await checkOuts.take(as('carol'), ROOT, { wait: true }), { taken: false, place: 2 })
  t.match(await checkOuts.take(as('alice'), at('root@www'), {}), { taken: true }, "her own is in nobody's way")
  await checkOuts.checkIn(as('alice'), ROOT)
  t.match(await checkOuts.take(as('carol'), ROOT, {}), { taken: false, obstacle: { why: 'held' } })
  await checkOuts.checkIn(as('alice'), at('root@www'))
  t.match(
    await checkOuts.take(as('bob'), at('root@www'), {}),
    { taken: false, obstacle: { why: 'sessions' } },
    'by her sessions there',
  )
})

eachStore(t, 'who waits for it by another name has their turn', async (t, store) => {
  const { checkOuts, as, clock } = await worldWithAliases(await store.open())
  await checkOuts.take(as('alice'), ROOT, {})
  await checkOuts.take(as('bob'), at('root@www'), { wait: true })
  clock.move(1)
  await checkOuts.take(as('carol'), ROOT, { wait: true })
  await checkOuts.checkIn(as('alice'), ROOT)
  t.match(await checkOuts.waitingOf('bob'), [{ target: 'www', offeredUntil: Number }])
  t.match(await checkOuts.take(as('carol'), ROOT, {}), { taken: false, obstacle: { why: 'turn' } })
  t.match(await checkOuts.take(as('bob'), at('root@www'), {}), { taken: true })
})

eachStore(t, 'a check-out and a session by another name never begin at one instant', async (t, store) => {
  const [one, other] = [await worldWithAliases(await store.open()), await createCheckOutWorld(await store.open())]
  await one.put('web-01', [
    { name: 'root', checkOut: {} },
    { name: 'admin', login: 'root' },
  ])
  for (let round = 0; round < 10; round++) {
    const id = `ses_${round}`
    const [taken, session] = await Promise.all([
      one.checkOuts.take(one.as('alice'), ROOT, {}),
      other.session('bob', id, false, ALIASES[round % 3]),
    ])
    t.not(taken.taken, session === id, `${taken.taken} ${session}`)
    await one.checkOuts.checkIn({ user: 'alice' }, ROOT)
    await one.endSession(id)
  }
})

eachStore(t, "sessions of others that are open by another name end, and the holder's there go on", async (t, store) => {
  const { checkOuts, as } = await worldWithAliases(await store.open(), 'end')
  const ended: string[] = []
  const session = (id: string, user: string, { account, target }: AccountAddress): WatchedSession => ({
    ...{ grant: { session: id, user, account: { name: account }, target: { name: target } } as never },
    ...{ startedAt: 0, accounts: [{ account, target }] },
    abort: reason => void ended.push(`${id} ${reason}`),
    downstream: { notify: () => undefined },
  })
  const all = [
    ...ALIASES.map((alias, index) => session(`bob ${index}`, 'bob', alias)),
    ...[session('alice', 'alice', ALIASES[0]!), session('other', 'bob', at('other@web-01'))],
  ]
  const watch = createCheckOutWatch({
    ...{ live: { all: () => all }, rows: checkOuts.rows, onChange: () => () => undefined, clock: checkOuts.clock },
    ...{ aheadMs: () => 0, log: createLog('silent') },
  })
  t.teardown(() => watch.close())
  await checkOuts.take(as('alice'), ROOT, {})
  await watch.look()
  t.same(
    [...new Set(ended.splice(0))],
    [0, 1, 2].map(index => `bob ${index} account-checked-out`),
  )
  await checkOuts.checkIn(as('alice'), ROOT)
  await watch.look()
  t.same(ended, [])
})
