import t from 'tap'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

const basic = { name: 'www', level: 'basic' }
const ops = (more: object = {}) => ({
  ...{ kind: 'role', name: 'ops', targets: { labels: { env: 'production' } } },
  ...{ accounts: { names: ['www'] }, onRequest: [OFFER], ...more },
})
const web = (more: object = {}) => ({
  ...{ kind: 'target', name: 'web-01', protocol: 'ssh', host: '192.0.2.1', labels: { env: 'production' } },
  ...{ accounts: [{ name: 'root', level: 'admin' }, basic], ...more },
})
const user = (name: string, more: object = {}) => ({ kind: 'user', name, roles: ['ops'], ...more })

eachStore(t, 'what a request rests on is gone for a moment: it is over, also where nobody looked', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { requests, ask, as, login, stateOf, apply, use } = world
  await apply([ops(), web(), user('alice')])
  for (const [gone, back, words] of [
    [user('alice', { roles: [] }), user('alice'), /does not hold the role ops/],
    [user('alice', { disabled: true }), user('alice'), /was disabled/],
    [ops({ onRequest: [{ ...OFFER, accounts: { names: ['www'] } }] }), ops(), /does not offer it/],
    [ops({ targets: { names: ['other'] } }), ops(), /nothing that it is for/],
    [web({ accounts: [basic] }), web(), /nothing that it is for/],
    [web({ labels: { env: 'test' } }), web(), /nothing that it is for/],
  ] as const) {
    const [approved, pending] = [await ask('alice'), await ask('alice')]
    await requests.approve(as('lee'), approved.id, {})
    t.ok(await login('alice'))
    const more = await requests.askForMore(as('alice'), approved.id, { reason: 'not done' })
    await apply([gone])
    await apply([back])
    t.equal(await login('alice'), undefined, String(words))
    await t.rejects(use(approved.id), { code: 'ACCESS_DENIED' }, 'nothing is lent by it')
    for (const { id } of [pending, more])
      await t.rejects(requests.approve(as('lee'), id, {}), { code: 'CONFLICT', message: words })
    await t.rejects(requests.askForMore(as('alice'), approved.id, { reason: 'x' }), {
      code: 'CONFLICT',
      message: words,
    })
    await requests.review()
    for (const { id } of [approved, pending, more]) t.match(await stateOf(id), { is: 'revoked', by: 'gateway', words })
  }
})

eachStore(t, 'a request for labels opens the targets of its time, and none that is made anew', async (t, store) => {
  const { requests, ask, as, apply, approvedOf } = await createRequestWorld(await store.open())
  await apply([ops(), ...['web-01', 'web-02', 'web-03'].map(name => web({ name }))])
  const chosen = { on: { selector: { labels: { env: 'production' } } } }
  const { id } = await ask('alice', chosen)
  const opened = async () => (await approvedOf('alice')).flatMap(({ targets }) => targets.names)
  await apply([web({ name: 'web-04' }), web({ name: 'web-03', labels: { env: 'test' } })])
  await apply([web({ name: 'web-03' })])
  await requests.approve(as('lee'), id, {})
  t.strictSame(await opened(), ['web-01', 'web-02'])
  t.match(await requests.rows.get(id), { wish: { chosenBy: chosen.on.selector } })
  await apply([ops()], [{ kind: 'target', name: 'web-02' }])
  await apply([web({ name: 'web-02' })])
  t.strictSame(await opened(), ['web-01'])
  await requests.review()
  t.strictSame(await opened(), ['web-01'])
})

eachStore(
  t,
  'whether few or many change at once, the requests that rest on one of them end, and no other',
  async (t, store) => {
    const { requests, ask, as, apply, user: hold, stateOf } = await createRequestWorld(await store.open())
    const more = Array.from({ length: 120 }, (_, index) => web({ name: `app_${index}` }))
    await apply([ops(), web(), web({ name: 'web_01' }), user('alice'), user('bob'), ...more])
    for (const name of ['carol', 'dan']) await hold(name, ['ops'])
    const both = { on: { selector: { names: ['web-01', 'app_7'] } } }
    for (const changed of [[], more.map(one => ({ ...one, labels: { env: 'production', other: 'yes' } }))]) {
      // Names that look alike, one that is for several, and one of somebody else's.
      const [byTarget, alike, byUser, other] = [
        await ask('alice'),
        await ask('alice', { on: { target: 'web_01' } }),
        await ask('dan', { on: { target: 'app_3' } }),
        await ask('bob', { on: { target: 'app_3' } }),
      ]
      const several = await ask('carol', both)
      await requests.approve(as('lee'), several.id, {})
      await apply([web({ labels: { env: 'test' } }), user('dan', { disabled: true }), ...changed])
      t.match(await requests.rows.get(byTarget.id), { withdrawn: /nothing that it is for/ })
      t.match(await requests.rows.get(byUser.id), { withdrawn: /was disabled/ })
      t.match((await stateOf(several.id))?.given?.targets, { names: ['app_7'] }, 'what is left of it')
      for (const { id } of [alike, other]) t.equal((await requests.rows.get(id))?.withdrawn, undefined)
      await apply([web(), user('dan'), ...more])
      await requests.review()
      for (const { id } of [alike, other, several]) await requests.revoke(id, 'lee', 'over')
    }
  },
)

eachStore(
  t,
  'a request for a level opens the accounts of its time, and none that gets the level later',
  async (t, store) => {
    const world = await createRequestWorld(await store.open())
    const { requests, ask, as, apply, login } = world
    const accounts = (...more: string[]) =>
      ['root', 'toor', ...more].map(name => ({ name, level: 'admin' })).concat({ name: 'www', level: 'basic' })
    const levels = { accounts: { levels: ['admin'] }, approvers: ['role:leads'], freshFactor: false }
    await apply([ops({ onRequest: [levels] }), web({ accounts: accounts() })])
    const wish = { on: { selector: { labels: { env: 'production' } } }, account: undefined, level: 'admin' as const }
    const { id } = await ask('alice', wish)
    await requests.approve(as('lee'), id, {})
    t.match(await login('alice', 'root'), { request: id })
    await apply([web({ accounts: accounts('added') })])
    t.equal(await login('alice', 'added'), undefined)
    t.strictSame((await requests.opens((await requests.rows.get(id))!)).accounts, ['root@web-01', 'toor@web-01'])
    await apply([web({ accounts: accounts().filter(({ name }) => name !== 'toor') })])
    await apply([web({ accounts: accounts() })])
    t.equal(await login('alice', 'toor'), undefined, 'nor one that is made anew')
    t.match(await login('alice', 'root'), { request: id })
  },
)

eachStore(t, 'who decides is looked at once more with the decision', async (t, store) => {
  let meanwhile: (() => Promise<unknown>) | undefined
  const world = await createRequestWorld(await store.open(), {
    async beforeStored() {
      const once = meanwhile
      meanwhile = undefined
      await once?.()
    },
  })
  const { requests, ask, as, apply, stateOf } = world
  const lead = (more: object = {}) => user('lee', { roles: ['leads'], ...more })
  const two = { accounts: OFFER.accounts, freshFactor: false, stages: [{ groups: [{ of: ['role:leads'], count: 2 }] }] }
  const alice = user('alice', { person: 'a' })
  await apply([ops(), web(), alice])
  for (const [change, back] of [
    [lead({ disabled: true }), lead()],
    [lead({ roles: [] }), lead()],
    [lead({ person: 'a' }), lead()],
    [user('alice', { roles: [] }), alice],
    [ops({ onRequest: [{ ...OFFER, approvers: ['user:lou'] }] }), ops()],
  ] as const) {
    const { id } = await ask('alice')
    meanwhile = () => apply([change])
    await t.rejects(requests.approve(as('lee'), id, {}), { code: 'CONFLICT' })
    t.match(await stateOf(id), { is: 'pending' })
    t.strictSame(await requests.rows.decisionsOn(id), [])
    await requests.cancel(as('alice'), id)
    await apply([back])
  }
  await apply([ops({ onRequest: [two] })])
  const { id } = await ask('alice')
  await requests.approve(as('lee'), id, {})
  meanwhile = () => apply([lead({ disabled: true })])
  await requests.approve(as('lou'), id, {})
  t.match(await stateOf(id), { is: 'pending' }, 'the first of two approvals does not count any more')

  await apply([ops()])
  meanwhile = () => apply([user('bob', { roles: [] })])
  await t.rejects(ask('bob'), { code: 'CONFLICT', message: /does not hold the role ops/ })
})

eachStore(
  t,
  'a clock that is set back makes no access longer, and one that is set forward ends it',
  async (t, store) => {
    let [wall, steady] = [1_800_000_000_000, 0]
    const move = (ms: number) => {
      wall += ms
      steady += ms
    }
    const clock = { now: () => wall, monotonic: () => steady, move }
    const world = await createRequestWorld(await store.open(), { clock })
    const { requests, ask, as, login, stateOf, runDue } = world
    const HOUR = 3_600_000
    const { id } = await ask('alice', { forMs: HOUR })
    await requests.approve(as('lee'), id, {})
    t.equal((await login('alice'))?.endsAt, wall + HOUR)
    move(HOUR / 2)
    wall -= HOUR / 4
    t.equal((await login('alice'))?.endsAt, wall + HOUR / 2, 'what is left has not become more')
    const more = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'not done' })
    await requests.approve(as('lee'), more.id, {})
    t.equal((await login('alice'))?.endsAt, wall + 1.5 * HOUR, 'but for what is approved')
    move(1.5 * HOUR)
    t.equal(await login('alice'), undefined)

    const [next, pending] = [await ask('bob', { forMs: HOUR }), await ask('carol')]
    await requests.approve(as('lee'), next.id, {})
    t.ok(await login('bob'))
    wall += 24 * HOUR
    t.equal(await login('bob'), undefined, 'a day forward: it is over, and what waits has expired')
    await t.rejects(requests.approve(as('lee'), pending.id, {}), { code: 'CONFLICT' })
    await runDue()
    t.match([await stateOf(next.id), await stateOf(pending.id)], [{ is: 'ended' }, { is: 'expired' }])
    wall -= 24 * HOUR
    t.equal(await login('bob'), undefined, 'also when the clock is right again')
  },
)

eachStore(t, 'an approval during an apply that takes its ground away gives nothing', async (t, store) => {
  const one = await createRequestWorld(await store.open())
  const other = await createRequestWorld(await store.open(), { clock: one.clock })
  await one.apply([ops(), web()])
  for (let round = 0; round < 5; round++) {
    const { id } = await one.ask('alice')
    await Promise.allSettled([
      one.requests.approve(one.as('lee'), id, {}),
      other.apply([user('alice', { roles: [] })]).then(() => other.apply([user('alice')])),
    ])
    t.equal(await one.login('alice'), undefined)
    await one.requests.review()
    t.match(await one.stateOf(id), { is: 'revoked' })
  }
})
