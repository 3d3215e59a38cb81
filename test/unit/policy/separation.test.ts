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
  dutyHolders({ users, roles, tokens }).map(
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
