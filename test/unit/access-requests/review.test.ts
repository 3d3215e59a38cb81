import fc from 'fast-check'
import t from 'tap'
import { tryRules } from '../../../src/access-requests/review/dry-run.ts'
import { evaluateRules, hangsOnTicket, type ReviewFacts } from '../../../src/access-requests/review/evaluate.ts'
import { type ReviewRuleInput, reviewRuleSchema } from '../../../src/access-requests/review/review-rule.ts'
import type { Target } from '../../../src/targets/target.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { target } from '../../support/policy-facts.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOON = Date.parse('2026-11-25T12:00:00Z')

const rule = (input: Partial<ReviewRuleInput>) => reviewRuleSchema.parse({ name: 'r', outcome: 'approve', ...input })
const opens = (account: string, of: Target = target()) => ({
  target: of,
  account: of.accounts.find(({ name }) => name === account)!,
})
const facts = (more: Partial<ReviewFacts> = {}): ReviewFacts => ({
  ...{
    kind: 'access',
    role: 'ops',
    user: { roles: ['ops'], attributes: { team: 'payments' } },
    opened: [opens('root')],
  },
  ...{ askedAt: NOON, beginsAt: NOON, lengthMs: HOUR, most: 4 * HOUR, source: '198.51.100.7' },
  ...{ lastOn: new Map(), newNetwork: false, unusualHour: false, onCall: new Map(), ticket: { is: 'none' } },
  ...more,
})
const verdict = (
  when: ReviewRuleInput['when'],
  more: Partial<ReviewFacts> = {},
  outcome: 'approve' | 'deny' = 'approve',
) => evaluateRules([rule({ when, outcome })], facts(more)).outcome

t.test('each condition holds for what it says, and for nothing else', async t => {
  const cases: [ReviewRuleInput['when'], Partial<ReviewFacts>][] = [
    [{ roles: ['ops'] }, { role: 'dev' }],
    [{ accounts: { names: ['root'] } }, { opened: [opens('www')] }],
    [{ targets: { names: ['web-*'] } }, { opened: [opens('root', target({ name: 'db-01' }))] }],
    [{ user: { roles: ['ops'] } }, { user: { roles: [] } }],
    [{ user: { attributes: { team: 'pay*' } } }, { user: { roles: ['ops'], attributes: { team: 'sales' } } }],
    [{ user: { attributes: { team: 'payments' } } }, { user: { roles: ['ops'] } }],
    [{ hours: { from: '09:00', to: '17:00' } }, { beginsAt: NOON + 8 * HOUR }],
    [{ sources: ['198.51.100.0/24'] }, { source: '203.0.113.9' }],
    [{ atMost: '1h' }, { lengthMs: HOUR + 1 }],
    [{ newNetwork: false }, { newNetwork: true }],
    [{ unusualHour: false }, { unusualHour: true }],
    [{ firstOnTarget: { is: true } }, { lastOn: new Map([['web-01', NOON - 89 * DAY]]) }],
    [{ firstOnTarget: { is: true, within: '30d' } }, { lastOn: new Map([['web-01', NOON - 29 * DAY]]) }],
  ]
  for (const [when, otherwise] of cases) {
    t.equal(verdict(when), 'approve', JSON.stringify(when))
    t.equal(verdict(when, otherwise), 'ask', JSON.stringify(when))
    t.equal(verdict(when, {}, 'deny'), 'deny', JSON.stringify(when))
  }
  t.equal(verdict({ firstOnTarget: { is: true } }, { lastOn: new Map([['web-01', NOON - 91 * DAY]]) }), 'approve')
})

t.test('hours over midnight hold by the clock on the wall, also in the nights in which it changes', async t => {
  const night = { hours: { days: ['sat' as const], from: '22:00', to: '06:00', zone: 'Europe/Berlin' } }
  for (const [first, last] of [
    // 22:00 to 06:00 in summer, then as the clocks go back (nine hours), and forward (seven).
    ['2026-08-15T20:00:00Z', '2026-08-16T03:59:59.999Z'],
    ['2026-10-24T20:00:00Z', '2026-10-25T04:59:59.999Z'],
    ['2026-03-28T21:00:00Z', '2026-03-29T03:59:59.999Z'],
  ] as const) {
    const [from, to] = [Date.parse(first), Date.parse(last)]
    for (const beginsAt of [from, from + 6 * HOUR, to]) t.equal(verdict(night, { beginsAt }), 'approve', first)
    for (const beginsAt of [from - 1, to + 1, from + DAY, from - DAY])
      t.equal(verdict(night, { beginsAt }), 'ask', last)
  }
})

t.test('a session so many days ago to the millisecond is within them, and one before is not', async t => {
  const first = { firstOnTarget: { is: true, within: '30d' } } as const
  const lastOn = (ago: number) => ({ lastOn: new Map([['web-01', NOON - ago]]) })
  t.equal(verdict(first, lastOn(30 * DAY)), 'ask')
  t.equal(verdict(first, lastOn(30 * DAY + 1)), 'approve')
  t.equal(verdict({ firstOnTarget: { is: false, within: '30d' } }, lastOn(30 * DAY)), 'approve')
  t.equal(verdict({ firstOnTarget: { is: false, within: '30d' } }, lastOn(30 * DAY + 1)), 'ask')
})

const ON_CALL = new Map([['requester ops', { is: 'on-call' } as const]])
const OFF_CALL = new Map([['requester ops', { is: 'not-on-call' } as const]])
const NOBODY_SAYS = new Map([['requester ops', { is: 'unknown', why: 'the calendar cannot be read' } as const]])
const TICKET = { is: 'known', state: 'Open', isRequesters: true } as const

t.test('who is on call, and the state of the ticket, are conditions like others', async t => {
  const cases: [ReviewRuleInput['when'], Partial<ReviewFacts>, Partial<ReviewFacts>][] = [
    [{ onCall: { calendar: 'ops' } }, { onCall: ON_CALL }, { onCall: OFF_CALL }],
    [{ onCall: { calendar: 'ops', is: false } }, { onCall: OFF_CALL }, { onCall: ON_CALL }],
    [
      { onCall: { calendar: 'ops', who: 'approver' } },
      { onCall: new Map([['approver ops', { is: 'on-call' }]]) },
      { onCall: new Map([['approver ops', { is: 'not-on-call' }]]) },
    ],
    [{ ticket: { states: ['open'] } }, { ticket: TICKET }, { ticket: { ...TICKET, state: 'closed' } }],
    [{ ticket: { states: ['open'] } }, { ticket: { ...TICKET, isRequesters: false } }, { ticket: { is: 'none' } }],
    [
      { ticket: { states: ['closed', 'open'], assignee: 'requester' } },
      { ticket: TICKET },
      { ticket: { ...TICKET, isRequesters: false } },
    ],
  ]
  for (const [when, holds, otherwise] of cases) {
    for (const outcome of ['approve', 'deny'] as const) {
      t.equal(verdict(when, holds, outcome), outcome, JSON.stringify(when))
      t.equal(verdict(when, otherwise, outcome), 'ask', JSON.stringify(when))
    }
  }
  t.equal(verdict({ onCall: { calendar: 'ops' } }, { onCall: ON_CALL, beginsAt: undefined }), 'ask')
})

t.test(
  'what cannot be known approves nothing, whatever the rule that asks about it says, and denies nothing',
  async t => {
    const when = { onCall: { calendar: 'ops' } }
    const unknown = facts({ onCall: NOBODY_SAYS, ticket: { is: 'unknown', why: 'no answer within 5000 ms' } })
    const rules = (...outcomes: Partial<ReviewRuleInput>[]) =>
      outcomes.map((one, order) => rule({ name: `r${order}`, order, ...one }))
    const approve: Partial<ReviewRuleInput> = { when: { roles: ['ops'] }, outcome: 'approve' }
    for (const condition of [when, { ticket: { states: ['open'] } }]) {
      t.equal(evaluateRules(rules({ when: condition, outcome: 'approve' }), unknown).outcome, 'ask')
      t.equal(evaluateRules(rules({ when: condition, outcome: 'deny' }), unknown).outcome, 'ask')
      // Another rule approves or denies it, whatever the first would say.
      t.match(evaluateRules(rules({ when: condition, outcome: 'approve' }, approve), unknown), {
        outcome: 'approve',
        rule: 'r1',
      })
      t.match(evaluateRules(rules({ when: condition, outcome: 'approve' }, { outcome: 'deny' }), unknown), {
        outcome: 'deny',
        rule: 'r1',
      })
      for (const outcome of ['deny', 'ask'] as const) {
        const review = evaluateRules(rules({ when: condition, outcome }, approve), unknown)
        t.match(review, { outcome: 'ask', rule: 'r0', why: /it may match: .*; so the rule r1 does not approve it/ })
      }
    }
    const also = [{ of: ['role:security'] }]
    const more = [{ of: ['role:heads'] }]
    const review = evaluateRules(rules({ when, outcome: 'ask', also }, { outcome: 'ask', also: more }), unknown)
    t.match(review.also, [...also, ...more])
    // What does not hold anyway needs no knowing.
    t.match(evaluateRules(rules({ when: { ...when, roles: ['dev'] }, outcome: 'deny' }, approve), unknown), {
      outcome: 'approve',
    })
  },
)

t.test('the state of the ticket is asked for where the review hangs on it, and not otherwise', async t => {
  const rules = [
    rule({ name: 'a', order: 1, when: { roles: ['dev'] } }),
    rule({ name: 'b', order: 2, when: { ticket: { states: ['open'] } } }),
  ]
  t.equal(hangsOnTicket(rules, facts()), true)
  t.equal(hangsOnTicket(rules, facts({ role: 'dev' })), false)
  t.equal(hangsOnTicket([rule({ when: { roles: ['dev'], ticket: { states: ['open'] } } })], facts()), false)
})

t.test('an approval needs all that would be opened to match, a denial any of it', async t => {
  const both = { opened: [opens('root'), opens('root', target({ name: 'db-01' }))] }
  t.equal(verdict({ targets: { names: ['web-*'] } }, both), 'ask')
  t.equal(verdict({ targets: { names: ['web-*'] } }, both, 'deny'), 'deny')
  t.equal(verdict({ accounts: { names: ['root'] } }, both), 'approve')
})

t.test('what no rule approves: for good, nothing, beyond the offer, at an hour that nobody knows', async t => {
  const when = { roles: ['ops'] }
  t.equal(verdict(when, { kind: 'permanent' }), 'ask')
  t.equal(verdict(when, { opened: [] }), 'ask')
  t.equal(verdict(when, { lengthMs: 4 * HOUR + 1 }), 'ask')
  t.equal(verdict({ hours: { from: '09:00', to: '17:00' } }, { beginsAt: undefined }), 'ask')
  t.equal(verdict(when, { beginsAt: undefined }), 'approve')
})

t.test('the first that matches decides, by order and then by name', async t => {
  const anyRule = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    order: fc.integer({ min: 0, max: 3 }),
    outcome: fc.constantFrom('approve' as const, 'deny' as const, 'ask' as const),
    when: fc.constantFrom<NonNullable<ReviewRuleInput['when']>>(
      { roles: ['ops'] },
      { roles: ['dev'] },
      { newNetwork: true },
      { unusualHour: false },
    ),
  })
  fc.assert(
    fc.property(fc.uniqueArray(anyRule, { selector: one => one.name }), fc.boolean(), (inputs, newNetwork) => {
      const rules = inputs.map(input => rule(input))
      const now = facts({ newNetwork })
      const review = evaluateRules(rules, now)
      const matching = rules.filter(one => evaluateRules([one], now).rule !== undefined)
      const first = matching.sort((a, b) => a.order - b.order || a.name.localeCompare(b.name))[0]
      t.strictSame(evaluateRules(rules.toReversed(), now), review)
      return review.rule === first?.name && review.outcome === (first?.outcome ?? 'ask')
    }),
  )
})

eachStore(t, 'a rule approves at the moment of asking, and is named everywhere', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { rule, ask, login, events, requests } = world
  await rule({ name: 'short', outcome: 'approve', when: { atMost: '1h', roles: ['ops'] } })
  const request = await ask('alice', { forMs: HOUR })
  t.match(request, { state: { is: 'active' }, review: { outcome: 'approve', rule: 'short' } })
  t.match(await login('alice'), { request: request.id })
  t.match(await requests.rows.get(request.id), { review: { rule: 'short', why: /at most 1h/ } })
  t.match(await requests.rows.decisionsOn(request.id), [
    { decision: 'approve', rule: 'review-rule:short', factors: '' },
  ])
  t.match(await events(), [
    { kind: 'access-request.asked', actor: 'alice', data: { review: { outcome: 'approve', rule: 'short' } } },
    { kind: 'access-request.approved', actor: 'gateway', data: { rule: 'review-rule:short', why: /at most 1h/ } },
    { kind: 'access-request.began' },
  ])
  const longer = await ask('bob', { forMs: 2 * HOUR })
  t.match(longer, { state: { is: 'pending' }, review: { outcome: 'ask', rule: undefined } })
})

eachStore(t, 'a rule denies, and nobody is asked', async (t, store) => {
  const { rule, ask, requests, as, login } = await createRequestWorld(await store.open())
  await rule({ name: 'not-from-there', order: 1, outcome: 'deny', when: { sources: ['198.51.100.0/24'] } })
  await rule({ name: 'all', outcome: 'approve', when: { roles: ['ops'] } })
  const { id, state } = await ask('alice')
  t.match(state, { is: 'denied', by: 'gateway', words: /not-from-there/ })
  t.strictSame(await requests.toDecide('lee', { limit: 100 }), [])
  await t.rejects(requests.approve(as('lee'), id, {}), { code: 'NOT_FOUND' })
  t.equal(await login('alice'), undefined)
})

eachStore(t, 'a rule asks more people, who decide in a further step', async (t, store) => {
  const { rule, ask, requests, as, user, stateOf } = await createRequestWorld(await store.open())
  await user('sam', ['security'])
  const sam = as('sam', ['security'])
  await rule({
    ...{ name: 'strange', outcome: 'ask', when: { newNetwork: true } },
    also: [{ of: ['role:security'] }],
  })
  const { id } = await ask('alice')
  t.strictSame(await requests.toDecide('sam', { limit: 100 }), [], 'it is not their turn')
  await requests.approve(as('lee'), id, {})
  t.match(await stateOf(id), { is: 'pending', stage: 1 })
  t.match(await requests.toDecide('sam', { limit: 100 }), [{ id }])
  await requests.approve(sam, id, {})
  t.match(await stateOf(id), { is: 'active' })
})

eachStore(t, 'a rule that cannot be read, or that is gone, approves nothing', async (t, store) => {
  const database = await store.open()
  const { rule, ask, reviewRules, failures } = await createRequestWorld(database)
  await rule({ name: 'all', outcome: 'approve', when: { roles: ['ops'] } })
  await database
    .insertInto('review_rules')
    .values({ name: 'broken', document: '{"name":"broken","outcome":"perhaps"}', updated_at: 0 })
    .execute()
  t.match(await ask('alice'), { state: { is: 'pending' }, review: { outcome: 'ask', why: /could not be evaluated/ } })
  t.equal(failures.length, 1)
  await reviewRules.removeAll(['broken', 'all'])
  t.match(await ask('bob'), { state: { is: 'pending' }, review: { outcome: 'ask', why: 'there are no review rules' } })
})

eachStore(t, 'a rule that goes while it is asked approves nothing', async (t, store) => {
  const database = await store.open()
  const world = await createRequestWorld(database)
  await world.rule({ name: 'all', outcome: 'approve', when: { roles: ['ops'] } })
  const { sessions } = world
  const list = sessions.list
  // Between the reading of the rules and the transaction.
  sessions.list = async query => {
    await world.reviewRules.remove('all')
    return list(query)
  }
  t.match(await world.ask('alice'), { state: { is: 'pending' }, review: { outcome: 'ask' } })
})

eachStore(t, 'what a rule approves is what was reviewed, and no account that comes later', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { rule, ask, login, targets, offers } = world
  await offers({ ...OFFER, accounts: { names: ['root', 'dba'] } })
  await rule({
    name: 'web',
    outcome: 'approve',
    when: { targets: { names: ['web-01'] }, accounts: { names: ['root'] } },
  })
  const { level } = target().accounts.find(({ name }) => name === 'root')!
  const { state } = await ask('alice', { on: { selector: { names: ['*'] } }, account: undefined, level })
  t.match(state, { is: 'active', given: { targets: { names: ['web-01'] }, accounts: { names: ['root'] } } })
  await targets.put(
    target({ accounts: [...target().accounts, { ...target().accounts[0]!, name: 'dba', level, default: false }] }),
  )
  t.ok(await login('alice', 'root'))
  t.equal(await login('alice', 'dba'), undefined)
})

eachStore(t, 'more time counts from the beginning, and never beyond the offer', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { rule, ask, as, requests, clock, stateOf, offers } = world
  await offers({ ...OFFER, maxTime: '3h' })
  await rule({ name: 'all', outcome: 'approve', when: { roles: ['ops'] } })
  const { id } = await ask('alice', { forMs: 2 * HOUR })
  const more = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'INC-1' })
  t.match(more.state, { is: 'ended', by: 'gateway' })
  t.match(await stateOf(id), { is: 'active', endsAt: clock.now() + 3 * HOUR })
  const beyond = await requests.askForMore(as('alice'), id, { forMs: HOUR, reason: 'INC-1' })
  t.match(beyond, { state: { is: 'pending' }, review: { outcome: 'ask', rule: 'all', why: /longer than 3h/ } })
})

eachStore(t, 'rules are tried on what was asked in a time, as it was then, and change nothing', async (t, store) => {
  const world = await createRequestWorld(await store.open())
  const { ask, clock, requests, events, offers } = world
  const first = await ask('alice', { forMs: HOUR })
  clock.move(2 * HOUR)
  const second = await ask('bob', { forMs: 2 * HOUR })
  clock.move(HOUR)
  const before = await events()
  const hour = (ms: number) => new Date(ms).toISOString().slice(11, 16)
  const then = { from: hour(first.askedAt - 60_000), to: hour(first.askedAt + 60_000) }
  const [deny, hours] = [rule({ name: 'long', outcome: 'deny', when: { roles: ['ops'] } }), { hours: then }]
  const rules = [deny, rule({ order: 1, when: hours })]
  const all = { since: first.askedAt, until: clock.now() }
  t.match(await tryRules(requests, rules, all), {
    tried: [
      { request: { id: second.id }, review: { outcome: 'deny', rule: 'long' } },
      { request: { id: first.id }, review: { outcome: 'approve', rule: 'r' } },
    ],
    more: false,
  })
  t.match((await tryRules(requests, rules, { ...all, until: second.askedAt })).tried, [{ request: { id: first.id } }])
  t.match((await tryRules(requests, rules, { ...all, since: second.askedAt })).tried, [{ request: { id: second.id } }])
  await offers()
  t.match((await tryRules(requests, rules, all)).tried, [{ review: undefined }, { review: undefined }])
  t.strictSame(await events(), before)
})
