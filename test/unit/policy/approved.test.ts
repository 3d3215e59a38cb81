import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { ApprovedAccess } from '../../../src/policy/approved.ts'
import { authorize } from '../../../src/policy/authorize.ts'
import { decideCheckOut } from '../../../src/policy/check-out.ts'
import { commonDatabases } from '../../../src/policy/databases.ts'
import { explain } from '../../../src/policy/explain.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import { mayKnow } from '../../../src/policy/login.ts'
import { matchesPattern } from '../../../src/policy/match.ts'
import { offersFor } from '../../../src/policy/offers.ts'
import { offerName, offerSchema, stagesOf } from '../../../src/policy/on-request.ts'
import { reachableAmong } from '../../../src/policy/reachable.ts'
import { requiredFactors } from '../../../src/policy/required-factors.ts'
import type { RoleInput } from '../../../src/policy/role.ts'
import { type Channel, channelNames } from '../../../src/protocols/registered.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { FACTORS } from '../../../src/shared/factors.ts'
import { LEVELS } from '../../../src/shared/vocabulary.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { approved, facts, NOW, role, target } from '../../support/policy-facts.ts'

const HOUR = 3_600_000
/** www outright, root when a lead says so. */
const elevating = (more: Partial<RoleInput> = {}) =>
  role({
    accounts: { names: ['www'] },
    onRequest: [{ accounts: { names: ['root'] }, approvers: ['role:leads'] }],
    ...more,
  })
const decide = (wish: Parameters<typeof facts>[0]) => authorize(facts(wish))
const isGrant = (value: unknown): value is Grant => !isRefusal(value)
const channelsOf = (grant: Grant) => channelNames().filter(channel => grant.allows(channel))

t.test('what a role gives on request is refused without, and the refusal says what can be asked for', async t => {
  const refused = decide({ roles: [elevating()] })
  t.match(refused, { code: 'ACCESS_DENIED', onRequest: [{ account: { name: 'root' }, role: { name: 'ops' } }] })
  t.match(refused, { message: 'Access denied: root@web-01 is given on request, approved by role:leads.' })
  t.match(refused, { advice: `To ask for it: ssh alice@gateway request root@web-01 --reason "'...'"` })
  const unknown = 'Access denied: this target and account are not allowed for you, or do not exist.'
  t.match(decide({ roles: [elevating()], login: 'nobody@web-01' }), { onRequest: [], message: unknown })
  t.match(decide({ roles: [role({ accounts: { names: ['www'] } })] }), { onRequest: [] }, 'a role without offers')
})

t.test('an approved request gives it, by name, and until its end', async t => {
  const grant = decide({ roles: [elevating()], approved: [approved()] }) as Grant
  t.match(grant, { request: 'req_1', role: 'ops', endsAt: NOW + 2 * HOUR })
  const own = decide({ roles: [elevating()], approved: [approved()], login: 'www@web-01' }) as Grant
  t.equal(own.request, undefined, 'what is given outright is not named by it')
  t.equal(own.endsAt, NOW + 12 * HOUR, 'nor made shorter by it')
})

t.test('it gives nothing before its beginning nor at its end, to no other role, target or account', async t => {
  const refused = (one: Partial<ApprovedAccess>, now = NOW) =>
    isRefusal(decide({ roles: [elevating()], approved: [approved(one)], now }))
  t.equal(refused({ startsAt: NOW + 1 }), true)
  t.equal(refused({}, NOW + 2 * HOUR), true)
  t.equal(refused({}, NOW + 2 * HOUR - 1), false)
  t.equal(refused({ role: 'other' }), true)
  t.equal(refused({ targets: { names: ['web-02'] } }), true)
  t.equal(refused({ targets: {} }), true)
  t.equal(refused({ accounts: { names: ['www'] } }), true)
  t.equal(refused({ offer: 'dba' }), true)
  t.equal(refused({ channels: [] }), true)
})

t.test('a person reads when it begins', async t => {
  t.match(decide({ roles: [elevating()], approved: [approved({ startsAt: NOW + HOUR })] }), {
    message: /^Access denied now: allowed by req_1 from 2026-11-18T13:00:00.000Z to /,
  })
})

t.test('a role that was edited since gives what it offers now', async t => {
  const given = (more: Partial<RoleInput>) => decide({ roles: [elevating(more)], approved: [approved()] })
  t.ok(isRefusal(given({ onRequest: [{ accounts: { names: ['dba'] }, approvers: ['role:leads'] }] })))
  const bare = elevating()
  t.ok(isRefusal(decide({ roles: [{ ...bare, onRequest: undefined }], approved: [approved()] })), 'no offers any more')
  t.ok(isRefusal(given({ targets: { names: ['db'] } })), 'other targets')
  t.ok(isRefusal(given({ hours: { from: '20:00', to: '21:00' } })), 'other hours')
  t.ok(isRefusal(given({ sources: ['10.0.0.0/8'] })), 'other sources')
  const offer = { accounts: { names: ['root'] }, approvers: ['role:leads'], channels: ['exec' as Channel] }
  t.strictSame(channelsOf(given({ channels: ['shell', 'exec'], onRequest: [offer] }) as Grant), ['exec'])
  t.strictSame(channelsOf(given({ channels: ['exec'] }) as Grant), ['exec'])
  t.match(given({ maxSession: '10m' }), { endsAt: NOW + 600_000 })
  t.ok(isRefusal(decide({ roles: [elevating()], heldAtLogin: [], approved: [approved()] })), 'a role that was taken')
})

t.test('of several requests the one that adds the most counts, and lasts longest', async t => {
  const two = [approved(), approved({ request: 'req_2', endsAt: NOW + 3 * HOUR })]
  for (const some of [two, two.toReversed()]) {
    t.match(decide({ roles: [elevating()], approved: some }), { request: 'req_2', endsAt: NOW + 3 * HOUR })
  }
  const little = approved({ request: 'req_3', endsAt: NOW + 4 * HOUR, channels: ['exec'] })
  t.match(decide({ roles: [elevating()], approved: [little, ...two] }), { request: 'req_2' })
})

t.test('a login that names no account goes on meaning what it meant', async t => {
  const named = decide({ roles: [elevating()], approved: [approved()], login: 'web-01' }) as Grant
  t.match(named, { account: { name: 'www' }, request: undefined })
  const alone = elevating({ accounts: {} })
  t.match(decide({ roles: [alone], approved: [approved()], login: 'web-01' }), { account: { name: 'root' } })
})

t.test('explain names the request, and without one what can be asked for', async t => {
  const user = { name: 'alice', disabled: false }
  t.match(explain({ ...facts({ roles: [elevating()], approved: [approved()] }), user }), {
    allowed: true,
    verdict: 'Yes, by the role ops, and the approved request req_1.',
    given: { request: 'req_1' },
    roles: [
      { role: 'ops', holds: false },
      { role: 'ops', request: 'req_1', holds: true },
    ],
  })
  t.match(explain({ ...facts({ roles: [elevating()] }), user }), {
    allowed: false,
    onRequest: [{ role: 'ops', offer: 'root', account: 'root', level: 'admin' }],
  })
})

t.test('a check-out by a request ends with it', async t => {
  const withRule = target({ accounts: [{ name: 'root', level: 'admin', checkOut: {} }] })
  const terms = (some: ApprovedAccess[]) =>
    decideCheckOut(
      facts({ target: withRule, roles: [elevating({ checkOut: {} })], approved: some }),
      new Set(['publickey', 'totp']),
    )
  t.match(terms([approved()]), { granted: true, request: 'req_1', hoursEndAt: NOW + 2 * HOUR })
  t.match(terms([]), { granted: false })
})

t.test('what may be asked for is known of, and the least comes first', async t => {
  const both = elevating({
    accounts: {},
    onRequest: [
      { accounts: { levels: ['admin'] }, approvers: ['role:leads'] },
      { accounts: { names: ['www'] }, approvers: ['manager'] },
    ],
  })
  t.strictSame(
    offersFor([both], target(), {}).map(({ account, name }) => `${account.name} ${name}`),
    ['www www', 'root level admin'],
  )
  t.strictSame(
    offersFor([both], target(), { level: 'admin' }).map(({ account }) => account.name),
    ['root'],
  )
  t.strictSame(offersFor([both], target(), { account: 'nobody' }), [])
  t.equal(mayKnow(facts({ roles: [both] }), 'root'), true)
  t.equal(mayKnow(facts({ roles: [both] }), 'dba'), false)
})

t.test('stages are read from both forms, and an offer has one of the two', async t => {
  const short = offerSchema.parse({ accounts: { names: ['root'] }, approvers: ['role:leads', 'manager'] })
  t.strictSame(stagesOf(short), [{ groups: [{ of: ['role:leads', 'manager'], count: 1 }] }])
  t.equal(offerName(short), 'root')
  t.throws(() => offerSchema.parse({ accounts: {} }))
  t.throws(() => offerSchema.parse({ accounts: {}, approvers: ['leads'] }))
  t.throws(() =>
    offerSchema.parse({ accounts: {}, approvers: ['manager'], stages: [{ groups: [{ of: ['manager'] }] }] }),
  )
  t.throws(() => offerSchema.parse({ accounts: {}, stages: [{ groups: [{ of: ['manager'] }], within: '1h' }] }))
})

t.test('databases that were asked for are those that the role gives too', async t => {
  const orders = targetSchema.parse({
    ...{ name: 'orders', protocol: 'postgres', host: '192.0.2.1', database: 'shop', databases: ['*'] },
    accounts: [{ name: 'dba' }],
  })
  t.strictSame(commonDatabases(undefined, undefined, orders), undefined)
  t.strictSame(commonDatabases(undefined, ['sh*'], orders), undefined)
  t.strictSame(commonDatabases(undefined, ['other'], orders), [])
  const pattern = fc.stringMatching(/^[ab]{0,3}\*?$/)
  const patterns = fc.array(pattern, { maxLength: 3 })
  fc.assert(
    fc.property(patterns, patterns, fc.stringMatching(/^[ab]{0,4}$/), (given, asked, name) => {
      const opens = (some: readonly string[]) => some.some(one => matchesPattern(one, name))
      return opens(commonDatabases(given, asked, orders)!) === (opens(given) && opens(asked))
    }),
    { numRuns: 2000 },
  )
})

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const some = <T>(all: readonly T[]) => fc.subarray([...all])
/** Mostly `likely`, so that many of the requests give something. */
const mostly = <T>(likely: T, others: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(likely) }, { weight: 1, arbitrary: others })
const accounts = fc.record({ names: optional(some(['root', 'www', 'dba'])), levels: optional(some(LEVELS)) })
const likelyAccounts = mostly(
  { names: ['root'], levels: ['basic'] } as { names?: string[]; levels?: (typeof LEVELS)[number][] },
  accounts as fc.Arbitrary<{ names?: string[]; levels?: (typeof LEVELS)[number][] }>,
)

/** A role with offers, and requests that were approved when it may have offered something else. */
const situation = fc.record({
  role: fc
    .record({
      accounts: mostly({ names: undefined, levels: undefined }, accounts),
      channels: mostly(channelNames(), some(channelNames())),
      maxSession: fc.constantFrom('10m', '2h', '12h'),
      idle: optional(fc.constantFrom('1m', '1h')),
      recordInput: fc.boolean(),
      hours: optional(fc.constant({ from: '11:00', to: '13:00', zone: 'UTC' })),
      onRequest: fc.array(
        fc.record({
          name: fc.constantFrom('a', 'b'),
          accounts: likelyAccounts,
          channels: optional(some(channelNames())),
          approvers: fc.constant(['manager']),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    })
    .map(input => role(JSON.parse(JSON.stringify(input)))),
  approved: fc.array(
    fc.record({
      request: fc.constantFrom('req_1', 'req_2', 'req_3'),
      role: fc.constantFrom('ops', 'ops', 'ops', 'other'),
      offer: fc.constantFrom('a', 'a', 'b', 'gone'),
      targets: fc.constantFrom({ names: ['web-01'] }, { labels: { env: 'production' } }, { names: ['web-*'] }, {}),
      accounts: likelyAccounts,
      channels: mostly(channelNames(), some(channelNames())),
      startsAt: mostly(NOW - HOUR, fc.constantFrom(NOW, NOW + 1)),
      endsAt: mostly(NOW + 2 * HOUR, fc.constantFrom(NOW, NOW + 1, NOW + HOUR, NOW + 24 * HOUR)),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  login: fc.constantFrom('root@web-01', 'www@web-01', 'web-01'),
})

t.test('property: an approved request never widens what its role offers now, and never outlasts its end', async t => {
  let elevated = 0
  fc.assert(
    fc.property(situation, ({ role: ops, approved: facts, login }) => {
      const grant = decide({ roles: [ops], approved: facts as ApprovedAccess[], login })
      const outright = decide({ roles: [ops], login })
      if (!isGrant(grant)) return !isGrant(outright)
      if (grant.request === undefined)
        return isGrant(outright) && isDeepStrictEqual(channelsOf(grant), channelsOf(outright))
      elevated++
      const by = facts.filter(one => one.request === grant.request && one.role === 'ops')
      const offers = ops.onRequest!.filter(({ name }) => by.some(one => one.offer === name))
      const asGiven = (offer: (typeof offers)[number]) =>
        decide({
          roles: [{ ...ops, accounts: offer.accounts, onRequest: undefined }],
          login: `${grant.account.name}@web-01`,
        })
      const whole = offers.map(asGiven).filter(isGrant)
      const named = decide({ roles: [ops], login: `${grant.account.name}@web-01` })
      const given = [...whole, ...(isGrant(named) ? [named] : [])]
      return (
        whole.length > 0 &&
        channelsOf(grant).every(channel => given.some(one => one.allows(channel)) && ops.channels.includes(channel)) &&
        by.some(one => grant.endsAt <= one.endsAt && one.startsAt <= NOW) &&
        given.every(
          one => grant.endsAt <= one.endsAt && grant.idleMs === one.idleMs && grant.recordInput === one.recordInput,
        ) &&
        grant.endsAt > NOW
      )
    }),
    { numRuns: 600 },
  )
  t.ok(elevated > 60, `${elevated} of 600 rest on a request`)
})

t.test(
  'property: reachable lists what is granted, and what is asked for before login is enough, with requests too',
  async () => {
    fc.assert(
      fc.property(situation, ({ role: ops, approved: some }) => {
        const wish = { roles: [ops], approved: some as ApprovedAccess[] }
        const { roles, defaults, now, sourceAddress, principal } = facts(wish)
        const listed = reachableAmong(
          { roles, approved: wish.approved, defaults, now, sourceAddress },
          principal.proven,
        )([target()]).map(({ account }) => account)
        const granted = target().accounts.filter(({ name }) => isGrant(decide({ ...wish, login: `${name}@web-01` })))
        const enough = granted.every(({ name }) => {
          const login = { ...wish, login: `${name}@web-01` }
          return requiredFactors(facts(login)).every(list => isGrant(decide({ ...login, proven: [...list] })))
        })
        return (
          enough &&
          isDeepStrictEqual(
            listed,
            granted.map(({ name }) => name),
          )
        )
      }),
      { numRuns: 300 },
    )
  },
)

t.test('property: explain agrees with what is granted', async () => {
  fc.assert(
    fc.property(situation, ({ role: ops, approved: some, login }) => {
      const all = facts({ roles: [ops], approved: some as ApprovedAccess[], login, proven: [...FACTORS] })
      const decision = authorize(all)
      const { allowed, given } = explain({ ...all, user: { name: 'alice', disabled: false } })
      return allowed === isGrant(decision) && given?.request === (isGrant(decision) ? decision.request : undefined)
    }),
    { numRuns: 300 },
  )
})
