/** A pool pays for argon2 once; whoever is wrong in any way, or from elsewhere, pays for it every time. */

import t from 'tap'
import { createKnownPasswords } from '../../../src/identity/known-passwords.ts'
import { userSchema } from '../../../src/identity/user.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { byBoth, createIdentity, otherCode, standingClock } from '../../support/identity-parts.ts'

const PASSWORD = 'open sesame'
const TEN_MINUTES = 600_000
const BOTH = [['password', 'totp']] as const
const ONE = [['password']] as const

interface Given {
  readonly from?: string
  readonly remember?: number
  readonly factors?: readonly (readonly ('password' | 'totp')[])[]
}

async function alice(t: { teardown(handler: () => unknown): void }) {
  const identity = await createIdentity(t)
  const { code } = await identity.enrol({ name: 'alice' })
  /** Whether somebody gets in, and how often a password was hashed for it. */
  const login = async (text: string, { from = '192.0.2.1', remember = TEN_MINUTES, factors = BOTH }: Given = {}) => {
    const before = identity.hashed()
    const attempt = await identity.begin('alice', from)
    await attempt.verify(byBoth(text), { rememberFactorMs: remember, factors })
    const isIn = (await attempt.principal(factors)) !== undefined
    return { isIn, hashed: identity.hashed() - before }
  }
  return { ...identity, code, login }
}

const SLOWLY = { isIn: true, hashed: 1 }
const QUICKLY = { isIn: true, hashed: 0 }
const NO = { isIn: false, hashed: 1 }

t.test('what was accepted a short time ago is known again without hashing', async t => {
  const { login, code } = await alice(t)
  const text = PASSWORD + code()
  t.same(await login(text), SLOWLY)
  t.same(await login(text), QUICKLY)
  t.same(await login(PASSWORD), QUICKLY)
  t.same(await login(PASSWORD + code(1)), QUICKLY, 'a new code')
})

t.test('every no costs what it cost before, also where the password is known', async t => {
  const { login, code } = await alice(t)
  t.same(await login(PASSWORD + code()), SLOWLY)
  t.same(await login('wrong password'), NO)
  t.same(await login(`wrong password${code(1)}`), NO)
  t.same(await login(PASSWORD + otherCode(code)), NO, 'the right password with a wrong code')
  t.same(await login(PASSWORD + code(), { from: '192.0.2.2' }), NO, 'from elsewhere')
  t.same(await login(PASSWORD, { from: '192.0.2.2' }), NO)
})

t.test('where the role remembers nothing, nothing is known', async t => {
  const { login, code } = await alice(t)
  t.same(await login(PASSWORD + code(), { remember: 0 }), SLOWLY)
  t.same(await login(PASSWORD + code(1)), SLOWLY, 'it was not kept')
  t.same(await login(PASSWORD, { remember: 0 }), NO, 'nor is it used for another role')
  t.same(await login(PASSWORD), QUICKLY)
})

t.test('a password alone is known again where it is enough', async t => {
  const { login } = await alice(t)
  t.same(await login(PASSWORD, { factors: ONE }), SLOWLY)
  t.same(await login(PASSWORD, { factors: ONE }), QUICKLY)
  t.same(await login(PASSWORD), NO, 'and where a code is missing, the no does not come sooner')
})

t.test('its time is over when the role says so, counted from the hashing', async t => {
  const { login, code, clock } = await alice(t)
  t.same(await login(PASSWORD + code()), SLOWLY)
  clock.move(TEN_MINUTES - 1)
  t.same(await login(PASSWORD), QUICKLY)
  clock.move(1)
  t.same(await login(PASSWORD + code()), SLOWLY, 'being known does not make it last longer')
})

t.test('a change of the password, the codes or the user ends it', async t => {
  const { login, code, clock, users, factors } = await alice(t)
  t.same(await login(PASSWORD + code()), SLOWLY)
  clock.move(30_000)
  await users.put(userSchema.parse({ name: 'alice', roles: ['other'] }))
  t.same(await login(PASSWORD + code()), SLOWLY)
  clock.move(30_000)
  await factors.setPassword('alice', new Secret('another one'))
  t.same(await login(PASSWORD + code()), NO)
  t.same(await login(`another one${code()}`), SLOWLY)
  await users.put(userSchema.parse({ name: 'alice', disabled: true }))
  t.same(await login(`another one${code(1)}`), NO)
})

t.test('a password that is locked is hashed, known or not', async t => {
  const { login, code } = await alice(t)
  t.same(await login(PASSWORD + code()), SLOWLY)
  for (let i = 0; i < 6; i++) t.same(await login('guess-guess'), NO)
  t.same(await login(PASSWORD), NO)
})

t.test('another process knows nothing, and what is kept holds no password', async t => {
  const clock = standingClock()
  const [one, other] = [createKnownPasswords(clock), createKnownPasswords(clock)]
  const holder = { user: 'alice', address: '192.0.2.1', generation: '1' }
  one.keep(holder, new Secret('Zu\u0308rich am See'), 1000)
  t.ok(one.knows(holder, new Secret('Zürich am See'), 1000), 'however it is composed')
  t.notOk(other.knows(holder, new Secret('Zürich am See'), 1000))
  for (const changed of [{ user: 'bob' }, { address: '192.0.2.2' }, { generation: '2' }]) {
    t.notOk(one.knows({ ...holder, ...changed }, new Secret('Zürich am See'), 1000))
  }
  t.notOk(one.knows(holder, new Secret(''), 1000))
})
