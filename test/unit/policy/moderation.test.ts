import t from 'tap'
import { demandsMetBy } from '../../../src/access-requests/may-moderate.ts'
import { authorize } from '../../../src/policy/authorize.ts'
import { covers } from '../../../src/policy/covers.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import type { RoleInput } from '../../../src/policy/role.ts'
import { isModerated } from '../../../src/policy/session-conditions.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { facts, role } from '../../support/policy-facts.ts'

const watched = (of: string[], name = 'ops', more: { waitFor?: string; absent?: string } = {}) =>
  role({ name, session: { moderator: { of, ...more } } })

function grant(...sessions: RoleInput['session'][]): Grant {
  return given(sessions.map((session, index) => role({ name: `role-${index}`, ...(session && { session }) })))
}

function given(roles: ReturnType<typeof role>[]): Grant {
  const decision = authorize(facts({ roles }))
  if (isRefusal(decision)) throw new Error(decision.message)
  return decision as Grant
}

const person = (name: string, roles: string[] = [], more = {}) => ({
  ...{ name, roles, disabled: false, publicKeys: [] },
  ...more,
})

t.test('every role that demands a moderator has its demand met, and the shorter times count', async t => {
  t.equal(grant(undefined).moderation, undefined)
  const plain = given([watched(['role:security'])])
  t.match(plain.moderation, { waitMs: 600_000, absentMs: 300_000 }, 'unless the role says')
  const both = given([
    watched(['role:security'], 'ops', { waitFor: '1m' }),
    watched(['user:lee'], 'dba', { absent: '10s' }),
    role({ name: 'without' }),
  ])
  t.same(both.moderation, {
    demands: [
      { role: 'ops', of: ['role:security'] },
      { role: 'dba', of: ['user:lee'] },
    ],
    waitMs: 60_000,
    absentMs: 10_000,
  })
  t.notOk(isModerated(both.moderation!, new Set()))
  t.notOk(isModerated(both.moderation!, new Set(['ops'])))
  t.notOk(isModerated(both.moderation!, new Set(['ops', 'without'])))
  t.ok(isModerated(both.moderation!, new Set(['dba', 'ops'])))
})

t.test('the user is told who follows, unless every role that says anything says no', async t => {
  t.equal(grant(undefined).follow, 'announced')
  t.equal(grant({}).follow, 'announced')
  t.equal(grant({ follow: 'silent' }).follow, 'silent')
  t.equal(grant({ follow: 'silent' }, undefined).follow, 'silent')
  t.equal(grant({ follow: 'silent' }, { follow: 'announced' }).follow, 'announced')
})

t.test('nobody is the moderator of their own session, under whatever name', async t => {
  const demands = [
    { role: 'ops', of: ['role:security', 'manager'] },
    { role: 'dba', of: ['user:lee'] },
  ]
  const alice = person('alice', ['security'], { person: 'alice', email: 'alice@example.org', manager: 'mia' })
  t.same(demandsMetBy(alice, alice, demands), [])
  t.same(demandsMetBy(person('alice-admin', ['security'], { person: 'alice' }), alice, demands), [])
  t.same(demandsMetBy(person('al', ['security'], { email: ' Alice@Example.org' }), alice, demands), [])
  t.same(demandsMetBy(person('lee', ['security']), alice, demands), ['ops', 'dba'])
  t.same(demandsMetBy(person('lee', ['security'], { disabled: true }), alice, demands), [])
  t.same(demandsMetBy(person('mia'), alice, demands), ['ops'])
  t.same(demandsMetBy(person('bob', ['ops']), alice, demands), [])
})

t.test('a session that began without a moderator ends when its role demands one; who it is may change', async t => {
  const without = given([role({ name: 'ops' })])
  const within = given([watched(['role:security'])])
  t.notOk(covers(within, without))
  t.ok(covers(without, within))
  t.ok(covers(given([watched(['user:lee'])]), within))
})
