import t from 'tap'
import { authorize, type Denial } from '../../../src/policy/authorize.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import { liveAlready } from '../../../src/policy/session-conditions.ts'
import { type Channel, channelNames } from '../../../src/protocols/registered.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { approved, facts, NOW, role, target } from '../../support/policy-facts.ts'

const HOUR = 3_600_000
const UNKNOWN = 'Access denied: this target and account are not allowed for you, or do not exist.'

function granted(value: Grant | Denial): Grant {
  if (isRefusal(value)) throw new Error(`denied: ${value.message} ${value.detail}`)
  return value as Grant
}

function denied(value: Grant | Denial): Denial {
  if (!isRefusal(value)) throw new Error('granted')
  return value as Denial
}

const channelsOf = (grant: Grant): Channel[] => channelNames().filter(channel => grant.allows(channel))

t.test('a role that holds in full gives a grant with its terms', async t => {
  const grant = granted(authorize(facts({ roles: [role({ idle: '10m', maxSession: '2h', channels: ['exec'] })] })))
  t.match(grant, { session: 'ses_1', user: 'alice', role: 'ops', endsAt: NOW + 2 * HOUR, idleMs: 600_000 })
  t.equal(grant.account.name, 'root')
  t.equal(grant.target.name, 'web-01')
  t.strictSame(channelsOf(grant), ['exec'])
  t.equal(grant.recordInput, false)
  t.equal(grant.recording, 'within-bound')
})

t.test('without a role nothing is allowed', async t => {
  t.equal(denied(authorize(facts({ roles: [] }))).code, 'ACCESS_DENIED')
})

t.test(
  'unknown target, unknown account, forbidden account and wrong protocol read the same, and the audit log tells them apart',
  async t => {
    const cases = [
      facts({ login: 'root@nowhere', target: undefined }),
      facts({ login: 'nobody@web-01' }),
      facts({ login: 'www@web-01' }),
      facts({ protocol: 'postgres' }),
      facts({ login: 'web-01', roles: [] }),
      facts({ login: 'root@web-02' }),
    ].map(one => denied(authorize(one)))
    for (const { message, code } of cases) t.strictSame([code, message], ['ACCESS_DENIED', UNKNOWN])
    t.match(
      cases.map(({ detail }) => detail),
      [
        'there is no target nowhere',
        'there is no account nobody on web-01',
        'no role of the user allows www@web-01',
        'web-01 is not a target of postgres',
        'the user has no role',
        'no role of the user allows root@web-01',
      ],
    )
    t.match(cases[2]!.evaluations, [
      { role: 'ops', conditions: [{}, {}, { name: 'account', holds: false, why: 'root' }] },
    ])
  },
)

t.test('who would be allowed at another time, from elsewhere or with other factors is told so', async t => {
  const hours = { days: ['mon' as const], from: '08:00', to: '18:00', zone: 'Europe/Berlin' }
  const messages = [
    facts({ roles: [role({ hours })] }),
    facts({ roles: [role({ sources: ['10.0.0.0/8'] })] }),
    facts({ roles: [role({ factors: [['password', 'totp']] })] }),
    facts({ roles: [role({ hours, sources: ['10.0.0.0/8'] }), role({ name: 'second', factors: [['password']] })] }),
  ].map(one => denied(authorize(one)).message)
  t.strictSame(messages, [
    'Access denied now: allowed mon 08:00 to 18:00 Europe/Berlin.',
    'Access denied now: not allowed from your network.',
    'Access denied now: needs password and totp.',
    'Access denied now: allowed mon 08:00 to 18:00 Europe/Berlin, not allowed from your network; or needs password.',
  ])
  t.equal(denied(authorize(facts({ login: 'www@web-01', roles: [role({ hours })] }))).message, UNKNOWN)
})

t.test('a session ends with the hours of its role', async t => {
  const office = role({ hours: { from: '08:00', to: '14:00', zone: 'Europe/Berlin' }, maxSession: '12h' })
  t.equal(granted(authorize(facts({ roles: [office] }))).endsAt, NOW + HOUR)
})

t.test('user+target means the default account, else the only one that is allowed, else asks for its name', async t => {
  const both = role({ accounts: { names: ['root', 'www'] } })
  const withDefault = target({
    accounts: [
      { name: 'root', level: 'admin' },
      { name: 'www', default: true },
    ],
  })
  const accountOf = (wish: Parameters<typeof facts>[0]) =>
    granted(authorize(facts({ login: 'web-01', ...wish }))).account.name
  t.equal(accountOf({ roles: [both], target: withDefault }), 'www')
  t.equal(accountOf({}), 'root', 'the only one allowed')
  t.equal(accountOf({ target: withDefault }), 'root', 'a default that is not allowed is none')
  t.match(denied(authorize(facts({ login: 'web-01', roles: [both] }))).message, /name one, as in user\+account\+target/)
  t.match(denied(authorize(facts({ login: '', target: undefined }))).message, /does not say which target/)
})

t.test('permissions of several roles add up, limits take the strictest', async t => {
  const shell = role({ name: 'a', channels: ['shell'], maxSession: '8h', idle: '1h' })
  const forward = role({
    name: 'b',
    channels: ['local-forward'],
    maxSession: '1h',
    recordInput: true,
    recording: 'before-relay',
  })
  const grant = granted(authorize(facts({ roles: [shell, forward] })))
  t.strictSame(channelsOf(grant), ['shell', 'local-forward'])
  t.match(grant, { role: 'a,b', endsAt: NOW + HOUR, idleMs: HOUR, recordInput: true, recording: 'before-relay' })
})

t.test('a role whose factors are not proven adds neither permissions nor limits', async t => {
  const weak = role({ name: 'a', channels: ['shell'], factors: [['publickey']] })
  const strong = role({ name: 'b', channels: ['agent'], maxSession: '1m', factors: [['publickey', 'totp']] })
  const grant = granted(authorize(facts({ roles: [weak, strong], proven: ['publickey'] })))
  t.strictSame(channelsOf(grant), ['shell'])
  t.match(grant, { role: 'a', endsAt: NOW + 12 * HOUR })
})

t.test('a role that was taken away after login is gone at the next decision (Teleport 16.4.6)', async t => {
  t.ok(isRefusal(authorize(facts({ roles: [], heldAtLogin: ['ops'] }))))
  t.ok(
    isRefusal(authorize(facts({ roles: [role()], heldAtLogin: [] }))),
    'nor does one count that the login did not have',
  )
})

t.test(
  'an empty factor list is refused where it is written and mints nothing where it got in (warpgate#129)',
  async t => {
    t.throws(() => role({ factors: [] }))
    t.throws(() => role({ factors: [[]] }))
    t.throws(() => role({ factors: [['publickey'], []] }))
    for (const factors of [[], [[]]]) {
      const broken = { ...role(), factors }
      t.ok(isRefusal(authorize(facts({ roles: [broken] }))), JSON.stringify(factors))
      t.ok(
        isRefusal(authorize({ ...facts({ roles: [role()] }), defaults: factors })),
        `defaults ${JSON.stringify(factors)}`,
      )
    }
  },
)

t.test('an IPv4 user on a socket of both families is held to the IPv4 networks', async t => {
  const roles = [role({ sources: ['10.0.0.0/8'] })]
  t.notOk(isRefusal(authorize(facts({ roles, from: '::ffff:10.9.8.7' }))))
  t.ok(isRefusal(authorize(facts({ roles, from: '::ffff:11.9.8.7' }))))
})

t.test('only the source of the proven connection counts', async t => {
  const claimed = {
    ...facts({ roles: [role({ sources: ['10.0.0.0/8'] })], from: '198.51.100.7' }),
    sourceAddress: '10.0.0.1',
  }
  t.ok(isRefusal(authorize(claimed)))
})

t.test('an error while deciding is a denial that shows nothing of itself', async t => {
  const zoneless = { ...role(), hours: { days: ['wed' as const], from: '00:00', to: '24:00', zone: 'Mars/Olympus' } }
  const byRole = denied(authorize(facts({ roles: [zoneless] })))
  t.match(
    byRole.evaluations[0]!.conditions.find(({ name }) => name === 'hours'),
    { holds: false, why: /cannot be evaluated/ },
  )
  const broken = denied(authorize({ ...facts(), roles: [null as never] }))
  t.equal(broken.message, UNKNOWN)
  t.match(broken.detail, /could not be evaluated/)
  const grant = granted(authorize(facts({ roles: [zoneless, role({ name: 'sound' })] })))
  t.equal(grant.role, 'sound', 'and harms no other role')
})

t.test('a role without a channel of the protocol gives nothing', async t => {
  t.ok(isRefusal(authorize(facts({ roles: [role({ channels: ['sql'] })] }))))
  t.ok(isRefusal(authorize(facts({ roles: [role({ protocols: ['postgres'] })] }))))
})

t.test('one live session at a time is demanded by each role that counts and says so', async t => {
  const one = { session: { live: 'one' as const } }
  const roles = [role(one), role({ name: 'open' }), role({ name: 'later', ...one, factors: [['password']] })]
  t.same(granted(authorize(facts({ roles }))).oneLiveOf, ['ops'])
  t.same(granted(authorize(facts({ roles: [role()] }))).oneLiveOf, [])
  const asked = role({ ...one, accounts: {}, onRequest: [{ accounts: { names: ['root'] }, approvers: ['user:bob'] }] })
  t.same(granted(authorize(facts({ roles: [asked], approved: [approved()] }))).oneLiveOf, ['ops'], 'on request as well')
})

t.test(
  'without the reason and the ticket that its roles demand there is no grant, and with them they are in it',
  async t => {
    const why = role({ session: { reason: 'required' } })
    const ticket = role({ name: 'tickets', session: { ticket: 'INC-\\d+' } })
    const decide = (roles: ReturnType<typeof role>[], words?: { reason?: string; ticket?: string }) =>
      authorize({ ...facts({ roles }), ...(words && { words }) })
    for (const words of [undefined, {}, { ticket: 'INC-1' }, { reason: 'why' }, { reason: 'why', ticket: 'INC-' }])
      t.match(decide([why, ticket], words), { code: 'REASON_REQUIRED', onRequest: [] }, JSON.stringify(words))
    t.match(decide([why], {}), { needs: { reason: 'required', tickets: [] }, advice: /SetEnv=/ })
    t.match(granted(decide([why, ticket], { reason: 'why', ticket: 'INC-1' })), { reason: 'why', ticket: 'INC-1' })
    const held = granted(decide([why], { reason: 'why' }))
    t.equal(held.terms.reason, 'why', 'it is told to the process that records')
    const elsewhere = role({ name: 'other', accounts: { names: ['nobody'] }, session: { reason: 'required' } })
    t.equal(granted(decide([role(), elsewhere])).reason, undefined, 'a role that gives nothing here demands nothing')
  },
)

t.test('a live session stands against another of one of the roles, by the whole of its name', async t => {
  const live = [{ role: 'open' }, { role: 'open,ops-2' }]
  t.equal(liveAlready(['ops'], live), undefined)
  t.equal(liveAlready(['ops', 'ops-2'], live), live[1])
})
