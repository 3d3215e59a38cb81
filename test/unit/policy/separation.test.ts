import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import { dutyHolders } from '../../../src/policy/separation.ts'
import { role } from '../../support/policy-facts.ts'

const user = (name: string, roles: string[], more = {}) => userSchema.parse({ name, roles, ...more })
const levels = { levels: ['admin' as const] }
const NOTHING = { targets: {}, accounts: {} }

const roles = [
  role({ name: 'administrators', ...NOTHING, api: ['administrate'] }),
  role({ name: 'auditors', ...NOTHING, api: ['audit'] }),
  role({ name: 'leads', ...NOTHING }),
  role({ name: 'readers', ...NOTHING, api: ['read', 'operate'] }),
  role({ name: 'dev', onRequest: [{ accounts: levels, approvers: ['role:leads', 'user:ursula', 'manager'] }] }),
  role({
    name: 'dba',
    onRequest: [
      {
        accounts: levels,
        stages: [{ groups: [{ of: ['role:leads'], count: 2 }], within: '1h', escalateTo: ['user:chief'] }],
      },
    ],
  }),
]

const duties = (users: ReturnType<typeof user>[], tokens: Parameters<typeof dutyHolders>[0]['tokens'] = []) =>
  dutyHolders({ users, roles, tokens, approvers: [] }).map(
    ({ person, duties }) => `${person}: ${duties.map(({ duty }) => duty).join(' ')}`,
  )

t.test('whoever changes rules, decides on requests, or reads what others did holds a duty', async t => {
  const users = [
    user('ada', ['administrators']),
    user('otto', ['auditors']),
    user('lee', ['leads']),
    user('dan', ['dev'], { manager: 'mona' }),
    user('mona', []),
    user('ursula', []),
    user('chief', []),
    user('rita', ['readers']),
  ]
  t.same(duties(users), [
    'ada: admin',
    'chief: approver',
    'lee: approver',
    'mona: approver',
    'otto: auditor',
    'ursula: approver',
  ])
})

t.test('several in one person are found: over roles, tokens, and users of the same person', async t => {
  const token = (name: string, owner: string, ...scopes: ('administrate' | 'audit' | 'reveal' | 'read')[]) => ({
    ...{ name, user: owner, scopes: new Set(scopes) },
  })
  const users = [
    user('ada', ['administrators', 'leads']),
    user('ben', ['auditors'], { person: 'E4711' }),
    user('ben-adm', ['administrators'], { person: 'e4711' }),
    user('lee', ['leads', 'readers']),
    user('gone', ['administrators', 'auditors', 'leads'], { disabled: true }),
  ]
  const holders = dutyHolders({
    approvers: [],
    users,
    roles,
    tokens: [token('ci', 'lee', 'reveal'), token('old', 'gone', 'administrate')],
  })
  t.same(
    holders.filter(one => one.duties.length > 1),
    [
      {
        ...{ person: 'E4711', users: ['ben', 'ben-adm'] },
        duties: [
          { duty: 'admin', by: ['role administrators (administrate)'] },
          { duty: 'auditor', by: ['role auditors (audit)'] },
        ],
      },
      {
        ...{ person: 'ada', users: ['ada'] },
        duties: [
          { duty: 'admin', by: ['role administrators (administrate)'] },
          {
            duty: 'approver',
            by: ['role:leads for level admin of the role dba', 'role:leads for level admin of the role dev'],
          },
        ],
      },
      {
        ...{ person: 'lee', users: ['lee'] },
        duties: [
          {
            duty: 'approver',
            by: ['role:leads for level admin of the role dba', 'role:leads for level admin of the role dev'],
          },
          { duty: 'auditor', by: ['token ci (reveal)'] },
        ],
      },
    ],
  )
  t.same(
    holders.filter(one => one.person === 'gone').map(one => one.duties),
    [[{ duty: 'admin', by: ['token old (administrate)'] }]],
  )
})

t.test('so are those who approve changes of the rules, and whom a review rule asks as well', async t => {
  const users = [
    user('ada', ['administrators', 'security']),
    user('dan', ['dev'], { manager: 'mona' }),
    user('mona', ['auditors']),
  ]
  const approvers = [
    { who: ['role:security', 'user:nobody'], what: 'changes of the rules' },
    { who: ['manager'], what: 'the review rule at-night' },
  ]
  const withoutOffers = roles.map(({ onRequest, ...rest }) => (rest.name === 'dev' ? { ...rest, onRequest } : rest))
  const found = dutyHolders({ users, roles: withoutOffers, tokens: [], approvers })
  t.same(
    found.flatMap(({ person, duties }) =>
      duties.filter(({ duty }) => duty === 'approver').map(({ by }) => [person, by]),
    ),
    [
      ['ada', ['role:security for changes of the rules']],
      ['mona', ['manager for level admin of the role dev', 'manager for the review rule at-night']],
    ],
  )
})

t.test('users with one key are one person, also by a user in between', async t => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
  const users = [
    user('zoe', ['administrators'], { email: 'zoe@example.com' }),
    user('zoe-adm', [], { email: ' Zoe@Example.com', publicKeys: [`${key} laptop`] }),
    user('yan', ['auditors'], { publicKeys: [`${key} other`] }),
  ]
  t.match(dutyHolders({ users, roles, tokens: [], approvers: [] }), [
    { person: 'yan', users: ['yan', 'zoe'], duties: { length: 2 } },
  ])
})
