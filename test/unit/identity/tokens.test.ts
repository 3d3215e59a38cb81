import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createTokens } from '../../../src/identity/tokens.ts'
import { standingClock } from '../../support/identity-parts.ts'

async function parts(t: { teardown(handler: () => unknown): void }) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  return { database, clock, tokens: createTokens({ database, clock }) }
}

t.test('a token is shown once, found by its text, and only its hash is stored', async t => {
  const { tokens, database, clock } = await parts(t)
  const text = (await tokens.create({ name: 'ci', user: 'alice', scope: 'auditor' })).reveal()
  t.match(text, /^sp_[A-Za-z0-9_-]{43}$/)
  const facts = { name: 'ci', user: 'alice', scope: 'auditor', createdAt: clock.now(), expiresAt: undefined }
  t.same(await tokens.find(text), facts)
  t.same(await tokens.list(), [facts])
  const stored = JSON.stringify(await database.selectFrom('api_tokens').selectAll().execute())
  t.notOk(stored.includes(text.slice(3)))
})

t.test('no other text is a token', async t => {
  const { tokens } = await parts(t)
  const text = (await tokens.create({ name: 'ci', user: 'alice', scope: 'read' })).reveal()
  const others = [
    '',
    'sp_',
    text.slice(0, -1),
    `${text}A`,
    ` ${text}`,
    text.toUpperCase(),
    text.slice(3),
    `sp_${'A'.repeat(43)}`,
  ]
  for (const other of others) t.equal(await tokens.find(other), undefined, other)
})

t.test('a token ends with its time, or when it is revoked', async t => {
  const { tokens, clock } = await parts(t)
  const brief = (
    await tokens.create({ name: 'brief', user: 'alice', scope: 'read', expiresAt: clock.now() + 1000 })
  ).reveal()
  const lasting = (await tokens.create({ name: 'lasting', user: 'alice', scope: 'read' })).reveal()
  clock.move(999)
  t.ok(await tokens.find(brief))
  clock.move(1)
  t.equal(await tokens.find(brief), undefined)
  t.ok(await tokens.find(lasting))
  t.equal(await tokens.revoke('lasting'), true)
  t.equal(await tokens.revoke('lasting'), false)
  t.equal(await tokens.find(lasting), undefined)
})

t.test('a name is taken once', async t => {
  const { tokens } = await parts(t)
  await tokens.create({ name: 'ci', user: 'alice', scope: 'read' })
  await t.rejects(tokens.create({ name: 'ci', user: 'bob', scope: 'admin' }), { code: 'CONFLICT' })
  t.equal((await tokens.list()).length, 1)
})
