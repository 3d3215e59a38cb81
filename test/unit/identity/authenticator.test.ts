import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { openDatabase } from '../../../src/database/database.ts'
import type { Attempt } from '../../../src/identity/authenticator.ts'
import type { Proof } from '../../../src/identity/proof.ts'
import { userSchema } from '../../../src/identity/user.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import type { Factor } from '../../../src/shared/factors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import {
  byBoth,
  byCode,
  byPassword,
  createIdentity,
  newKeyProvider,
  otherCode,
  standingClock,
} from '../../support/identity-parts.ts'

const PASSWORD = 'open sesame'
const NEVER = { rememberFactorMs: 0 }
const KEY_THEN_CODE: Factor[][] = [['publickey', 'totp']]
const PASSWORD_THEN_CODE: Factor[][] = [['password', 'totp']]

function newKey(): { line: string; proof: Proof & { kind: 'publickey' } } {
  const key = randomBytes(32)
  const type = Buffer.from('ssh-ed25519')
  const blob = Buffer.concat([Buffer.from([0, 0, 0, type.length]), type, Buffer.from([0, 0, 0, 32]), key])
  return { line: `ssh-ed25519 ${blob.toString('base64')}`, proof: { kind: 'publickey', blob } }
}

t.test('a key, then a code, makes a principal with the roles of the user', async t => {
  const { enrol, begin } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'alice', roles: ['operators'], publicKeys: [key.line] })
  const attempt = await begin('alice', '192.0.2.7')
  t.same(attempt.roles, ['operators'])
  t.equal(await attempt.verify(key.proof, NEVER), true)
  t.equal(await attempt.principal(KEY_THEN_CODE), undefined, 'the key alone is not enough')
  t.equal(await attempt.verify(byCode(code()), NEVER), true)
  t.match(await attempt.principal(KEY_THEN_CODE), {
    user: 'alice',
    roles: ['operators'],
    proven: new Set(['publickey', 'totp']),
    sourceAddress: '192.0.2.7',
  })
  t.same(attempt.trail, [])
})

t.test('the code of a login is taken for one act, within a minute, and on no other connection', async t => {
  const clock = standingClock()
  const { enrol, begin } = await createIdentity(t, { clock })
  const key = newKey()
  const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
  const login = async () => {
    const attempt = await begin('alice')
    await attempt.verify(key.proof, NEVER)
    t.equal(attempt.takeCode(), false, 'a key is no code')
    t.equal(await attempt.verify(byCode(code()), NEVER), true)
    return attempt
  }
  const first = await login()
  t.equal((first.inside() as Attempt).takeCode(), false, 'it is not that of what is opened inside')
  t.equal(first.takeCode(), true)
  t.equal(first.takeCode(), false, 'once')
  clock.move(30_000)
  const second = await login()
  clock.move(60_000)
  t.equal(second.takeCode(), false, 'after a minute')
})

t.test('a password, then a code, makes a principal; each wrong proof makes none and is on the trail', async t => {
  const { enrol, begin } = await createIdentity(t)
  const { code } = await enrol({ name: 'alice' })
  const attempt = await begin('alice')
  t.equal(await attempt.verify(byPassword('guess-guess'), NEVER), false)
  t.equal(await attempt.verify(byPassword(PASSWORD), NEVER), true)
  t.equal(await attempt.verify(byCode(otherCode(code)), NEVER), false)
  t.equal(await attempt.principal(PASSWORD_THEN_CODE), undefined)
  t.equal(await attempt.verify(byCode(code()), NEVER), true)
  t.ok(await attempt.principal(PASSWORD_THEN_CODE))
  t.same(attempt.trail, ['password: a wrong password', 'totp: a wrong code'])
})

t.test('one of several lists is enough, but all of it', async t => {
  const { enrol, begin } = await createIdentity(t)
  await enrol({ name: 'alice' })
  const attempt = await begin('alice')
  await attempt.verify(byPassword(PASSWORD), NEVER)
  t.equal(await attempt.principal([['password', 'totp'], ['password', 'publickey'], ['publickey']]), undefined)
  t.ok(await attempt.principal([['publickey', 'totp'], ['password']]))
})

t.test('warpgate#129: no requirement, or an empty one, lets nobody in', async t => {
  const { enrol, begin } = await createIdentity(t)
  await enrol({ name: 'alice' })
  const attempt = await begin('alice')
  t.equal(await attempt.principal([]), undefined)
  t.equal(await attempt.principal([[]]), undefined)
  await attempt.verify(byPassword(PASSWORD), NEVER)
  t.equal(await attempt.principal([[], []]), undefined)
})

t.test('CVE-2023-43660: the offer of a key, known as it may be, proves nothing', async t => {
  const { enrol, begin, authenticator } = await createIdentity(t)
  const key = newKey()
  await enrol({ name: 'alice', publicKeys: [key.line] })
  const attempt = await begin('alice')
  t.equal(await authenticator.knowsPublicKey('alice', key.proof.blob), true)
  t.equal(attempt.proven.size, 0)
  t.equal(await attempt.principal([['publickey']]), undefined)
  t.equal(await authenticator.knowsPublicKey('alice', newKey().proof.blob), false)
  t.equal(await authenticator.knowsPublicKey('nobody', key.proof.blob), false)
})

t.test('CVE-2024-45337: the key that counts is the one proven, not one asked about before or after', async t => {
  const { enrol, begin, authenticator } = await createIdentity(t)
  const [alices, attackers] = [newKey(), newKey()]
  await enrol({ name: 'alice', publicKeys: [alices.line] })
  const attempt = await begin('alice')
  await authenticator.knowsPublicKey('alice', alices.proof.blob)
  t.equal(await attempt.verify(attackers.proof, NEVER), false)
  await authenticator.knowsPublicKey('alice', alices.proof.blob)
  t.equal(await attempt.principal([['publickey']]), undefined)
})

t.test('CVE-2023-48712: what one name proved is never worth anything for another name', async t => {
  const { enrol, begin } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
  await enrol({ name: 'bob' }, 'bobs own password')
  const [alice, bob] = [await begin('alice'), await begin('bob')]
  t.ok(await alice.verify(key.proof, NEVER))
  t.ok(await alice.verify(byCode(code()), NEVER))
  for (const proof of [key.proof, byPassword(PASSWORD), byCode(code(1)), byBoth(PASSWORD + code(1))]) {
    t.equal(await bob.verify(proof, NEVER), false)
  }
  t.equal(bob.proven.size, 0)
  t.equal(await bob.principal([['publickey'], ['password'], ['totp']]), undefined)
  t.equal((await alice.principal(KEY_THEN_CODE))?.user, 'alice')
})

t.test('an unknown, a disabled and an impossible user get an attempt like everybody, which never succeeds', async t => {
  const { users, enrol, begin, authenticator } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'gone', roles: ['operators'], publicKeys: [key.line] })
  await users.put(userSchema.parse({ name: 'gone', roles: ['operators'], publicKeys: [key.line], disabled: true }))
  for (const name of ['nobody', 'gone', '', "o'brien\0", '../../etc', '__proto__']) {
    const attempt = await begin(name)
    t.same(attempt.roles, [], JSON.stringify(name))
    for (const proof of [key.proof, byPassword(PASSWORD), byCode(code()), byBoth(PASSWORD + code())]) {
      t.equal(await attempt.verify(proof, { rememberFactorMs: 60_000 }), false, `${JSON.stringify(name)} ${proof.kind}`)
    }
    t.equal(await attempt.principal([['publickey'], ['password']]), undefined)
    t.equal(await authenticator.knowsPublicKey(name, key.proof.blob), false)
    t.equal(attempt.trail.length, 4)
  }
})

t.test('a user who is disabled, or loses the key, between proof and decision is not let in', async t => {
  const { users, enrol, begin } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'alice', roles: ['operators'], publicKeys: [key.line] })
  const attempt = await begin('alice')
  await attempt.verify(key.proof, NEVER)
  await attempt.verify(byCode(code()), NEVER)
  t.ok(await attempt.principal(KEY_THEN_CODE))
  await users.put(userSchema.parse({ name: 'alice', roles: ['readers'], publicKeys: [key.line] }))
  t.same(
    (await attempt.principal(KEY_THEN_CODE))?.roles,
    ['readers'],
    'Teleport 16.4.6: a removed role does not linger',
  )
  await users.put(userSchema.parse({ name: 'alice', publicKeys: [newKey().line] }))
  t.equal(await attempt.principal(KEY_THEN_CODE), undefined)
  await users.put(userSchema.parse({ name: 'alice', publicKeys: [key.line], disabled: true }))
  t.equal(await attempt.principal(KEY_THEN_CODE), undefined)
  await users.remove('alice')
  t.equal(await attempt.principal(KEY_THEN_CODE), undefined)
})

t.test(
  'a code before the first factor is refused whatever it is, and neither uses it up nor locks anything',
  async t => {
    const { enrol, begin } = await createIdentity(t)
    const { code } = await enrol({ name: 'alice' })
    for (let i = 0; i < 30; i++) {
      t.equal(await (await begin('alice')).verify(byCode(i % 2 ? code() : otherCode(code)), NEVER), false)
    }
    const attempt = await begin('alice')
    await attempt.verify(byPassword(PASSWORD), NEVER)
    t.equal(await attempt.verify(byCode(code()), NEVER), true)
  },
)

t.test('a code is accepted once: not again on the same connection, on another, or after a restart', async t => {
  const folder = t.testdir()
  const keyProvider = await newKeyProvider(t)
  const clock = standingClock()
  const start = async () => {
    const database = await openDatabase(`sqlite:${folder}/sallyport.db`)
    return createIdentity(t, { database, keyProvider, clock })
  }
  const key = newKey()
  const first = await start()
  const { code } = await first.enrol({ name: 'alice', publicKeys: [key.line] })
  const tryOn = async (gateway: typeof first, typed: string) => {
    const attempt = await gateway.begin('alice')
    await attempt.verify(key.proof, NEVER)
    return [await attempt.verify(byCode(typed), NEVER), await attempt.verify(byCode(typed), NEVER)]
  }
  const now = code()
  t.same(await tryOn(first, now), [true, false])
  t.same(await tryOn(first, now), [false, false])
  await first.database.destroy()
  const second = await start()
  t.teardown(() => second.database.destroy())
  t.same(await tryOn(second, now), [false, false], 'with nothing left in memory')
  t.same(await tryOn(second, code(-1)), [false, false], 'an older code than one that was used')
  t.same(await tryOn(second, code(1)), [true, false], 'a newer one')
})

t.test('of many connections with one code at the same moment exactly one gets in', async t => {
  const { enrol, begin } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
  const results = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const attempt = await begin('alice')
      await attempt.verify(key.proof, NEVER)
      return attempt.verify(byCode(code()), NEVER)
    }),
  )
  t.equal(results.filter(Boolean).length, 1)
})

t.test(
  'CVE-2023-43650: six digits cannot be tried out, not even side by side or with the password in hand',
  async t => {
    const { enrol, begin, clock } = await createIdentity(t)
    const key = newKey()
    const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
    let asked = 0
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const attempt = await begin('alice', `192.0.2.${asked++}`)
        await attempt.verify(key.proof, NEVER)
        await attempt.verify(byCode(otherCode(code)), NEVER)
      }),
    )
    const attempt = await begin('alice', '198.51.100.1')
    t.ok(await attempt.verify(key.proof, NEVER), 'a key is no guess, and works')
    t.equal(await attempt.verify(byCode(code()), NEVER), false, 'the right code, while locked')
    t.match(attempt.trail, ['totp: locked after too many failures'])
    clock.move(2000)
    t.equal(await attempt.verify(byCode(code()), NEVER), true, 'and after the wait, with the very same code')
  },
)

t.test('proving the password again and again does not buy new tries at the code', async t => {
  const { enrol, begin } = await createIdentity(t)
  const { code } = await enrol({ name: 'alice' })
  for (let i = 0; i < 6; i++) {
    const attempt = await begin('alice', `192.0.2.${i}`)
    t.equal(await attempt.verify(byPassword(PASSWORD), NEVER), true)
    t.equal(await attempt.verify(byCode(otherCode(code)), NEVER), false)
  }
  const attempt = await begin('alice', '198.51.100.1')
  t.equal(await attempt.verify(byPassword(PASSWORD), NEVER), true)
  t.equal(await attempt.verify(byCode(code()), NEVER), false)
  t.equal(await attempt.verify(byBoth(PASSWORD + code()), NEVER), false)
})

t.test(
  'a locked user is told nothing: the right password is refused like a wrong one, and its failures are forgotten once it is right',
  async t => {
    const { enrol, begin, tries, clock } = await createIdentity(t)
    await enrol({ name: 'alice' })
    for (let i = 0; i < 6; i++) t.equal(await tries('alice', byPassword('guess-guess'), `192.0.2.${i}`), false)
    const attempt = await begin('alice', '198.51.100.1')
    t.equal(await attempt.verify(byPassword(PASSWORD), NEVER), false)
    t.same(attempt.trail, ['password: locked after too many failures'])
    clock.move(2000)
    t.equal(await tries('alice', byPassword(PASSWORD)), true)
    for (let i = 0; i < 5; i++) t.equal(await tries('alice', byPassword('guess-guess'), `192.0.2.${i}`), false)
    t.equal(await tries('alice', byPassword(PASSWORD)), true, 'five tries are free again')
  },
)

t.test('CVE-2023-46123: only the address of the socket counts for the lockout, whatever else is said', async t => {
  const { enrol, tries, clock } = await createIdentity(t)
  await enrol({ name: 'alice' })
  // Names that look like addresses or headers are names; one source stays one source.
  for (let i = 0; i < 20; i++) await tries(`198.51.100.${i}`, byPassword('guess-guess'), '192.0.2.1')
  t.equal(await tries('alice', byPassword(PASSWORD), '192.0.2.1'), false)
  t.equal(await tries('alice', byPassword(PASSWORD), '::ffff:192.0.2.1'), false, 'the same address, mapped')
  t.equal(await tries('alice', byPassword(PASSWORD), '198.51.100.1'), true, 'another source')
  clock.move(2000)
  t.equal(await tries('alice', byPassword(PASSWORD), '192.0.2.1'), true)
})

t.test(
  'of connections inside of one login each is told its own mistakes, and what one proves counts for all',
  async t => {
    const { enrol, begin } = await createIdentity(t)
    const key = newKey()
    const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
    const around = await begin('alice')
    await around.verify(key.proof, NEVER)
    const [first, second] = [around.inside(), around.inside()] as Attempt[]
    t.equal(await first!.verify(byCode(otherCode(code)), NEVER), false)
    const good = code()
    t.equal(await second!.verify(byCode(good), NEVER), true)
    t.equal(await first!.verify(byCode(good), NEVER), false)
    t.same(
      [first!.trail, second!.trail, around.trail],
      [['totp: a wrong code', 'totp: the code was used before'], [], []],
    )
    t.same([first!.usedCode, second!.usedCode, around.usedCode], [true, false, false])
    for (const attempt of [first!, second!, around]) t.ok(await attempt.principal(KEY_THEN_CODE))
  },
)

t.test('without the other gateways nobody new gets in', async t => {
  const clock = standingClock()
  const local = createLocalCluster({ clock, gateway: 'gw_one' })
  const gone = () => Promise.reject(new GatewayError('CLUSTER_UNAVAILABLE', 'The cluster cannot be reached.'))
  let available = true
  const cluster = {
    ...local,
    counted: gone,
    count: gone,
    get available() {
      return available
    },
  }
  const { enrol, begin, authenticator } = await createIdentity(t, { cluster, clock })
  await enrol({ name: 'alice' })
  const attempt = await begin('alice')
  await t.rejects(attempt.verify(byPassword(PASSWORD), NEVER), { code: 'CLUSTER_UNAVAILABLE' })
  t.equal(await attempt.principal([['password']]), undefined)
  t.match(attempt.inside(), { trail: [] })
  available = false
  t.match(attempt.inside(), { refused: true, code: 'CLUSTER_UNAVAILABLE' }, 'nor does anything begin inside a login')
  t.match(await authenticator.begin('alice', { address: '192.0.2.1', port: 1 }), {
    refused: true,
    code: 'CLUSTER_UNAVAILABLE',
    message: /try again shortly/i,
  })
})

t.test(
  'a factor that someone put into the store by hand is refused like any other, with the reason on the trail',
  async t => {
    const { enrol, begin, database } = await createIdentity(t)
    const key = newKey()
    const alice = await enrol({ name: 'alice', publicKeys: [key.line] })
    const mallory = await enrol({ name: 'mallory' }, 'mallorys password')
    const rows = await database.selectFrom('factors').selectAll().where('user', '=', 'mallory').execute()
    for (const { kind, value } of rows) {
      await database
        .updateTable('factors')
        .set({ value })
        .where('user', '=', 'alice')
        .where('kind', '=', kind)
        .execute()
    }
    const attempt = await begin('alice')
    for (const password of [PASSWORD, 'mallorys password'])
      t.equal(await attempt.verify(byPassword(password), NEVER), false)
    await attempt.verify(key.proof, NEVER)
    for (const { code } of [alice, mallory]) t.equal(await attempt.verify(byCode(code()), NEVER), false)
    t.match(attempt.trail, [/password: .*damaged/, /password: .*damaged/, /totp: .*damaged/, /totp: .*damaged/])
  },
)

t.test('a secret handed to the authenticator is in no error and on no trail', async t => {
  const { enrol, begin } = await createIdentity(t)
  const { code } = await enrol({ name: 'alice' })
  const attempt = await begin('alice')
  const wrong = otherCode(code)
  await attempt.verify(byPassword('guess-guess'), NEVER)
  await attempt.verify({ kind: 'password-with-code', text: new Secret(`guess-guess${wrong}`) }, NEVER)
  t.notMatch(JSON.stringify(attempt), /guess-guess/)
  t.notOk(JSON.stringify(attempt).includes(wrong))
})

t.test('a key and a code do not wait behind guesses at the password', async t => {
  const { enrol, begin, tries } = await createIdentity(t)
  const key = newKey()
  const { code } = await enrol({ name: 'alice', publicKeys: [key.line] })
  let answered = 0
  const guesses = Array.from({ length: 30 }, async (_, index) => {
    await tries('alice', byPassword('guess-guess'), `198.51.100.${index}`)
    answered++
  })
  const attempt = await begin('alice')
  t.equal(await attempt.verify(key.proof, NEVER), true)
  t.equal(await attempt.verify(byCode(code()), NEVER), true)
  t.ok(answered < 15, `${answered} guesses were answered before`)
  await Promise.all(guesses)
})

t.test('a password does not wait behind guesses at it, where its user logged in lately', async t => {
  const { enrol, begin, tries } = await createIdentity(t)
  await enrol({ name: 'alice' })
  const earlier = await begin('alice')
  await earlier.verify(byPassword(PASSWORD), NEVER)
  t.ok(await earlier.principal([['password']]))
  let answered = 0
  const guesses = Array.from({ length: 30 }, async (_, index) => {
    await tries('alice', byPassword('guess-guess'), `198.51.100.${index}`)
    answered++
  })
  t.equal(await tries('alice', byPassword(PASSWORD)), true)
  t.ok(answered < 15, `${answered} guesses were answered before`)
  await Promise.all(guesses)
})
