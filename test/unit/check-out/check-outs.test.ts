import fc from 'fast-check'
import t from 'tap'
import { OFFER_MS } from '../../../src/check-out/queue.ts'
import { createCheckOutWatch, type WatchedSession } from '../../../src/check-out/watch.ts'
import { createLog } from '../../../src/shared/log.ts'
import type { AccountAddress } from '../../../src/shared/names.ts'
import { createCheckOutWorld, HOUR, ROOT } from '../../support/check-out-parts.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)

eachStore(t, 'of many who want an account at one instant, one has it', async (t, store) => {
  const worlds = [await createCheckOutWorld(await store.open()), await createCheckOutWorld(await store.open())]
  for (let round = 0; round < 5; round++) {
    const all = await Promise.all(
      ['alice', 'bob', 'carol'].map((user, at) => worlds[at % 2]!.checkOuts.take(worlds[0]!.as(user), ROOT, {})),
    )
    const taken = all.filter(one => one.taken)
    t.equal(taken.length, 1)
    for (const one of all) {
      if (!one.taken) t.equal(one.obstacle.why, 'held')
      else t.equal((await worlds[1]!.checkOuts.checkIn({ user: one.checkOut.user }, ROOT))?.id, one.checkOut.id)
    }
  }
})

eachStore(t, 'a check-out and a session of somebody else never begin at one instant', async (t, store) => {
  const [one, other] = [await createCheckOutWorld(await store.open()), await createCheckOutWorld(await store.open())]
  for (let round = 0; round < 10; round++) {
    const id = `ses_${round}`
    const [taken, session] = await Promise.all([
      one.checkOuts.take(one.as('alice'), ROOT, {}),
      other.session('bob', id),
    ])
    t.not(taken.taken, session === id, `${taken.taken} ${session}`)
    await one.checkOuts.checkIn({ user: 'alice' }, ROOT)
    await one.endSession(id)
  }
})

eachStore(t, 'its end, its events and what follows are stored together', async (t, store) => {
  const { checkOuts, as, clock, events, jobs, session } = await createCheckOutWorld(await store.open())
  const taken = await checkOuts.take(as('alice'), ROOT, { forMs: HOUR, reason: ' INC-4711 ' })
  if (!taken.taken) throw new Error('it is free')
  t.match(taken.checkOut, {
    user: 'alice',
    exclusive: true,
    way: 'inject',
    reason: 'INC-4711',
    until: clock.now() + HOUR,
  })
  t.same(await jobs(), [{ kind: 'check-out-end', key: taken.checkOut.id, dueAt: clock.now() + HOUR }])
  t.equal(await session('bob', 'ses_b'), 'ACCOUNT_CHECKED_OUT')
  t.equal(await session('alice', 'ses_a'), 'ses_a')
  t.equal(await checkOuts.endDue(taken.checkOut.id), clock.now() + HOUR, 'not before its time')
  clock.move(HOUR)
  t.equal(await session('bob', 'ses_c'), 'ses_c', 'its time is over, whether or not anybody has written that down')
  t.equal(await checkOuts.endDue(taken.checkOut.id), undefined)
  t.match(await checkOuts.get(taken.checkOut.id), {
    state: { is: 'ended', reason: 'time-over', by: 'gateway', at: clock.now() },
  })
  t.same(await jobs(), [])
  t.same(await events(), ['check-out.started', 'check-out.ended'])
  t.equal(await checkOuts.checkIn({ user: 'alice' }, ROOT), undefined)
})

eachStore(t, 'the first who waits has their turn for a time, then the next', async (t, store) => {
  const { checkOuts, as, clock, jobs, events } = await createCheckOutWorld(await store.open())
  await checkOuts.take(as('alice'), ROOT, {})
  t.match(await checkOuts.take(as('bob'), ROOT, { wait: true }), { taken: false, place: 1, obstacle: { why: 'held' } })
  clock.move(1)
  t.match(await checkOuts.take(as('carol'), ROOT, { wait: true }), { taken: false, place: 2 })
  t.match(await checkOuts.take(as('carol'), ROOT, { wait: true }), { taken: false, place: 2 }, 'nobody waits twice')
  await checkOuts.checkIn({ user: 'alice' }, ROOT)
  t.match(await checkOuts.take(as('carol'), ROOT, {}), {
    taken: false,
    obstacle: { why: 'turn', until: clock.now() + OFFER_MS },
  })
  t.match(await checkOuts.take(as('alice'), ROOT, {}), { taken: false, place: undefined, obstacle: { why: 'turn' } })
  t.same(await jobs(), [{ kind: 'check-out-tell', key: 'root@web-01', dueAt: clock.now() + OFFER_MS }])
  clock.move(OFFER_MS)
  await checkOuts.passTurn(ROOT)
  t.same(await checkOuts.waitingOf('bob'), [], 'who did not come is not waited for')
  t.match(await checkOuts.take(as('carol'), ROOT, {}), { taken: true })
  t.same(await checkOuts.waitingOf('carol'), [])
  t.match(await events(), [
    ...['check-out.started', 'check-out.queued', 'check-out.queued', 'check-out.ended', 'check-out.offered'],
    ...['check-out.left-queue', 'check-out.offered', 'check-out.started'],
  ])
})

eachStore(t, "who waits and loses the access is in nobody's way, however many wait", async (t, store) => {
  const database = await store.open()
  const { checkOuts, as, users, clock, events, setRole } = await createCheckOutWorld(database)
  await checkOuts.take(as('alice'), ROOT, {})
  for (const user of ['bob', 'carol']) {
    t.match(await checkOuts.take(as(user), ROOT, { wait: true }), { taken: false })
    clock.move(1)
  }
  const others = Array.from({ length: 1000 }, (_, index) => ({
    ...{ id: `coq_${index}`, user: `user-${index}`, ...ROOT, asked_at: clock.now() - HOUR, offered_until: null },
  }))
  for (let from = 0; from < others.length; from += 100)
    await database
      .insertInto('check_out_queue')
      .values(others.slice(from, from + 100))
      .execute()
  t.match(await checkOuts.take(as('carol'), ROOT, { wait: true }), { place: 1002 })
  await users.put({ ...(await users.get('bob'))!, disabled: true })
  await checkOuts.review()
  t.match(await checkOuts.take(as('carol'), ROOT, { wait: true }), { place: 1 }, 'the others are no users')
  t.equal((await events()).filter(kind => kind === 'check-out.left-queue').length, 1001)
  await checkOuts.checkIn({ user: 'alice' }, ROOT)
  await setRole({ accounts: { names: ['other'] } })
  await checkOuts.review()
  t.same(await checkOuts.waitingOf('carol'), [], 'her role does not speak of it any more')
})

eachStore(t, 'it is extended by policy of now, up to the longest time from its start', async (t, store) => {
  const world = await createCheckOutWorld(await store.open(), {
    rule: { maxTime: '3h' },
    role: { checkOut: { maxTime: '8h' } },
  })
  const { checkOuts, as, clock, setRole } = world
  const began = clock.now()
  await t.rejects(checkOuts.take(as('alice'), ROOT, { forMs: 4 * HOUR }), {
    code: 'BAD_REQUEST',
    message: /for 3h at most/,
  })
  await checkOuts.take(as('alice'), ROOT, { forMs: HOUR })
  clock.move(HOUR / 2)
  t.equal((await checkOuts.extend(as('alice'), ROOT, HOUR)).until, began + 2 * HOUR)
  await t.rejects(checkOuts.extend(as('alice'), ROOT, 2 * HOUR), { code: 'BAD_REQUEST', message: /by 1h at most/ })
  await setRole({ checkOut: { ways: ['reveal'] } })
  await t.rejects(checkOuts.extend(as('alice'), ROOT, HOUR), { code: 'ACCESS_DENIED', message: /for sessions/ })
  await setRole({})
  clock.move(2 * HOUR)
  await t.rejects(checkOuts.extend(as('alice'), ROOT, HOUR), { code: 'NOT_FOUND' })
})

eachStore(t, 'whoever loses the access loses the check-out', async (t, store) => {
  const { checkOuts, as, users, setRole, setRule, clock } = await createCheckOutWorld(await store.open())
  const reasons: unknown[] = []
  async function lose(how: () => Promise<void>, undo: () => Promise<void>): Promise<void> {
    const taken = await checkOuts.take(as('alice'), ROOT, {})
    if (!taken.taken) throw new Error('it is free')
    await checkOuts.review()
    t.match(await checkOuts.get(taken.checkOut.id), { state: { is: 'open' } })
    await how()
    await checkOuts.review()
    reasons.push((await checkOuts.get(taken.checkOut.id))?.state)
    await undo()
  }
  const alice = (await users.get('alice'))!
  const restore = () => users.put(alice)
  await lose(() => users.put({ ...alice, disabled: true }), restore)
  await lose(() => users.put({ ...alice, roles: [] }), restore)
  await lose(() => users.remove('alice'), restore)
  await lose(
    () => setRole({ checkOut: { ways: ['reveal'] } }),
    () => setRole(),
  )
  await lose(
    () => setRole({ factors: [['publickey', 'totp']] }),
    () => setRole(),
  )
  await lose(
    () => setRule(undefined),
    () => setRule({}),
  )
  t.same(reasons, Array(6).fill({ is: 'ended', at: clock.now(), reason: 'access-withdrawn', by: 'gateway' }))
})

eachStore(t, 'several share what is shared, and an entry that becomes exclusive waits for them', async (t, store) => {
  const { checkOuts, as, setRule } = await createCheckOutWorld(await store.open(), { rule: { mode: 'shared' } })
  for (const user of ['alice', 'bob']) t.match(await checkOuts.take(as(user), ROOT, { shared: true }), { taken: true })
  await t.rejects(checkOuts.take(as('bob'), ROOT, {}), { code: 'CONFLICT', message: /You have root@web-01 already/ })
  await setRule({})
  t.match(await checkOuts.take(as('carol'), ROOT, {}), { taken: false, obstacle: { why: 'held' } })
  await t.rejects(checkOuts.take(as('carol'), ROOT, { shared: true }), {
    code: 'BAD_REQUEST',
    message: /one person at a time/,
  })
  for (const user of ['alice', 'bob']) await checkOuts.checkIn({ user }, ROOT)
  t.match(await checkOuts.take(as('carol'), ROOT, {}), { taken: true, checkOut: { exclusive: true } })
})

eachStore(t, 'a hop is lent to nobody else, and needs no check-out of those who pass', async (t, store) => {
  const { checkOuts, as, session } = await createCheckOutWorld(await store.open(), { rule: { required: true } })
  t.equal(await session('bob', 'ses_hop', true), 'ses_hop')
  t.match(await checkOuts.take(as('alice'), ROOT, {}), { taken: false, obstacle: { why: 'sessions', count: 1 } })
  t.match(await checkOuts.take(as('bob'), ROOT, {}), { taken: true })
  t.equal(await session('alice', 'ses_other', true), 'ACCOUNT_CHECKED_OUT')
})

t.test('what is demanded is asked for in words', async t => {
  await eachStore(t, 'reason and ticket', async (t, store) => {
    const rule = { reason: 'required', ticket: '(INC|CHG)-\\d{4,8}', required: true } as const
    const { checkOuts, as, session, refusals, setRole } = await createCheckOutWorld(await store.open(), { rule })
    const take = (wish: { reason?: string; ticket?: string }) => checkOuts.take(as('alice'), ROOT, wish)
    await t.rejects(take({ ticket: 'INC-4711' }), {
      code: 'BAD_REQUEST',
      message: /needs a reason, as in: ssh alice@gateway checkout root@web-01 --reason "'...'" --ticket ...$/,
    })
    await t.rejects(take({ reason: 'disk' }), { code: 'BAD_REQUEST', message: /needs a ticket of the form/ })
    await t.rejects(take({ reason: 'disk', ticket: 'INC-4711; rm' }), {
      code: 'BAD_REQUEST',
      message: /not of the form/,
    })
    await t.rejects(take({ reason: 'a\u202eb', ticket: 'INC-4711' }), { code: 'BAD_REQUEST', message: /not seen/ })
    await t.rejects(take({ reason: 'a\u001b[2Jb', ticket: 'INC-4711' }), { code: 'BAD_REQUEST', message: /not seen/ })
    t.equal(await session('alice', 'ses_1'), 'CHECK_OUT_REQUIRED')
    t.match(await take({ reason: 'disk', ticket: 'CHG-12345678' }), { taken: true })
    t.equal(await session('alice', 'ses_1'), 'ses_1')
    await setRole({ checkOut: undefined })
    await t.rejects(checkOuts.take(as('bob'), ROOT, {}), { code: 'ACCESS_DENIED', message: /None of your roles/ })
    await t.rejects(checkOuts.take(as('bob'), { account: 'x', target: 'y' }, {}), {
      code: 'ACCESS_DENIED',
      message: /or do not exist/,
    })
    t.same(refusals, ['check-out.refused', 'check-out.refused'])
  })
})

eachStore(t, 'whatever happens in whatever order, nobody shares what is exclusive', async (t, store) => {
  const database = await store.open()
  const world = await createCheckOutWorld(database)
  const { checkOuts, as, clock, session, endSession } = world
  const user = fc.constantFrom('alice', 'bob', 'carol')
  const act = fc.oneof(
    fc.record({ do: fc.constant('take' as const), user, wait: fc.boolean() }),
    fc.record({ do: fc.constantFrom('in' as const, 'extend' as const, 'leave' as const, 'force' as const), user }),
    fc.record({ do: fc.constant('session' as const), user }),
    fc.record({ do: fc.constantFrom('end session' as const, 'review' as const), user }),
    fc.record({ do: fc.constant('wait' as const), user, ms: fc.constantFrom(1, OFFER_MS, HOUR) }),
  )
  let sessions = 0
  const open: { id: string; user: string }[] = []
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(act, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), async steps => {
      for (const together of steps) {
        const moves = together.map(async one => {
          switch (one.do) {
            case 'take':
              return checkOuts.take(as(one.user), ROOT, { wait: one.wait }).catch(() => undefined)
            case 'in':
              return checkOuts.checkIn({ user: one.user }, ROOT)
            case 'extend':
              return checkOuts.extend(as(one.user), ROOT, HOUR).catch(() => undefined)
            case 'leave':
              return checkOuts.leaveQueue({ user: one.user }, ROOT)
            case 'force': {
              const held = await checkOuts.heldExclusively(ROOT)
              return held && checkOuts.force(held.id, 'dora')
            }
            case 'session': {
              const id = `ses_${store.engine}_${sessions++}`
              if ((await session(one.user, id)) === id) open.push({ id, user: one.user })
              return undefined
            }
            case 'end session': {
              const last = open.pop()
              return last && endSession(last.id)
            }
            case 'review':
              return checkOuts.review()
            case 'wait':
              return clock.move(one.ms)
          }
        })
        await Promise.all(moves)
        const now = (await checkOuts.rows.openOf([ROOT])).filter(({ until }) => until > clock.now())
        if (now.length > 1) return false
        // Who began while it was free may be there still: their check-out waited for them.
        if (now.length === 1 && open.some(one => one.user !== now[0]!.user)) return false
        const queue = await checkOuts.rows.queueOf([ROOT])
        if (queue.slice(1).some(({ offeredUntil }) => offeredUntil !== undefined)) return false
      }
      return true
    }),
    { numRuns: store.engine === 'sqlite' ? 60 : 25 },
  )
  const ended = await database.selectFrom('audit_outbox').select('kind').where('kind', '=', 'check-out.ended').execute()
  const closed = await database.selectFrom('check_outs').select('id').where('ended_at', 'is not', null).execute()
  t.equal(ended.length, closed.length, 'each end is audited once')
})

eachStore(
  t,
  'what becomes of open sessions holds for all that were lent the account, as a hop too',
  async (t, store) => {
    const { checkOuts, as, setRule, targets } = await createCheckOutWorld(await store.open(), { rule: undefined })
    await setRule(undefined)
    const earlier = (await targets.get('web-01'))!
    const heard: string[] = []
    const session = (id: string, user: string, ...accounts: AccountAddress[]): WatchedSession => ({
      grant: {
        session: id,
        user,
        account: { ...earlier.accounts[0]!, name: accounts[0]!.account },
        target: { ...earlier, name: accounts[0]!.target },
      } as never,
      ...{ startedAt: 0, accounts },
      abort: reason => void heard.push(`${id} ${reason}`),
      downstream: { notify: text => void heard.push(`${id} ${text.replace(/ 20.*/, '')}`) },
    })
    const other = { account: 'root', target: 'web-02' }
    const all = [
      ...[session('before', 'bob', ROOT), session('hop', 'bob', other, ROOT), session('hers', 'alice', other, ROOT)],
      session('elsewhere', 'bob', other),
    ]
    const watch = createCheckOutWatch({
      ...{ live: { all: () => all }, rows: checkOuts.rows, onChange: () => () => undefined, clock: checkOuts.clock },
      ...{ aheadMs: () => 0, log: createLog('silent') },
    })
    t.teardown(() => watch.close())
    for (const openSessions of ['tell', 'end', 'refuse'] as const) {
      await setRule({ openSessions })
      await checkOuts.take(as('alice'), ROOT, {})
      await watch.look()
      await watch.look()
      await checkOuts.checkIn({ user: 'alice' }, ROOT)
      await watch.look()
      if (openSessions === 'tell')
        t.same(heard.splice(0), [
          'before Somebody has checked this account out until',
          'hop Somebody has checked root@web-01 out until',
        ])
      // What the store does not know of goes on nowhere, whatever the entry says.
      else t.same([...new Set(heard.splice(0))], ['before account-checked-out', 'hop account-checked-out'])
    }
  },
)

eachStore(
  t,
  'a return ends the sessions of its holder, also where the clock was set back meanwhile',
  async (t, store) => {
    const { checkOuts, as, clock, targets } = await createCheckOutWorld(await store.open())
    const target = (await targets.get('web-01'))!
    await checkOuts.take(as('alice'), ROOT, {})
    clock.move(60_000)
    const ended: string[] = []
    const session = {
      ...{ grant: { session: 'ses_a', user: 'alice', account: target.accounts[0]!, target } as never },
      ...{ startedAt: clock.now(), accounts: [ROOT] },
      abort: (reason: string) => void ended.push(reason),
      downstream: { notify: () => undefined },
    }
    const watch = createCheckOutWatch({
      ...{ live: { all: () => [session] }, rows: checkOuts.rows, onChange: () => () => undefined, clock },
      ...{ aheadMs: () => 0, log: createLog('silent') },
    })
    t.teardown(() => watch.close())
    await watch.look()
    t.same(ended, [])
    clock.move(-2 * HOUR)
    await checkOuts.checkIn({ user: 'alice' }, ROOT)
    await watch.look()
    t.ok(ended.includes('check-out-ended'))
  },
)

eachStore(t, 'whose session ends with a check-out is warned before, and not of what comes later', async (t, store) => {
  const { checkOuts, as, clock, targets, setRule } = await createCheckOutWorld(await store.open())
  await setRule({ maxTime: '8h' })
  const target = (await targets.get('web-01'))!
  await checkOuts.take(as('alice'), ROOT, { forMs: HOUR })
  const heard: string[] = []
  const session = (id: string, endsAt: number) => ({
    grant: { session: id, user: 'alice', account: target.accounts[0]!, target, endsAt } as never,
    ...{ startedAt: clock.now(), accounts: [ROOT], abort: (reason: string) => void heard.push(`${id} ${reason}`) },
    downstream: { notify: (text: string, short?: string) => void heard.push(`${id} ${text} [${short}]`) },
  })
  const all = [session('long', clock.now() + 9 * HOUR), session('short', clock.now() + HOUR / 2)]
  const watch = createCheckOutWatch({
    ...{ live: { all: () => all }, rows: checkOuts.rows, onChange: () => () => undefined, clock },
    ...{ aheadMs: () => 0, log: createLog('silent') },
  })
  t.teardown(() => watch.close())
  await watch.look()
  t.same(heard, [])
  const warning = (left: string) =>
    new RegExp(
      `^long Sallyport: this session on root@web-01 ends at .* UTC, in ${left}, when your check-out of the account is over.\nFor more time: ssh alice@gateway extend root@web-01 \\[Sallyport: ends at .*, in ${left}\\]$`,
    )
  for (const [passes, left] of [
    [55, '5 minutes'],
    [4, '1 minute'],
  ] as const) {
    clock.move(passes * 60_000)
    await watch.look()
    await watch.look()
    t.match(heard, [warning(left)])
    t.equal(heard.splice(0).length, 1)
  }
  await checkOuts.extend(as('alice'), ROOT, HOUR)
  await watch.look()
  clock.move(56 * 60_000)
  await watch.look()
  t.match(heard.splice(0), [warning('5 minutes')], 'of the new end')
  clock.move(HOUR)
  await watch.look()
  t.ok(heard.includes('long check-out-ended'))
})
