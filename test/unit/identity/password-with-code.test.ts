import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { byBoth, byPassword, createIdentity, otherCode } from '../../support/identity-parts.ts'

const PASSWORD = 'open sesame'
const TEN_MINUTES = 600_000
const FROM = '192.0.2.1'

/** Alice, enrolled, and a way to log in as a database client does: one text, on a connection of its own. */
async function alice(t: { teardown(handler: () => unknown): void }) {
  const identity = await createIdentity(t)
  const { code } = await identity.enrol({ name: 'alice' })
  const login = async (text: string, { from = FROM, remember = TEN_MINUTES } = {}) => {
    const attempt = await identity.begin('alice', from)
    await attempt.verify(byBoth(text), { rememberFactorMs: remember })
    return (await attempt.principal([['password', 'totp']])) !== undefined
  }
  return { ...identity, code, login }
}

t.test('the password with the code after it proves both', async t => {
  const { login, code } = await alice(t)
  t.equal(await login(PASSWORD + otherCode(code)), false)
  t.equal(await login(`wrong password${code()}`), false)
  t.equal(await login(PASSWORD + code()), true, 'and neither of the wrong ones used the code up')
})

t.test('where nothing is remembered, the same text works once', async t => {
  const { login, code } = await alice(t)
  const text = PASSWORD + code()
  t.equal(await login(text, { remember: 0 }), true)
  t.equal(await login(text, { remember: 0 }), false)
  t.equal(await login(PASSWORD, { remember: 0 }), false)
  t.equal(await login(text), false, 'what was not remembered then is not remembered now')
})

t.test('a client that sends the same text again by itself does not lock its user out', async t => {
  const { login, code } = await alice(t)
  t.equal(await login(PASSWORD + code(), { remember: 0 }), true)
  for (let i = 0; i < 8; i++) t.equal(await login(PASSWORD + code(), { remember: 0 }), false)
  t.equal(await login(PASSWORD + code(1), { remember: 0 }), true)
})

t.test('while a factor is fresh, the same text and the password alone are enough, from the same address', async t => {
  const { login, code, clock } = await alice(t)
  const text = PASSWORD + code()
  t.equal(await login(text), true)
  clock.move(TEN_MINUTES - 1)
  t.equal(await login(text), true)
  t.equal(await login(PASSWORD), true)
  for (const from of ['192.0.2.2', '2001:db8::1']) {
    t.equal(await login(text, { from }), false)
    t.equal(await login(PASSWORD, { from }), false)
  }
  t.equal(await login('wrong password'), false)
  t.equal(await login(`wrong password${text.slice(-6)}`), false)
  t.equal(await login(PASSWORD + otherCode(code)), false, 'another code is still wrong')
})

t.test('a remembered factor ends when its time is over, and using it does not make it longer', async t => {
  const { login, code, clock } = await alice(t)
  const text = PASSWORD + code()
  t.equal(await login(text), true)
  clock.move(TEN_MINUTES / 2)
  t.equal(await login(text), true)
  clock.move(TEN_MINUTES / 2)
  t.equal(await login(text), false)
  t.equal(await login(PASSWORD), false)
})

t.test(
  'a role that remembers for a shorter time, or not at all, is not served by one that remembers longer',
  async t => {
    const { login, code, clock } = await alice(t)
    t.equal(await login(PASSWORD + code()), true)
    clock.move(60_000)
    t.equal(await login(PASSWORD, { remember: 60_000 }), false)
    t.equal(await login(PASSWORD, { remember: 0 }), false)
    t.equal(await login(PASSWORD, { remember: 60_001 }), true)
  },
)

t.test('another user at the same address is not served', async t => {
  const { login, code, enrol, begin } = await alice(t)
  await enrol({ name: 'bob' }, 'bobs own password')
  t.equal(await login(PASSWORD + code()), true)
  const bob = await begin('bob', FROM)
  t.equal(await bob.verify(byBoth('bobs own password'), { rememberFactorMs: TEN_MINUTES }), true)
  t.same(bob.proven, new Set(['password']))
})

t.test('a new password, new codes, or a change of the user’s entry make a remembered factor void', async t => {
  const { login, code, factors, users, clock } = await alice(t)
  let next = 0
  const refresh = async () => t.equal(await login(PASSWORD + code(next++)), true)
  await refresh()
  t.equal(await login(PASSWORD), true)
  clock.move(1)
  await factors.setPassword('alice', new Secret(PASSWORD))
  t.equal(await login(PASSWORD), false, 'a password that was set anew, be it the same')
  await refresh()
  clock.move(1)
  await users.put(userSchema.parse({ name: 'alice', disabled: true }))
  t.equal(await login(PASSWORD), false)
  clock.move(1)
  await users.put(userSchema.parse({ name: 'alice' }))
  t.equal(await login(PASSWORD), false, 'disabled and enabled again')
  clock.move(30_000)
  next = 1
  await refresh()
  await factors.enrolTotp('alice')
  t.equal(await login(PASSWORD), false)
  await factors.removeFactor('alice', 'totp')
  t.equal(await login(PASSWORD), false)
})

t.test('a note in the cluster’s memory that the vault did not seal is worth nothing', async t => {
  const { login, code, cluster } = await alice(t)
  const kept = new Map<string, string>()
  const { remember } = cluster
  cluster.remember = (key, value, ttlMs) => {
    kept.set(key, value)
    return remember(key, value, ttlMs)
  }
  t.equal(await login(PASSWORD + code()), true)
  kept.delete('known-sources:alice')
  t.equal(kept.size, 2, 'one of the code, one of the last code')
  t.notMatch(JSON.stringify([...kept]), /alice|192\.0\.2/)
  const [[ofCode, value], [ofLast, last]] = [...kept] as [[string, string], [string, string]]
  for (const forged of ['', JSON.stringify({ step: 1, at: Date.now(), generation: '' }), last.slice(0, -1), value]) {
    await remember(ofLast, forged, TEN_MINUTES)
    t.equal(await login(PASSWORD), false)
  }
  await remember(ofLast, last, TEN_MINUTES)
  t.equal(await login(PASSWORD), true)
  await remember(ofCode, last, TEN_MINUTES)
  t.equal(await login(PASSWORD + code()), false, 'nor is the note of another')
})

t.test('a user without one-time codes can prove the password this way, and nothing more', async t => {
  const { factors, begin, tries } = await alice(t)
  await factors.removeFactor('alice', 'totp')
  const attempt = await begin('alice')
  t.equal(await attempt.verify(byBoth(PASSWORD), { rememberFactorMs: TEN_MINUTES }), true)
  t.same(attempt.proven, new Set(['password']))
  t.ok(await attempt.principal([['password']]))
  t.equal(await tries('alice', byBoth(`${PASSWORD}000000`)), false)
})

t.test('a pool that opens ten connections with one text gets them all, while the factor is remembered', async t => {
  const { login, code } = await alice(t)
  const text = PASSWORD + code()
  t.same(await Promise.all(Array.from({ length: 10 }, () => login(text))), Array(10).fill(true))
})

t.test('the code is no part of the password for clients that ask for each', async t => {
  const { tries, code } = await alice(t)
  t.equal(await tries('alice', byPassword(PASSWORD + code())), false)
})

t.test('a newer code does not end the time of the one before it: a pool goes on beside a person', async t => {
  const { login, code, clock } = await alice(t)
  const pool = PASSWORD + code()
  t.equal(await login(pool), true)
  clock.move(30_000)
  t.equal(await login(PASSWORD + code()), true, 'the person, with the next code')
  t.equal(await login(pool), true)
  clock.move(TEN_MINUTES - 30_000)
  t.equal(await login(pool), false, 'its own time is over')
})

t.test('a pool that sends its old code for days locks nobody out', async t => {
  const { login, code, clock } = await alice(t)
  const pool = PASSWORD + code()
  t.equal(await login(pool), true)
  for (let hour = 0; hour < 72; hour++) {
    clock.move(60 * 60_000)
    t.equal(await login(pool), false)
  }
  t.equal(await login(PASSWORD + code()), true)
  t.equal(await login(pool), false)
  clock.move(25 * 60 * 60_000)
  for (let i = 0; i < 7; i++) await login(pool)
  t.equal(await login(PASSWORD + code()), false, 'after a day in which nobody sent it, it is a wrong one')
})

t.test('a remembered code does not buy new guesses at the next one', async t => {
  const { login, code } = await alice(t)
  t.equal(await login(PASSWORD + code()), true)
  for (let i = 0; i < 7; i++) await login(PASSWORD + otherCode(code), { from: `198.51.100.${i}` })
  t.equal(await login(PASSWORD + code(1), { from: '203.0.113.1' }), false, 'locked')
  t.equal(await login(PASSWORD), true, 'what is fresh still counts')
  t.equal(await login(PASSWORD + code(1), { from: '203.0.113.2' }), false, 'and the lock is as it was')
})
