/** What people read of a changed resource: every line has something to read, and nothing is the same as not given. */

import t from 'tap'
import { differences } from '../../../src/resources/difference.ts'
import { formatPlan } from '../../../src/resources/format-plan.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'

const policy = (password: object) =>
  rotationPolicySchema.parse({ name: 'servers', targets: { names: ['web-*'] }, password })

function linesOf(before: object, after: object): string[] {
  const change = { kind: 'rotation-policy' as const, name: 'servers', action: 'update' as const }
  const changes = [{ ...change, differences: differences(before, after) }]
  return formatPlan({ changes, unchanged: 0, unmanaged: [] } as unknown as Parameters<typeof formatPlan>[0]).slice(
    1,
    -1,
  )
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
