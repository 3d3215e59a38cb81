import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import { caseSchema, runCase } from '../../../src/policy/policy-test.ts'
import { role, target } from '../../support/policy-facts.ts'

const roles = [
  role({ name: 'ops', maxSession: '2h', channels: ['shell', 'exec'] }),
  role({ name: 'night', hours: { from: '22:00', to: '06:00', zone: 'UTC' }, targets: { names: ['web-*'] } }),
  role({ name: 'office', sources: ['10.0.0.0/8'], accounts: { levels: ['basic'] } }),
  role({
    ...{ name: 'asks', accounts: { levels: ['basic'] } },
    onRequest: [{ accounts: { levels: ['admin'] }, approvers: ['role:ops'], maxTime: '30m' }],
  }),
  role({ name: 'audited', session: { reason: 'required', ticket: 'INC-\\d+' } }),
]
const users = [
  userSchema.parse({ name: 'alice', roles: ['ops'] }),
  userSchema.parse({ name: 'gone', roles: ['ops'], disabled: true }),
  userSchema.parse({ name: 'torn', roles: ['no-such-role'] }),
]
const world = {
  role: (name: string) => roles.find(one => one.name === name),
  user: (name: string) => users.find(one => one.name === name),
  target: (name: string) => (name === 'web-01' ? target() : undefined),
}

const ROOT = { target: 'web-01', account: 'root' }
const run = (given: object, expect: object) =>
  runCase(caseSchema.parse({ given, expect }), world, [['publickey', 'totp']])
const problems = (given: object, expect: object) => run(given, expect).problems

t.test('a case passes where the decision is what it expects, in every part that it names', async t => {
  const passing: [object, object][] = [
    [
      { user: 'alice', ...ROOT },
      { allowed: true, account: 'root', roles: ['ops'], channels: ['exec', 'shell'], maxTime: '2h' },
    ],
    [
      { user: 'alice', target: 'web-01', account: 'www' },
      { allowed: false, onRequest: [] },
    ],
    [
      { user: 'alice', target: 'web-01' },
      { allowed: true, account: 'root', withoutChannels: ['sftp', 'agent'] },
    ],
    [{ user: 'alice', ...ROOT, proven: ['publickey'] }, { allowed: false }],
    [{ user: 'alice', ...ROOT, proven: ['publickey', 'totp'] }, { allowed: true }],
    [{ user: 'gone', ...ROOT }, { allowed: false }],
    [
      { roles: ['night'], ...ROOT, at: '2026-11-23T23:00:00Z' },
      { allowed: true, maxTime: '7h' },
    ],
    [{ roles: ['night'], ...ROOT, at: '2026-11-23T13:00:00+01:00' }, { allowed: false }],
    [{ roles: ['office'], target: 'web-01', account: 'www', from: '10.1.2.3' }, { allowed: true }],
    [{ roles: ['office'], target: 'web-01', account: 'www', from: '192.0.2.1' }, { allowed: false }],
    [
      { roles: ['asks'], ...ROOT },
      { allowed: false, onRequest: ['root'] },
    ],
    [
      { roles: ['asks'], ...ROOT, approved: { role: 'asks' } },
      { allowed: true, maxTime: '30m', reason: 'optional', tickets: [] },
    ],
    [
      { roles: ['audited'], ...ROOT },
      { allowed: true, reason: 'required', tickets: ['INC-\\d+'] },
    ],
  ]
  for (const [given, expect] of passing) t.same(problems(given, expect), [], JSON.stringify([given, expect]))
})

t.test('a case fails where it is not, and says what is', async t => {
  const alice = { user: 'alice', ...ROOT }
  t.same(problems(alice, { allowed: false }), ['expected refused, and it is allowed'])
  t.match(run(alice, { allowed: false }).decided, /^allowed: root, by ops, for 2h, shell exec$/)
  t.same(problems(alice, { allowed: true, reason: 'required', tickets: ['INC'] }), [
    'reason: expected required, and it is optional',
    'tickets: expected INC, and it is none',
  ])
  t.match(
    run({ roles: ['audited'], ...ROOT }, { allowed: true }).decided,
    /; a reason and a ticket of the form INC-\\d\+ must be said$/,
  )
  t.same(problems({ ...alice, account: 'www' }, { allowed: true }), ['expected allowed, and it is refused'])
  t.match(
    run({ ...alice, account: 'www' }, { allowed: true }).decided,
    /^refused: no role of the user allows www@web-01$/,
  )
  const wrong = {
    account: 'www',
    roles: ['night'],
    channels: ['shell'],
    withoutChannels: ['exec'],
    maxTime: '1h',
    onRequest: ['root'],
  }
  t.same(problems(alice, { allowed: true, ...wrong }), [
    'account: expected www, and it is root',
    'maxTime: expected 1h, and it is 2h',
    'roles: expected night, and it is ops',
    'channels: expected shell, and it is shell, exec',
    'withoutChannels: given is exec',
    'onRequest: expected root, and it is none',
  ])
})

t.test('a case that speaks of what there is not, or leaves open what a role asks about, passes never', async t => {
  const refused = { allowed: false }
  const cases: [object, string][] = [
    [{ user: 'alise', ...ROOT }, 'There is no user alise.'],
    [{ user: 'alice', target: 'web-1' }, 'There is no target web-1.'],
    [{ user: 'alice', target: 'web-01', account: 'rot' }, 'There is no account rot on web-01.'],
    [{ user: 'torn', ...ROOT }, 'There is no role no-such-role.'],
    [{ roles: ['opps'], ...ROOT }, 'There is no role opps.'],
    [{ roles: ['night'], ...ROOT }, 'Say at, a time: the role night has hours.'],
    [{ roles: ['office'], ...ROOT }, 'Say from, an address: the role office has sources.'],
    [{ roles: ['ops'], ...ROOT, approved: { role: 'asks' } }, 'approved: the role asks is not held.'],
    [{ roles: ['ops'], ...ROOT, approved: { role: 'ops' } }, 'approved: the role ops does not offer root on request.'],
  ]
  for (const [given, problem] of cases) t.same(run(given, refused), { problems: [problem], decided: undefined })
  t.throws(() => caseSchema.parse({ given: ROOT, expect: refused }), /a case is about a user, or about roles/)
})
