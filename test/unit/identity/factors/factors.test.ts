import t from 'tap'
import { Secret } from '../../../../src/shared/secret.ts'
import { byPassword, createIdentity } from '../../../support/identity-parts.ts'

t.test('factors are set, listed without their values, replaced and removed', async t => {
  const { enrol, factors, clock, tries } = await createIdentity(t)
  await enrol({ name: 'alice' }, 'the first password')
  t.same(await factors.list('alice'), [
    { kind: 'password', updatedAt: clock.now() },
    { kind: 'totp', updatedAt: clock.now() },
  ])
  await factors.setPassword('alice', new Secret('the second password'))
  t.equal(await tries('alice', byPassword('the first password')), false)
  t.equal(await tries('alice', byPassword('the second password')), true)
  t.equal(await factors.removeFactor('alice', 'password'), true)
  t.equal(await factors.removeFactor('alice', 'password'), false)
  t.equal(await tries('alice', byPassword('the second password')), false)
  t.same(
    (await factors.list('alice')).map(factor => factor.kind),
    ['totp'],
  )
})

t.test('a user who does not exist has no factors and gets none', async t => {
  const { factors } = await createIdentity(t)
  await t.rejects(factors.setPassword('nobody', new Secret('open sesame')), { code: 'NOT_FOUND' })
  await t.rejects(factors.enrolTotp('nobody'), { code: 'NOT_FOUND' })
  t.same(await factors.list('nobody'), [])
})

t.test('each enrolment makes another secret', async t => {
  const { enrol, factors } = await createIdentity(t)
  const { secret } = await enrol({ name: 'alice' })
  const again = await factors.enrolTotp('alice')
  t.not(again.secret.reveal(), secret.reveal())
  t.ok(again.url.reveal().includes(again.secret.reveal()))
})

t.test('whoever gets a removed user’s name later does not inherit the password, the codes or the tokens', async t => {
  const { enrol, users, factors, tries, database, clock } = await createIdentity(t)
  await enrol({ name: 'alice' }, 'the first password')
  const token = { hash: 'h', name: 'ci', user: 'alice', scopes: 'read', created_at: clock.now(), expires_at: null }
  await database.insertInto('api_tokens').values(token).execute()
  const alice = (await users.get('alice'))!
  await users.remove('alice')
  await users.put(alice)
  t.same(await factors.list('alice'), [])
  t.equal(await tries('alice', byPassword('the first password')), false)
  t.same(await database.selectFrom('api_tokens').selectAll().execute(), [])
})
