import t from 'tap'
import { channelsFor, matchesAccount, matchesTarget } from '../../../src/policy/match.ts'
import { roleSchema } from '../../../src/policy/role.ts'
import { role, target } from '../../support/policy-facts.ts'

t.test('a target is chosen by its name, or the beginning of it', async t => {
  t.ok(matchesTarget({ names: ['web-01'] }, target()))
  t.ok(matchesTarget({ names: ['db', 'web-*'] }, target()))
  t.ok(matchesTarget({ names: ['*'] }, target()))
  t.notOk(matchesTarget({ names: ['web'] }, target()))
  t.notOk(matchesTarget({ names: ['WEB-01'] }, target()))
  t.notOk(
    roleSchema.safeParse({ name: 'r', targets: { names: ['*-01'] }, accounts: {} }).success,
    'a * stands at the end',
  )
})

t.test('a target is chosen by labels that all match', async t => {
  const labelled = target({ labels: { env: 'production', team: 'web' } })
  t.ok(matchesTarget({ labels: { env: 'prod*' } }, labelled))
  t.ok(matchesTarget({ labels: { env: 'production', team: '*' } }, labelled))
  t.notOk(matchesTarget({ labels: { env: 'production', team: 'db' } }, labelled))
  t.notOk(matchesTarget({ labels: { zone: '*' } }, labelled), 'a label that is not there does not match *')
  t.notOk(matchesTarget({ labels: { toString: '*', constructor: '*' } }, labelled))
})

t.test('a selector that says nothing chooses nothing', async t => {
  for (const empty of [{}, { names: [] }, { labels: {} }, { names: [], labels: {} }]) {
    t.notOk(matchesTarget(empty, target()), JSON.stringify(empty))
  }
  for (const empty of [{}, { names: [] }, { levels: [] }]) {
    t.notOk(matchesAccount(empty, { name: 'root', level: 'admin', default: true }), JSON.stringify(empty))
  }
})

t.test('an account is chosen by its name or its level', async t => {
  const root = { name: 'root', level: 'admin', default: false } as const
  t.ok(matchesAccount({ names: ['root'] }, root))
  t.ok(matchesAccount({ names: ['www'], levels: ['admin'] }, root))
  t.notOk(matchesAccount({ names: ['www'], levels: ['basic', 'power', 'system'] }, root), 'a level holds no other')
})

t.test('a role gives a protocol the channels that it has', async t => {
  const mixed = role({ channels: ['sql', 'agent', 'shell'] })
  t.strictSame(channelsFor(mixed, 'ssh'), ['shell', 'agent'])
  t.strictSame(channelsFor(mixed, 'postgres'), ['sql'])
})
