import fc from 'fast-check'
import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import { decide } from '../../../src/policy/decide.ts'
import type { Role, RoleInput } from '../../../src/policy/role.ts'
import {
  type PolicyWorld,
  type RecordedSession,
  type Simulated,
  simulateSession,
} from '../../../src/policy/simulate.ts'
import { NOW, role, target } from '../../support/policy-facts.ts'

const DEFAULTS = [['publickey', 'totp']] as const
const HOUR = 3_600_000

const session: RecordedSession = {
  ...{ id: 'ses_1', protocol: 'ssh', user: 'alice', account: 'root', target: 'web-01', database: undefined },
  ...{ source: '198.51.100.7', startedAt: NOW, endedAt: NOW + HOUR, roles: ['ops'], approved: undefined },
}

interface Entries {
  roles?: Role[]
  users?: ReturnType<typeof userSchema.parse>[]
  targets?: ReturnType<typeof target>[]
}

const alice = userSchema.parse({ name: 'alice', roles: ['ops'] })
const ops = role()
const web = target()
const USUAL = { roles: [ops], users: [alice], targets: [web] }

function world({ roles, users, targets }: Entries): PolicyWorld {
  const all = { ...USUAL, ...(roles && { roles }), ...(users && { users }), ...(targets && { targets }) }
  return {
    role: name => all.roles.find(one => one.name === name),
    user: name => all.users.find(one => one.name === name),
    target: name => all.targets.find(one => one.name === name),
  }
}

const now = world({})
const tried = (changed: Entries, recorded: Partial<RecordedSession> = {}, before = now) =>
  simulateSession({ ...session, ...recorded }, before, world(changed), DEFAULTS)
const said = (outcome: Simulated) => (outcome.is === 'refused' ? `${outcome.is}: ${outcome.why()}` : outcome.is)

t.test('what a session rests on decides, and what it does not rest on is not even asked', async t => {
  t.same(tried({}), { is: 'untouched' })
  t.same(tried({ roles: [ops, role({ name: 'other' })] }), { is: 'untouched' })
  t.equal(tried({ roles: [role({ description: 'the same' })] }).is, 'allowed')
  const cases: [Entries, string][] = [
    [{ roles: [role({ accounts: { levels: ['basic'] } })] }, 'refused: no role of the user allows root@web-01'],
    [{ roles: [role({ sources: ['10.0.0.0/8'] })] }, 'refused: the role ops would allow it but for its source'],
    [
      { roles: [role({ hours: { days: ['sat'], from: '08:00', to: '18:00', zone: 'UTC' } })] },
      'refused: the role ops would allow it but for its hours',
    ],
    [{ roles: [] }, 'refused: the user has no role'],
    [{ users: [{ ...alice, roles: [] }] }, 'refused: the user has no role'],
    [{ users: [{ ...alice, disabled: true }] }, 'refused: the user would be disabled'],
    [{ users: [] }, 'refused: the user would be removed'],
    [{ targets: [] }, 'refused: there is no target web-01'],
    [{ targets: [target({ accounts: [{ name: 'www' }] })] }, 'refused: there is no account root on web-01'],
    [{ targets: [target({ labels: {} })] }, 'allowed'],
    [{ roles: [role({ factors: [['password', 'totp']] })] }, 'allowed'],
  ]
  for (const [changed, outcome] of cases) t.equal(said(tried(changed)), outcome)
})

t.test('what happened since is no effect of the change: it is assumed, counted apart, or not known', async t => {
  const stricter = { roles: [role({ sources: ['10.0.0.0/8'] })] }
  const left = world({ users: [{ ...alice, roles: [] }] })
  const outcome = simulateSession(session, left, world({ ...stricter, users: [left.user('alice')!] }), DEFAULTS)
  t.match(outcome, { is: 'refused', assumed: ['ops'] })
  t.equal(
    said(tried({ ...stricter, users: [] }, {}, world({ users: [] }))).slice(0, 8),
    'refused:',
    'a user who is gone',
  )
  const stricterNow = world(stricter)
  t.equal(tried({ roles: [role({ sources: ['10.9.0.0/16'] })] }, {}, stricterNow).is, 'refused-already')
  t.equal(tried({ roles: [role()], targets: [] }, {}, world({ targets: [] })).is, 'not-known')
  t.equal(
    tried(
      { users: [{ ...alice, disabled: true, fullName: 'Alice' }] },
      {},
      world({ users: [{ ...alice, disabled: true }] }),
    ).is,
    'allowed',
  )
})

t.test('less than it had: channels, and time that it took', async t => {
  t.match(tried({ roles: [role({ channels: ['shell', 'exec'] })] }), { is: 'narrower', endsAt: undefined })
  t.match(tried({ roles: [role({ maxSession: '30m' })] }), { is: 'narrower', channels: [], endsAt: NOW + HOUR / 2 })
  t.equal(tried({ roles: [role({ maxSession: '2h' })] }).is, 'allowed')
  t.equal(tried({ roles: [role({ maxSession: '30m' })] }, { endedAt: undefined }).is, 'allowed')
})

t.test(
  'what is given on request from now on is said, and a session by an approved request is tried with it',
  async t => {
    const accounts = { levels: ['admin' as const] }
    const offering = role({ accounts: {}, onRequest: [{ accounts, approvers: ['role:leads'] }] })
    const outcome = tried({ roles: [offering] })
    t.ok(outcome.is === 'refused' && outcome.onRequest().length > 0)
    const approved = {
      ...{
        request: 'req_1',
        role: 'ops',
        offer: 'level admin',
        targets: { names: ['web-01'] },
        accounts: { names: ['root'] },
      },
      ...{ channels: offering.channels, startsAt: NOW, endsAt: NOW + 2 * HOUR },
    }
    const before = world({ roles: [offering] })
    const shorter = role({ accounts: {}, description: 'changed', onRequest: [{ accounts, approvers: ['role:ops'] }] })
    t.equal(tried({ roles: [shorter] }, { approved }, before).is, 'allowed')
    t.equal(tried({ roles: [role({ accounts: {} })] }, { approved }, before).is, 'refused')
    t.equal(tried({ roles: [shorter] }, { approved: 'lost' }, before).is, 'not-known')
  },
)

t.test('property: it says what the decision of then would say with all the roles', async t => {
  const anyRole = (name: string) =>
    fc
      .record({
        accounts: fc.constantFrom<RoleInput['accounts']>(
          { names: ['root'] },
          { names: ['www'] },
          { levels: ['admin' as const] },
        ),
        targets: fc.constantFrom<RoleInput['targets']>(
          { names: ['web-*'] },
          { names: ['db-*'] },
          { labels: { env: 'production' } },
        ),
        sources: fc.constantFrom<RoleInput['sources']>(undefined, ['198.51.100.0/24'], ['10.0.0.0/8']),
        hours: fc.constantFrom<RoleInput['hours']>(
          undefined,
          { from: '08:00', to: '13:00' },
          { from: '13:00', to: '08:00', zone: 'Europe/Berlin' },
        ),
        channels: fc.constantFrom<RoleInput['channels']>(undefined, ['shell' as const], ['exec' as const], []),
      })
      .map(({ channels, sources, hours, ...rest }) =>
        role({ name, ...rest, ...(channels && { channels }), ...(sources && { sources }), ...(hours && { hours }) }),
      )
  const roles = fc.tuple(anyRole('a'), anyRole('b'), anyRole('c'))
  const user = userSchema.parse({ name: 'alice', roles: ['a', 'b', 'c'] })
  fc.assert(
    fc.property(roles, roles, fc.integer({ min: 0, max: 48 }), (old, young, hours) => {
      const startedAt = NOW + hours * HOUR
      const facts = {
        request: { protocol: 'ssh' as const, account: 'root', target: 'web-01' },
        target: web,
        defaults: DEFAULTS,
      }
      const at = { sourceAddress: session.source, now: startedAt }
      const [before, after] = [old, young].map(some => decide({ ...facts, ...at, roles: some }, undefined).granted)
      const outcome = simulateSession(
        { ...session, roles: ['a'], startedAt, endedAt: undefined },
        world({ roles: old, users: [user] }),
        world({ roles: young, users: [user] }),
        DEFAULTS,
      )
      const expected = after ? ['allowed', 'narrower'] : [before ? 'refused' : 'refused-already']
      t.ok(expected.includes(outcome.is), `${outcome.is}, not ${expected}`)
    }),
    { numRuns: 300 },
  )
})
