import fc from 'fast-check'
import t from 'tap'
import { createPasswords, normalise } from '../../../../src/identity/factors/password.ts'
import { Secret } from '../../../../src/shared/secret.ts'

const passwords = createPasswords()
const secret = (text: string) => new Secret(text)

t.test('a password fits the hash that was made from it, and no other', async t => {
  const stored = await passwords.hash(secret('open sesame'))
  t.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.notMatch(stored, /sesame/)
  t.equal(await passwords.verify(stored, secret('open sesame')), true)
  for (const wrong of ['open sesam', 'open sesame ', 'Open sesame', '', 'x'.repeat(5000), 'open\0sesame']) {
    t.equal(await passwords.verify(stored, secret(wrong)), false, JSON.stringify(wrong.slice(0, 20)))
  }
})

t.test('a stored value that is no hash of ours fits nothing', async t => {
  const good = await passwords.hash(secret('open sesame'))
  for (const stored of ['', 'open sesame', good.replace('argon2id', 'argon2i'), good.slice(0, -1), `${good}$`]) {
    t.equal(await passwords.verify(stored, secret('open sesame')), false, stored)
  }
})

t.test('the same password is stored differently each time', async t => {
  const [one, two] = await Promise.all([1, 2].map(() => passwords.hash(secret('open sesame'))))
  t.not(one, two)
})

t.test('no password at all fits nothing, and takes the same work', async t => {
  const stored = await passwords.hash(secret('open sesame'))
  const cpu = async (hash: string | undefined) => {
    const from = process.cpuUsage()
    for (let i = 0; i < 3; i++) t.equal(await passwords.verify(hash, secret('wrong one')), false)
    const { user, system } = process.cpuUsage(from)
    return user + system
  }
  const [known, unknown] = [await cpu(stored), await cpu(undefined)]
  t.ok(unknown > known / 2 && unknown < known * 2, `known ${known} µs, unknown ${unknown} µs of CPU`)
})

t.test('a password fits however the keyboard composes its letters and spaces', async t => {
  const stored = await passwords.hash(secret('Zürich\u00a0Bürkli'))
  t.ok(await passwords.verify(stored, secret('Zu\u0308rich Bu\u0308rkli')))
  t.equal(normalise(new Secret(Buffer.from([0xff, 0xfe, 0x41]))), undefined, 'what is not UTF-8 is no password')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      const once = normalise(secret(text))
      t.equal(once === undefined ? undefined : normalise(secret(once)), once)
    }),
  )
})

t.test('what may not be a password is refused when it is set, with the reason', async t => {
  const cases: [string, RegExp][] = [
    ['', /1 to 1024 bytes/],
    ['short', /at least 8/],
    ['line\nbreak here', /control characters/],
    ['x'.repeat(1025), /1 to 1024 bytes/],
    ['my cat 123456', /six digits/],
  ]
  for (const [text, message] of cases) await t.rejects(passwords.hash(secret(text)), { code: 'BAD_REQUEST', message })
  await t.resolves(passwords.hash(secret('my cat 12345')))
})

t.test('a flood of logins waits in a bounded line, and the rest is turned away', async t => {
  const small = createPasswords({ atOnce: 1, waiting: 2 })
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => small.verify(undefined, secret('guess'))))
  t.same(
    results.map(result => result.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  )
  t.match(results[3], { reason: { code: 'TOO_MANY_CONNECTIONS' } })
  t.equal(await small.verify(undefined, secret('later')), false, 'and later ones get their turn')
})
