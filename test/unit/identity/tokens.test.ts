import { createHash } from 'node:crypto'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createTokens } from '../../../src/identity/tokens.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { anyTarget, newKeyProvider, standingClock } from '../../support/identity-parts.ts'

async function parts(t: { teardown(handler: () => unknown): void }) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const key = await (await newKeyProvider(t)).load()
  const vault = await createVault({ database, key, clock, targets: anyTarget })
  return { database, clock, tokens: createTokens({ database, clock, vault }) }
}

t.test('a token is shown once, found by its text, and only its hash is stored', async t => {
  const { tokens, database, clock } = await parts(t)
  const text = (await tokens.create({ name: 'ci', user: 'alice', scope: 'auditor' })).reveal()
  t.match(text, /^sp_[A-Za-z0-9_-]{43}$/)
  const facts = {
    name: 'ci',
    user: 'alice',
    scope: 'auditor',
    scopes: new Set(['read', 'audit']),
    createdAt: clock.now(),
    expiresAt: undefined,
    genuine: true,
  }
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

t.test('a row that was written, changed or moved by hand is no token', async t => {
  const { tokens, database } = await parts(t)
  const text = (await tokens.create({ name: 'ci', user: 'alice', scope: 'read' })).reveal()
  const mine = `sp_${'m'.repeat(43)}`
  const hash = createHash('sha256').update(mine).digest('hex')
  const row = await database.selectFrom('api_tokens').selectAll().executeTakeFirstOrThrow()

  await database
    .insertInto('api_tokens')
    .values({ ...row, hash, name: 'mine', scopes: 'credentials', sealed: null })
    .execute()
  t.equal(await tokens.find(mine), undefined)
  await database.updateTable('api_tokens').set({ sealed: row.sealed, name: 'mine2' }).where('hash', '=', hash).execute()
  t.equal(await tokens.find(mine), undefined)
  t.match(await tokens.list(), [
    { name: 'ci', genuine: true },
    { name: 'mine2', genuine: false },
  ])
  for (const change of [
    { scopes: 'admin' },
    { user: 'mallory' },
    { expires_at: 1e15 },
    { created_at: 1 },
    { name: 'x' },
  ]) {
    await database.updateTable('api_tokens').set(change).where('hash', '=', row.hash).execute()
    t.equal(await tokens.find(text), undefined, Object.keys(change)[0])
    await database.updateTable('api_tokens').set(row).where('hash', '=', row.hash).execute()
  }
  t.match(await tokens.find(text), { name: 'ci' })
})

t.test('the tokens of an earlier version are sealed, and good from then on', async t => {
  const { tokens, database } = await parts(t)
  const text = (await tokens.create({ name: 'ci', user: 'alice', scope: 'read' })).reveal()
  await database.updateTable('api_tokens').set({ sealed: null }).execute()
  t.equal(await tokens.find(text), undefined)
  t.same(await tokens.sealEarlier(), ['ci (read)'])
  t.match(await tokens.find(text), { name: 'ci' })
  t.same(await tokens.sealEarlier(), [])
})
