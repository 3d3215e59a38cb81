/** What people read of a changed resource: every line has something to read, and nothing is the same as not given. */

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { differences } from '../../../src/resources/difference.ts'
import { formatPlan } from '../../../src/resources/format-plan.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'

const policy = (password: object) =>
  rotationPolicySchema.parse({ name: 'servers', targets: { names: ['web-*'] }, password })

function linesOf(before: object, after: object): string[] {
  const change = { kind: 'rotation-policy' as const, name: 'servers', action: 'update' as const }
  const changes = [{ ...change, differences: differences(before, after) }]
  return formatPlan({ changes, unchanged: 0, unmanaged: [], sameLogins: [] } as unknown as Parameters<
    typeof formatPlan
  >[0]).slice(1, -1)
}

t.test('of what is new nothing is said that is empty', async t => {
  const lines = linesOf({}, policy({}))
  t.ok(lines.some(line => /password\.length: \d/.test(line)))
  t.same(
    lines.filter(line => /: *$|→ *$/.test(line)),
    [],
  )
  t.same(linesOf({ description: '' }, {}), [])
})

t.test('what becomes empty, or is of spaces alone, is in quotation marks', async t => {
  t.same(linesOf(policy({ forbidden: '\'"' }), policy({})), ['    ~ password.forbidden: \'" → ""'])
  t.same(linesOf(policy({}), policy({ forbidden: ' ' })), ['    ~ password.forbidden: "" → " "'])
})

t.test('times are written as people write them, of every kind of resource', async t => {
  const times: [object, string][] = [
    [{ session: { moderator: { waitFor: 600_000, absent: 30_000 } } }, '10m 30s'],
    [{ when: { atMost: 7_200_000, firstOnTarget: { within: 86_400_000 } } }, '2h 1d'],
    [{ ask: { for: 1_800_000 } }, '30m'],
    [{ onRequest: [{ name: 'fix', maxTime: 3_600_000 }] }, '1h'],
    [{ accounts: [{ name: 'root', checkOut: { maxTime: 3_600_000 } }] }, '1h'],
  ]
  for (const [resource, words] of times)
    t.equal(
      differences({}, resource)
        .map(({ after }) => after)
        .join(' '),
      words,
    )
})

const target = (...accounts: object[]) => ({ name: 'orders', accounts })

t.test('who is told of an account’s credential is shown', async t => {
  const before = target({ name: 'app', level: 'basic' })
  const after = target({ name: 'app', level: 'basic', dependents: [{ program: 'orders-service' }] })
  t.strictSame(differences(before, after), [{ path: 'accounts.app.dependents.1.program', after: 'orders-service' }])
  t.strictSame(differences(after, before), [{ path: 'accounts.app.dependents.1.program', before: 'orders-service' }])
})

t.test('another order of accounts is shown as such', async t => {
  const [root, deploy] = [
    { name: 'root', level: 'admin' },
    { name: 'deploy', level: 'basic' },
  ]
  t.strictSame(differences(target(root, deploy), target(deploy, root)), [
    { path: 'accounts', before: 'root, deploy', after: 'deploy, root' },
  ])
})

t.test('whatever changes has a line, and what does not has none', async () => {
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.string({ minLength: 1, maxLength: 2 }),
      fc.boolean(),
      fc.integer({ max: 2 }),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('any'), { maxLength: 3 }),
    map: fc.dictionary(fc.constantFrom('name', 'program', 'a', 'b'), tie('any'), { maxKeys: 3, noNullPrototype: true }),
  })).map as fc.Arbitrary<object>
  fc.assert(
    fc.property(value, value, (before, after) => {
      const same = isDeepStrictEqual(before, after)
      return (differences(before, after).length === 0) === same
    }),
    {
      numRuns: 3000,
      examples: [
        [{ a: [{ name: 'x', b: 1 }] }, { a: [{ name: 'x', b: '1' }] }],
        [{ a: [] }, {}],
        [{ a: {} }, { a: [] }],
      ],
    },
  )
})
