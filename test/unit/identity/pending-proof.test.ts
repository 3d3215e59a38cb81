import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import type { Factor } from '../../../src/shared/factors.ts'
import { byCode, byPassword, createIdentity } from '../../support/identity-parts.ts'
import { addPush, byPush, PUSH } from '../../support/push-factor.ts'

const phone = addPush()
const PASSWORD = 'open sesame'
const LISTS: Factor[][] = [['password', PUSH]]
/** Fewer tries than anybody's patience, so that a lock is soon there. */
const RULE = { tries: 2, firstWaitMs: 60_000, longestWaitMs: 60_000 }

async function start(test: Parameters<typeof createIdentity>[0], rule = RULE) {
  const identity = await createIdentity(test, { rule })
  const { code } = await identity.enrol({ name: 'alice' })
  const waiting = () => {
    const login = new AbortController()
    return { login, options: { rememberFactorMs: 0, until: login.signal } }
  }
  const behindPassword = async () => {
    const attempt = await identity.begin('alice')
    await attempt.verify(byPassword(PASSWORD), { rememberFactorMs: 0 })
    return attempt
  }
  const failures = async () => (await identity.lockout.failuresOf('alice')).map(({ factor, tries }) => [factor, tries])
  return { ...identity, code, waiting, behindPassword, failures }
}

t.test('a pending proof proves nothing and counts as nothing, until it is confirmed', async t => {
  const { waiting, behindPassword, failures } = await start(t)
  const attempt = await behindPassword()
  const asking = phone.next()
  const verified = attempt.verify(byPush, waiting().options)
  const { user, answer, signal } = await asking
  t.equal(user, 'alice')
  t.same([...attempt.proven], ['password'])
  t.equal(await attempt.principal(LISTS), undefined)
  t.same(await failures(), [])
  t.equal(signal.aborted, false)
  answer('confirmed')
  t.equal(await verified, true)
  t.match(await attempt.principal(LISTS), { user: 'alice', proven: new Set(['password', PUSH]) })
})

t.test('who refuses it refuses the login, which counts as a failure like a wrong code', async t => {
  const { waiting, behindPassword, failures } = await start(t)
  for (const answer of ['refused', undefined, true]) {
    const attempt = await behindPassword()
    const count = phone.asked.length
    const asking = phone.next()
    const verified = attempt.verify(byPush, waiting().options)
    if ((await failures())[0]?.[1] === RULE.tries) {
      t.equal(await verified, false)
      t.match(attempt.trail, ['push: locked after too many failures'])
      t.equal(phone.asked.length, count, 'nobody is asked while it is locked')
    } else {
      ;(await asking).answer(answer)
      t.equal(await verified, false)
      t.match(attempt.trail, ['push: it was refused elsewhere'])
    }
    t.equal(await attempt.principal(LISTS), undefined)
  }
  t.same(await failures(), [[PUSH, RULE.tries]])
})

t.test('a login that is over waits no longer, and what is confirmed then is worth nothing', async t => {
  const { waiting, behindPassword } = await start(t)
  const attempt = await behindPassword()
  const asking = phone.next()
  const { login, options } = waiting()
  const verified = attempt.verify(byPush, options)
  const { answer, signal } = await asking
  login.abort()
  answer('confirmed')
  t.equal(await verified, false)
  t.equal(signal.aborted, true, 'the phone is told')
  t.same([...attempt.proven], ['password'])
  t.equal(await attempt.principal(LISTS), undefined)
})

t.test('one confirmation is for one login: another one of the same person is asked for after it', async t => {
  const { waiting, behindPassword } = await start(t)
  const [first, second] = [await behindPassword(), await behindPassword()]
  const asking = phone.next()
  const firstVerified = first.verify(byPush, waiting().options)
  const { answer } = await asking
  const count = phone.asked.length
  const { login, options } = waiting()
  const secondVerified = second.verify(byPush, options)
  const third = await behindPassword()
  t.equal(phone.asked.length, count, 'one at a time')
  const askingAgain = phone.next()
  answer('confirmed')
  t.equal(await firstVerified, true)
  await askingAgain
  t.same([...second.proven, ...third.proven], ['password', 'password'])
  login.abort()
  t.equal(await secondVerified, false)
})

t.test('nobody is asked for a stranger, for an unknown user, or where nobody waits', async t => {
  const { waiting, behindPassword, begin, code, failures } = await start(t)
  const count = phone.asked.length
  for (const name of ['alice', 'nobody']) {
    const attempt = await begin(name)
    t.equal(await attempt.verify(byPush, waiting().options), false)
    t.match(attempt.trail, ['push: nothing was proven before it'])
  }
  const attempt = await behindPassword()
  t.equal(await attempt.verify(byPush, { rememberFactorMs: 0 }), false)
  t.equal(phone.asked.length, count)
  t.equal(await attempt.verify(byCode(code()), { rememberFactorMs: 0 }), true, 'other factors are as they were')
  t.same(await failures(), [], 'what nobody was asked for is no failure')
})

t.test('a confirmation is void when the person changed meanwhile, and an error lets nobody in', async t => {
  const { waiting, behindPassword, users, factors, clock } = await start(t)
  const changes = [
    () => users.put(userSchema.parse({ name: 'alice', fullName: 'Alice' })),
    () => users.put(userSchema.parse({ name: 'alice', disabled: true })),
    () => factors.removeFactor('alice', 'password').then(() => users.put(userSchema.parse({ name: 'alice' }))),
  ]
  for (const change of changes) {
    await users.put(userSchema.parse({ name: 'alice' }))
    const attempt = await behindPassword()
    const asking = phone.next()
    const verified = attempt.verify(byPush, waiting().options)
    const { answer } = await asking
    clock.move(1000)
    await change()
    answer('confirmed')
    t.equal(await verified, false)
    t.match(attempt.trail, [/^push: the user's factors changed meanwhile/])
    t.equal(await attempt.principal(LISTS), undefined)
  }
  const { waiting: waitingNow, behindPassword: again } = await start(t)
  const attempt = await again()
  const asking = phone.next()
  const verified = attempt.verify(byPush, waitingNow().options)
  ;(await asking).fail(new Error('the phones cannot be reached'))
  await t.rejects(verified, { message: 'the phones cannot be reached' })
  t.same([...attempt.proven], ['password'])
})
