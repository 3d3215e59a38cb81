import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createRoles } from '../../../src/policy/roles.ts'
import { role } from '../../support/policy-facts.ts'

async function newRoles(t: Test) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  return createRoles({ database, clock: { now: () => 1 } })
}

t.test('a role comes back as it was put, durations included', async t => {
  const roles = await newRoles(t)
  const full = role({
    hours: { days: ['mon'], from: '08:00', to: '18:00', zone: 'Europe/Berlin' },
    sources: ['10.0.0.0/8'],
    factors: [['publickey', 'totp']],
    maxSession: '90m',
    idle: '30s',
    rememberFactor: '15m',
  })
  await roles.put(full)
  t.strictSame(await roles.get('ops'), JSON.parse(JSON.stringify(full)))
  t.match(await roles.get('ops'), { maxSession: 5_400_000, idle: 30_000, rememberFactor: 900_000 })
})

t.test('a user holds the roles that exist, once each; a disabled or unknown one holds none', async t => {
  const roles = await newRoles(t)
  await roles.put(role({ name: 'b' }))
  await roles.put(role({ name: 'a' }))
  await roles.put(role({ name: 'not-held' }))
  const held = async (user: Parameters<typeof roles.heldBy>[0]) => (await roles.heldBy(user)).map(({ name }) => name)
  t.strictSame(await held({ roles: ['b', 'gone', 'a', 'b'], disabled: false }), ['a', 'b'])
  t.strictSame(await held({ roles: ['a'], disabled: true }), [])
  t.strictSame(await held(undefined), [])
  await roles.remove('a')
  t.strictSame(await held({ roles: ['a', 'b'], disabled: false }), ['b'], 'a role that is deleted is gone at once')
})

t.test('it takes one query, whoever asks: the time says nothing of how many roles a name has', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  let queries = 0
  const counting = database.withPlugin({
    transformQuery({ node }) {
      queries++
      return node
    },
    transformResult: async ({ result }) => result,
  })
  const roles = createRoles({ database: counting, clock: { now: () => 1 } })
  for (const name of ['a', 'b', 'c']) await roles.put(role({ name }))
  for (const held of [[], ['a'], ['gone'], ['a', 'b', 'c', 'gone']]) {
    queries = 0
    await roles.heldBy({ roles: held, disabled: false })
    t.equal(queries, 1, held.join(' '))
  }
})
