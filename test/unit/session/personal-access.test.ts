/** What the integration tests of personal tokens cannot reach without a gateway for each: limits, hours, and a log that cannot be written. */

import t from 'tap'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { createPersonalTokens, MOST_TOKENS } from '../../../src/identity/personal-tokens.ts'
import { userSchema } from '../../../src/identity/user.ts'
import { createUsers } from '../../../src/identity/users.ts'
import { type RoleInput, roleSchema } from '../../../src/policy/role.ts'
import { createRoles } from '../../../src/policy/roles.ts'
import { createPersonalAccess } from '../../../src/session/personal-access.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import type { Scope } from '../../../src/shared/scopes.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { anyTarget, newKeyProvider, standingClock } from '../../support/identity-parts.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const alice = { user: 'alice', proven: new Set(['publickey'] as const), sourceAddress: '192.0.2.1' }
const own = { scopes: new Set<Scope>(['own']), validForMs: HOUR }

async function parts(t: { teardown(handler: () => unknown): void }, role: Partial<RoleInput> = {}) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const key = await (await newKeyProvider(t)).load()
  const vault = await createVault({ database, key, clock, targets: anyTarget })
  const users = createUsers({ database, clock })
  const roles = createRoles({ database, clock })
  await roles.put(roleSchema.parse({ name: 'auditing', targets: {}, accounts: {}, api: ['audit'], ...role }))
  await users.put(userSchema.parse({ name: 'alice', roles: ['auditing'] }))
  const audit = { away: false }
  const outbox = createOutbox({ database, gateway: 'gw_test', clock })
  const accessWith = (maxAgeMs: number) =>
    createPersonalAccess({
      ...{ users, roles, clock, maxAgeMs },
      tokens: createPersonalTokens({ database, clock, vault }),
      outbox,
      audit: {
        append: async () => undefined,
        async flush() {
          if (audit.away) throw new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.')
        },
      },
      defaults: [['publickey']],
      count: () => undefined,
    })
  const told = async () =>
    (await database.selectFrom('audit_outbox').select('kind').orderBy('id').execute()).map(({ kind }) => kind)
  return { clock, users, roles, audit, accessWith, access: accessWith(30 * DAY), told }
}

t.test('a maximum that is lowered counts for the tokens that there are, and 0 for all', async t => {
  const { access, accessWith, clock, told } = await parts(t)
  const { text } = await access.create(alice, { ...own, validForMs: 30 * DAY })
  clock.move(2 * DAY)
  t.ok(await access.use(text.reveal(), '192.0.2.1'))
  const stricter = accessWith(DAY)
  t.equal(await stricter.use(text.reveal(), '192.0.2.1'), undefined)
  t.same(await stricter.list('alice'), [])
  await t.rejects(stricter.create(alice, { ...own, validForMs: 2 * DAY }), {
    code: 'BAD_REQUEST',
    message: /1d at most/,
  })
  await t.rejects(accessWith(0).create(alice, own), { code: 'FORBIDDEN', message: /makes no personal tokens/ })
  await stricter.endExpired()
  t.equal(await access.use(text.reveal(), '192.0.2.1'), undefined)
  t.same(await told(), ['personal-token.created', 'personal-token.first-used', 'personal-token.expired'])
})

t.test('the hours and the factors of a role count at each request', async t => {
  // The clock stands on a Friday, 08:00:15 UTC.
  const { access, clock, roles } = await parts(t, { hours: { from: '08:00', to: '09:00' } })
  const { text } = await access.create(alice, { scopes: 'all', validForMs: DAY })
  const scopes = async () => [...((await access.use(text.reveal(), '192.0.2.1'))?.scopes ?? ['gone'])]
  t.same(await scopes(), ['own', 'audit', 'read'])
  clock.move(HOUR)
  t.same(await scopes(), ['own'])
  await roles.put(roleSchema.parse({ name: 'auditing', targets: {}, accounts: {}, api: ['audit'] }))
  t.same(await scopes(), ['own', 'audit', 'read'])
  const factors = [['publickey', 'totp'] as const].map(list => [...list])
  await roles.put(roleSchema.parse({ name: 'auditing', targets: {}, accounts: {}, api: ['audit'], factors }))
  t.same(await scopes(), ['own'], 'a code was not proven when it was made')
})

t.test('a user has so many and no more, until some have ended', async t => {
  const { access, clock } = await parts(t)
  for (let made = 0; made < MOST_TOKENS; made++) await access.create(alice, own)
  await t.rejects(access.create(alice, own), { code: 'CONFLICT', message: /50 tokens/ })
  clock.move(HOUR)
  t.ok(await access.create(alice, own))
})

t.test('what cannot be audited is not given: neither a token, nor its first use', async t => {
  const { access, audit, told } = await parts(t)
  const { text, name } = await access.create(alice, own)
  audit.away = true
  await t.rejects(access.create(alice, own), { code: 'AUDIT_UNAVAILABLE' })
  await t.rejects(access.use(text.reveal(), '192.0.2.1'), { code: 'AUDIT_UNAVAILABLE' })
  t.equal(await access.revoke('alice', name, { actor: 'alice' }), true, 'but taking away waits for nobody')
  t.equal(await access.use(text.reveal(), '192.0.2.1'), undefined)
  t.ok((await told()).includes('personal-token.revoked'), 'its event waits in the outbox')
})

t.test('somebody who is gone or disabled makes none', async t => {
  const { access, users } = await parts(t)
  await t.rejects(access.create({ ...alice, user: 'nobody' }, own), { code: 'FORBIDDEN' })
  await users.put(userSchema.parse({ name: 'alice', roles: ['auditing'], disabled: true }))
  await t.rejects(access.create(alice, own), { code: 'FORBIDDEN', message: /withdrawn/ })
})
