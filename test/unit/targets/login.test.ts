import fc from 'fast-check'
import t from 'tap'
import { accountFor, accountSchema, loginOf } from '../../../src/targets/target.ts'

t.test('an account without a login is known by its name', async t => {
  t.equal(loginOf(accountSchema.parse({ name: 'root' })), 'root')
  t.equal(loginOf(accountSchema.parse({ name: 'reports', login: 'Report User' })), 'Report User')
})

t.test('an account with two names is known by the one that the credential is for', async t => {
  const app = accountSchema.parse({ name: 'app', logins: ['app_a', 'app_b'] })
  t.equal(loginOf(app, { login: 'app_b' }), 'app_b')
  t.equal(loginOf(app), 'app_a', 'the first, where it was stored before there were two')
  t.equal(loginOf(app, { login: 'app_c' }), 'app_a', 'and never one that its entry does not name')
  t.equal(loginOf(accountSchema.parse({ name: 'app' }), { login: 'app_b' }), 'app')
  t.match(accountFor(app, { login: 'app_b' }), { name: 'app', login: 'app_b', logins: undefined })
  for (const wrong of [
    { logins: ['a'] },
    { logins: ['a', 'a'] },
    { logins: ['a', 'b', 'c'] },
    { logins: ['a', 'b'], login: 'a' },
  ])
    t.notOk(accountSchema.safeParse({ name: 'app', ...wrong }).success)
})

t.test('a login is kept as it is written, and never holds what would end a field or deceive a reader', async t => {
  const unfit = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), login => {
      const parsed = accountSchema.safeParse({ name: 'a', login })
      if (parsed.success) return parsed.data.login === login && !unfit.test(login) && Buffer.byteLength(login) <= 255
      return unfit.test(login) || Buffer.byteLength(login) > 255
    }),
  )
  for (const login of [
    '',
    'a\0b',
    'a\nb',
    'a\u001b[2Jb',
    'a\u202eb',
    'a\u200bb',
    'a\u2028b',
    '\ud800',
    'x'.repeat(256),
    'ß'.repeat(128),
  ])
    t.notOk(accountSchema.safeParse({ name: 'a', login }).success, encodeURI(login.toWellFormed()).slice(0, 20))
  t.ok(accountSchema.safeParse({ name: 'a', login: 'ß'.repeat(127) }).success)
})
