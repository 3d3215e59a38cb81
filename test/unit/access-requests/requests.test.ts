import t from 'tap'
import { createAskForAccess } from '../../../src/access-requests/ask-while-connecting.ts'
import { offersFor } from '../../../src/policy/offers.ts'
import { createLog } from '../../../src/shared/log.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { target } from '../../support/policy-facts.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

const HOUR = 3_600_000

eachStore(t, 'what is approved is given until its end, and every step is in the audit log', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { requests, ask, as, login, clock, stateOf, events, runDue } = world
  const { id } = await ask('alice', { forMs: 2 * HOUR })
  t.equal(await login('alice'), undefined)
  await requests.approve(as('lee'), id, { reason: 'fine' })
  t.strictSame(await login('alice'), { request: id, endsAt: clock.now() + 2 * HOUR })
  t.equal(await login('bob'), undefined, 'it is personal')
  clock.move(2 * HOUR)
  t.equal(await login('alice'), undefined, 'whether or not anybody has written down that it is over')
  await runDue()
  t.match(await stateOf(id), { is: 'ended', by: 'gateway' })
  t.strictSame(world.ended, [id])
  t.match(await events(), [
    { kind: 'access-request.asked', actor: 'alice', data: { request: id, role: 'ops', reason: 'INC-4711', for: '2h' } },
    { kind: 'access-request.approved', actor: 'lee', data: { rule: 'role:leads', why: 'fine' } },
    { kind: 'access-request.began', actor: 'gateway' },
    { kind: 'access-request.ended', actor: 'gateway', data: { why: 'its time is over' } },
  ])
  t.strictSame(world.counted, ['asked', 'approved', 'began', 'ended'])
})

eachStore(
  t,
  'two logins that ask for the same at one instant, each at its gateway, make one request',
  async (t, store) => {
    const bothPrepared = Promise.withResolvers<void>()
    let prepared = 0
    const beforeStored = async () => {
      if (++prepared === 2) bothPrepared.resolve()
      await bothPrepared.promise
    }
    const one = await createRequestWorld(await store.open(), { beforeStored })
    const other = await createRequestWorld(await store.open(), { clock: one.clock, beforeStored })
    const [offered] = offersFor([(await one.roles.get('ops'))!], (await one.targets.get('web-01'))!, {
      account: 'root',
    })
    const asker = { ...one.as('alice'), session: 'ses_1' }
    const asked = await Promise.all(
      [one, other].map(({ requests }) =>
        createAskForAccess({ requests, longestMs: HOUR, log: createLog('silent') }).ask(
          ...[asker, offered!, { words: { reason: 'disk is full' }, mayStay: false, since: 0 }],
        ),
      ),
    )
    t.equal(asked[0]!.id, asked[1]!.id)
    t.strictSame(asked.map(({ known }) => known).sort(), [false, true])
    t.equal((await one.requests.rows.list({ user: 'alice', limit: 10 })).length, 1)
    t.match(await one.events(), { length: 1 })
  },
)

eachStore(
  t,
  'what is approved between the refusal of a login and its asking is had, and not asked for again',
  async (t, store) => {
    const { requests, roles, targets, as, ask, clock } = await createRequestWorld(await store.open())
    const [offered] = offersFor([(await roles.get('ops'))!], (await targets.get('web-01'))!, { account: 'root' })
    const asking = createAskForAccess({ requests, longestMs: HOUR, log: createLog('silent') })
    const asker = { ...as('alice'), session: 'ses_1' }
    const wish = { words: { reason: 'disk is full' }, mayStay: false }
    const refusedAt = asking.now()
    clock.move(1)
    const { id } = await ask('alice')
    await requests.approve(as('lee'), id, {})
    clock.move(1)

    const had = await asking.ask(asker, offered!, { ...wish, since: refusedAt })
    t.equal(had.id, id)
    t.strictSame(await had.decided(new AbortController().signal), { is: 'approved' })
    t.equal(await had.leave({ keeps: false }), 'stands')
    t.equal((await requests.rows.get(id))?.state.is, 'active')

    const other = await asking.ask(asker, offered!, { ...wish, since: asking.now() })
    t.not(other.id, id, 'what they were refused although they had that is something else')
    await other.leave({ keeps: false })
  },
)

eachStore(t, 'two approvers at one instant make one decision', async (t, store) => {
  const one = await createRequestWorld(await store.open())
  const other = await createRequestWorld(await store.open(), { clock: one.clock })
  for (let round = 0; round < 5; round++) {
    const { id } = await one.ask('alice')
    const answers = await Promise.allSettled([
      one.requests.approve(one.as('lee'), id, {}),
      other.requests.deny(other.as('lou'), id, 'not now'),
      one.requests.cancel(one.as('alice'), id),
    ])
    const kinds = (await one.events()).filter(({ data }) => data.request === id).map(({ kind }) => kind)
    const decided = kinds.filter(kind => /\.(approved|denied)$/.test(kind))
    t.ok(decided.length <= 1, kinds.join(' '))
    t.ok(answers.filter(({ status }) => status === 'fulfilled').length >= 1)
    const state = await one.stateOf(id)
    t.match(state?.is, /^(denied|cancelled|ended|active)$/)
    if (state?.is === 'active') await one.requests.cancel(one.as('alice'), id)
  }
})

eachStore(t, 'two who approve each other at one instant do not both', async (t, store) => {
  const one = await createRequestWorld(await store.open())
  const other = await createRequestWorld(await store.open(), { clock: one.clock })
  await one.offers({ ...OFFER, approvers: ['role:ops'] })
  for (let round = 0; round < 5; round++) {
    const [a, b] = [await one.ask('alice'), await one.ask('bob')]
    await Promise.allSettled([
      one.requests.approve(one.as('bob'), a.id, {}),
      other.requests.approve(other.as('alice'), b.id, {}),
    ])
    const states = [await one.stateOf(a.id), await one.stateOf(b.id)].map(state => state?.is)
    t.ok(states.filter(is => is === 'active').length <= 1, states.join(' '))
    await one.requests.cancel(one.as('alice'), a.id).catch(() => undefined)
    await one.requests.cancel(one.as('bob'), b.id).catch(() => undefined)
  }
})

eachStore(t, 'several approvals in steps, within a time, and escalated after it', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { requests, ask, as, user, clock, stateOf, runDue, events } = world
  await world.roles.put({ ...(await world.roles.get('leads'))!, name: 'security' })
  await user('sam', ['security'])
  await user('mia', [])
  await user('alice', ['ops'], { manager: 'mia' })
  await world.offers({
    ...{ accounts: { names: ['root'] }, freshFactor: false },
    stages: [
      { groups: [{ of: ['role:leads'], count: 2 }] },
      { groups: [{ of: ['role:security'] }], within: '1h', escalateTo: ['manager'] },
    ],
  })
  const { id } = await ask('alice')
  await t.rejects(requests.approve(as('sam', ['security']), id, {}), { code: 'NOT_FOUND' }, 'it is not their turn')
  await requests.approve(as('lee'), id, { less: { forMs: HOUR / 2 } })
  await t.rejects(requests.approve(as('lee'), id, {}), { code: 'FORBIDDEN', message: /already/ })
  await requests.approve(as('lou'), id, {})
  t.match(await stateOf(id), { is: 'pending', stage: 1, given: { lengthMs: HOUR / 2 } })
  await t.rejects(requests.approve(as('mia', []), id, {}), { code: 'NOT_FOUND' })
  clock.move(HOUR)
  await runDue()
  t.match((await events()).at(-1), { kind: 'access-request.escalated', data: { to: ['manager'] } })
  await requests.approve(as('mia', []), id, {})
  t.match(await stateOf(id), { is: 'active', endsAt: clock.now() + HOUR / 2 }, 'the least that anybody gave')
})

eachStore(
  t,
  'an approval of an earlier step counts no more once its approver is none, and the step is asked again',
  async (t, store) => {
    const world = await createRequestWorld(await store.open())
    const { requests, ask, as, user, users, stateOf, login } = world
    await world.roles.put({ ...(await world.roles.get('leads'))!, name: 'security' })
    await user('sam', ['security'])
    await user('sue', ['security'])
    const steps = [{ groups: [{ of: ['role:leads'] }] }, { groups: [{ of: ['role:security'] }] }]
    const offer = { accounts: { names: ['root'] }, freshFactor: false }
    await world.offers({ ...offer, stages: steps })
    const { id } = await ask('alice')
    await requests.approve(as('lee'), id, {})
    await user('lee', ['leads'], { disabled: true })
    await requests.approve(as('sam', ['security']), id, {})
    t.match(await stateOf(id), { is: 'pending', stage: 0 }, 'back to the step that lacks an approval')
    t.equal(await login('alice'), undefined)
    await requests.approve(as('lou'), id, {})
    t.match(await stateOf(id), { is: 'active' })
    await requests.cancel(as('alice'), id)

    await user('lee', ['leads'])
    const again = await ask('alice')
    await requests.approve(as('lee'), again.id, {})
    await users.remove('lee')
    await user('lee', ['leads'])
    await requests.approve(as('sam', ['security']), again.id, {})
    t.match(await stateOf(again.id), { is: 'pending', stage: 0 }, 'another lee has approved nothing')
    t.match(await requests.rows.decisionsOn(again.id), [{ approver: /^lee \(removed 2/ }, { approver: 'sam' }])
    await t.rejects(requests.revokeAsApprover(as('lee'), again.id, undefined), { code: 'NOT_FOUND' })
    await requests.cancel(as('alice'), again.id)

    const third = await ask('alice')
    await requests.approve(as('lee'), third.id, {})
    await world.offers({ ...offer, stages: steps.toReversed() })
    await requests.approve(as('lou'), third.id, {})
    t.match(await stateOf(third.id), { is: 'pending', stage: 0 }, 'security has approved nothing')
    await requests.approve(as('sue', ['security']), third.id, {})
    t.match(await stateOf(third.id), { is: 'active' })
  },
)

eachStore(t, 'nobody decides on what somebody asks for who gave access to another user of theirs', async (t, store) => {
  const { requests, ask, as, user, offers, stateOf } = await createRequestWorld(await store.open())
  await offers({ ...OFFER, approvers: ['role:leads', 'role:ops'] })
  await user('lee', ['leads'], { person: '9' })
  await user('bob', ['ops'], { person: '9' })
  const { id } = await ask('bob')
  await requests.approve(as('alice'), id, {})
  const back = await ask('alice')
  await t.rejects(requests.approve(as('lee'), back.id, {}), { code: 'FORBIDDEN', message: /approved by alice/ })
  await requests.cancel(as('bob'), id)
  await requests.approve(as('lee'), back.id, {})
  t.match(await stateOf(back.id), { is: 'active' })
})

eachStore(t, 'two persons do not approve for each other at one time; three in a ring may', async (t, store) => {
  const { requests, ask, as, offers, stateOf } = await createRequestWorld(await store.open())
  await offers({ ...OFFER, approvers: ['role:ops'] })
  const [a, b, c] = [await ask('alice'), await ask('bob'), await ask('carol')]
  await requests.approve(as('alice'), b.id, {})
  await t.rejects(requests.approve(as('bob'), a.id, {}), { code: 'FORBIDDEN', message: /approved by alice/ })
  await requests.approve(as('bob'), c.id, {})
  await requests.approve(as('carol'), a.id, {})
  for (const { id } of [a, b, c]) t.match(await stateOf(id), { is: 'active' })
})

eachStore(t, 'nobody decides who may not, and they learn nothing of it', async (t, store) => {
  const { requests, ask, as, user, stateOf, refused } = await createRequestWorld(await store.open())
  const { id } = await ask('alice')
  await user('alice-adm', ['leads'], { person: '7' })
  await user('alice', ['ops', 'leads'], { person: '7' })
  await t.rejects(requests.approve(as('alice'), id, {}), { code: 'FORBIDDEN' })
  await t.rejects(requests.approve(as('alice-adm', ['leads']), id, {}), { code: 'FORBIDDEN' })
  await t.rejects(requests.approve(as('bob'), id, {}), { code: 'NOT_FOUND' })
  await t.rejects(requests.deny(as('bob'), id, 'no'), { code: 'NOT_FOUND' })
  await t.rejects(requests.approve(as('bob'), 'req_none', {}), { code: 'NOT_FOUND' })
  await t.rejects(requests.cancel(as('bob'), id), { code: 'NOT_FOUND' })
  await t.rejects(requests.revokeAsApprover(as('bob'), id, undefined), { code: 'NOT_FOUND' })
  await t.rejects(requests.askForMore(as('bob'), id, {}), { code: 'NOT_FOUND' })
  await user('lee', ['leads'], { disabled: true })
  await t.rejects(requests.approve(as('lee'), id, {}), { code: 'NOT_FOUND' }, 'disabled since they were told')
  t.match(await stateOf(id), { is: 'pending' })
  t.ok(refused.length >= 4)
  t.strictSame(
    (await requests.toDecide('lou', { limit: 100 })).map(one => one.id),
    [id],
  )
  for (const name of ['bob', 'lee', 'alice', 'alice-adm', 'nobody'])
    t.strictSame(await requests.toDecide(name, { limit: 100 }), [])
})

eachStore(t, 'a decision needs a second factor of that moment where the offer says so', async (t, store) => {
  const { requests, ask, as, offers, stateOf } = await createRequestWorld(await store.open())
  await offers({ ...OFFER, freshFactor: true })
  const { id } = await ask('alice')
  await t.rejects(requests.approve(as('lee'), id, {}), { code: 'ACCESS_DENIED', message: /one-time code/ })
  await t.rejects(
    requests.approve(as('lee'), id, {}, async () => false),
    { code: 'ACCESS_DENIED' },
  )
  t.match(await stateOf(id), { is: 'pending' })
  await requests.approve(as('lee'), id, {}, async () => true)
  t.match(await requests.rows.decisionsOn(id), [{ approver: 'lee', factors: 'totp', rule: 'role:leads' }])
})

eachStore(t, 'what an approver gives is less than what was asked for, never more', async (t, store) => {
  const { requests, ask, as, stateOf, clock, login } = await createRequestWorld(await store.open())
  const { id } = await ask('alice', { channels: ['shell', 'exec'] })
  const give = (less: object) => requests.approve(as('lee'), id, { less })
  await t.rejects(give({ forMs: 5 * HOUR }), { code: 'BAD_REQUEST' })
  await t.rejects(give({ channels: ['sftp'] }), { code: 'BAD_REQUEST' })
  await t.rejects(give({ channels: ['everything'] }), { code: 'BAD_REQUEST' })
  await t.rejects(give({ startsAt: clock.now() - HOUR }), { code: 'BAD_REQUEST' })
  const at = clock.now() + HOUR
  await give({ channels: ['exec'], startsAt: at })
  t.match(await stateOf(id), { is: 'approved', given: { channels: ['exec'] }, startsAt: at })
  t.equal(await login('alice'), undefined, 'not yet')
  clock.move(HOUR)
  t.equal((await login('alice'))?.request, id)
})

eachStore(
  t,
  'the time counts from first use where the offer says so, and what is not used lapses',
  async (t, store) => {
    const world = await createRequestWorld(await store.open())
    const { requests, ask, as, offers, clock, use, stateOf, login, runDue } = world
    await offers({ ...OFFER, clock: 'first-use', validFor: '8h' })
    const [first, second] = [await ask('alice'), await ask('bob')]
    for (const { id } of [first, second]) await requests.approve(as('lee'), id, {})
    clock.move(4 * HOUR)
    t.equal((await login('alice'))?.endsAt, clock.now() + HOUR)
    await use(first.id)
    clock.move(HOUR / 2)
    await use(first.id)
    t.equal((await login('alice'))?.endsAt, clock.now() + HOUR / 2, 'a second use makes it no longer')
    clock.move(4 * HOUR)
    t.equal(await login('bob'), undefined, 'too late')
    await t.rejects(use(second.id), { code: 'ACCESS_DENIED' })
    await runDue()
    t.match(await stateOf(second.id), { is: 'expired' })
    t.match(await stateOf(first.id), { is: 'ended' })
  },
)

eachStore(t, 'more time is asked for anew, and moves the end of the request', async (t, store) => {
  const { requests, ask, as, clock, stateOf, login } = await createRequestWorld(await store.open())
  const { id } = await ask('alice', { forMs: HOUR })
  await requests.approve(as('lee'), id, {})
  const end = clock.now() + HOUR
  const more = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'not done' })
  await t.rejects(requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'again' }), { code: 'CONFLICT' })
  await t.rejects(
    requests.approve(as('lee'), more.id, { less: { channels: ['shell'] } }),
    { code: 'BAD_REQUEST' },
    'it would not be less',
  )
  t.equal((await login('alice'))?.endsAt, end, 'not by asking')
  await requests.approve(as('lou'), more.id, {})
  t.match(await stateOf(id), { is: 'active', endsAt: end + HOUR })
  t.match(await stateOf(more.id), { is: 'ended' })
  t.strictSame(await login('alice'), { request: id, endsAt: end + HOUR })
  const late = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'late' })
  clock.move(2 * HOUR)
  await t.rejects(requests.approve(as('lou'), late.id, {}), { code: 'CONFLICT' })
  t.equal(await login('alice'), undefined)
})

eachStore(
  t,
  'it ends with the role, the offer, the target or the user, and for whoever gets the name',
  async (t, store) => {
    const world = await createRequestWorld(await store.open())
    const { requests, ask, as, user, users, login, stateOf, offers, targets, roles } = world
    const approved = async (name: string) => {
      const { id } = await ask(name)
      await requests.approve(as('lee'), id, {})
      t.equal((await login(name))?.request, id)
      return id
    }
    const taken = await approved('alice')
    await user('alice', [])
    await requests.review()
    t.match(await stateOf(taken), { is: 'revoked', words: /does not hold the role ops/ })
    await user('alice', ['ops'])
    t.equal(await login('alice'), undefined, 'the role alone brings it not back')

    const removed = await approved('alice')
    await users.remove('alice')
    await user('alice', ['ops'])
    t.equal(await login('alice'), undefined, 'somebody else of the same name')
    await requests.review()
    t.match(await stateOf(removed), { is: 'revoked' })

    const disabled = await approved('bob')
    await user('bob', ['ops'], { disabled: true })
    await requests.review()
    t.match(await stateOf(disabled), { is: 'revoked', words: /disabled/ })

    const edited = await approved('carol')
    const waiting = await ask('carol')
    await offers({ ...OFFER, accounts: { names: ['www'] } })
    t.equal(await login('carol'), undefined, 'at once')
    await requests.review()
    t.match(await stateOf(edited), { is: 'revoked', words: /does not offer it any more/ })
    t.match(await stateOf(waiting.id), { is: 'revoked' })

    await offers(OFFER)
    for (const again of [
      () => targets.remove('web-01').then(() => targets.put(target())),
      () => roles.remove('ops').then(() => offers(OFFER)),
    ]) {
      const [before, asked] = [await approved('carol'), await ask('carol')]
      await again()
      t.equal(await login('carol'), undefined, 'another one of the same name, however quickly it came')
      await requests.review()
      t.match(await stateOf(before), { is: 'revoked', words: /was removed/ })
      t.match(await stateOf(asked.id), { is: 'revoked' })
    }
    const vanished = await ask('carol')
    await targets.remove('web-01')
    await t.rejects(requests.approve(as('lee'), vanished.id, {}), { code: 'CONFLICT' })
    await requests.review()
    t.match(await stateOf(vanished.id), { is: 'revoked', words: /no target web-01/ })
  },
)

eachStore(t, 'one asks within bounds, for what is offered, and with words that can be read', async (t, store) => {
  const { requests, ask, as, refused, offers } = await createRequestWorld(await store.open())
  await t.rejects(ask('alice', { reason: '' }), { code: 'BAD_REQUEST', message: /needs a reason/ })
  await t.rejects(ask('alice', { reason: 'a\u0007b' }), { code: 'BAD_REQUEST', message: /not seen/ })
  await t.rejects(ask('alice', { reason: 'a\u202eb' }), { code: 'BAD_REQUEST' })
  await t.rejects(ask('alice', { reason: 'a\u3164b' }), { code: 'BAD_REQUEST', message: /not seen/ })
  await t.rejects(ask('alice', { reason: '\u2800 \u2800' }), { code: 'BAD_REQUEST', message: /needs a reason/ })
  await t.rejects(ask('alice', { permanent: true, forMs: HOUR }), { code: 'BAD_REQUEST', message: /for good/ })
  await t.rejects(ask('alice', { reason: 'x'.repeat(10_240) }), { code: 'BAD_REQUEST', message: /500/ })
  await t.rejects(ask('alice', { forMs: 5 * HOUR }), { code: 'BAD_REQUEST', message: /4h at most/ })
  await t.rejects(ask('alice', { forMs: 0 }), { code: 'BAD_REQUEST' })
  await t.rejects(ask('alice', { account: 'mail' }), { code: 'ACCESS_DENIED' })
  await t.rejects(ask('alice', { on: { target: 'nowhere' } }), { code: 'ACCESS_DENIED', message: /does not exist/ })
  await t.rejects(ask('lee'), { code: 'ACCESS_DENIED' })
  t.equal(refused.length, 3)
  await t.rejects(ask('alice', { account: 'www' }), { code: 'CONFLICT', message: /You have www@web-01 without asking/ })
  await t.rejects(ask('alice', { account: 'www', channels: ['agent'] }), { code: 'ACCESS_DENIED' })
  await offers({ ...OFFER, ticket: 'INC-\\d+' }, { ...OFFER, accounts: { names: ['www'] } })
  await t.rejects(ask('alice', { ticket: 'x' }), { code: 'BAD_REQUEST', message: /not of the form/ })
  await t.rejects(ask('alice', { account: 'www' }), { code: 'CONFLICT', message: /without asking/ })
  const least = await requests.ask(as('alice'), {
    on: { target: 'web-01' },
    account: 'root',
    reason: 'x',
    ticket: 'INC-1',
  })
  t.strictSame(least.lower, { account: 'www@web-01', level: 'basic' })
})

eachStore(t, 'a thousand requests of one user are refused after a few', async (t, store) => {
  const { ask, requests, as } = await createRequestWorld(await store.open())
  const answers: string[] = []
  for (let round = 0; round < 130; round++) {
    const made = await ask('alice').catch(error => error)
    answers.push(made.code ?? 'asked')
    if (round % 2 === 1 && made.id !== undefined) await requests.cancel(as('alice'), made.id)
  }
  t.equal(answers.filter(one => one === 'asked').length, 99, 'then 50 are open')
  t.equal(answers.filter(one => one === 'CONFLICT').length, 31)
  t.equal((await ask('bob')).user, 'bob', 'others ask on')
})
