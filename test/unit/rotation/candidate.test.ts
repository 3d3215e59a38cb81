/** A candidate fits its policy's rule, is drawn without bias, and is a key of the kind that it replaces. */

import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { makeCandidate, makePassword } from '../../../src/rotation/candidate.ts'
import { CHARACTER_CLASSES, type PasswordRule, whyNoPassword } from '../../../src/rotation/policies/password-rule.ts'
import { publicBlob } from '../../../src/shared/private-key/key-parts.ts'
import { readPrivateKey } from '../../../src/shared/private-key/read-private-key.ts'
import { Secret } from '../../../src/shared/secret.ts'

const PATTERNS = { lower: /[a-z]/, upper: /[A-Z]/, digit: /\d/, symbol: /[^A-Za-z0-9]/ } as const

const rules = fc.record({
  length: fc.integer({ min: 16, max: 128 }),
  classes: fc.uniqueArray(fc.constantFrom(...CHARACTER_CLASSES), { minLength: 1 }),
  forbidden: fc.string({ maxLength: 40, unit: 'grapheme-ascii' }),
})

t.test(
  'a password has its length, a character of each class, and none that is forbidden or outside of the classes',
  async () => {
    fc.assert(
      fc.property(rules, (rule: PasswordRule) => {
        fc.pre(whyNoPassword(rule) === undefined)
        const password = makePassword(rule).reveal()
        if (password.length !== rule.length) return false
        for (const name of CHARACTER_CLASSES)
          if (PATTERNS[name].test(password) !== rule.classes.includes(name)) return false
        return ![...rule.forbidden].some(character => password.includes(character))
      }),
    )
  },
)

t.test('a rule that nothing fits is said, and nothing is made', async t => {
  const rule: PasswordRule = { length: 16, classes: ['lower', 'digit'], forbidden: '0123456789' }
  t.match(whyNoPassword(rule), /class digit, and forbids them all/)
  t.throws(() => makePassword(rule), { code: 'BAD_REQUEST' })
  t.match(whyNoPassword({ ...rule, classes: ['digit'], forbidden: '012345678' }), /can be guessed/)
})

t.test('each place of a password holds each character as often', async t => {
  const rule: PasswordRule = { length: 20, classes: ['lower', 'digit'], forbidden: 'klmnopqrstuvwxyz' }
  const draws = 20_000
  const counts = Array.from({ length: rule.length }, () => new Map<string, number>())
  for (let draw = 0; draw < draws; draw++) {
    for (const [place, character] of [...makePassword(rule).reveal()].entries())
      counts[place]!.set(character, (counts[place]!.get(character) ?? 0) + 1)
  }
  // Ten letters and ten digits: a thousand of each; seven standard deviations are 216.
  for (const place of counts) {
    t.equal(place.size, 20)
    for (const count of place.values()) t.ok(Math.abs(count - draws / 20) < 220, `${count} of ${draws / 20}`)
  }
})

t.test('a key is made of the kind that it replaces', async t => {
  const made = [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ]
  const rule: PasswordRule = { length: 32, classes: ['lower'], forbidden: '' }
  for (const { privateKey } of made) {
    const publicKey = publicBlob(privateKey)
    const current = { kind: 'private-key', privateKey: new Secret('what is in force'), publicKey } as const
    const candidate = await makeCandidate(current, rule)
    if (candidate.kind !== 'private-key') throw new Error('not a key')
    t.equal(candidate.publicKey, undefined)
    const key = await readPrivateKey(candidate.privateKey.revealBytes(), undefined)
    t.equal(key.asymmetricKeyType, privateKey.asymmetricKeyType)
    t.same(key.asymmetricKeyDetails?.namedCurve, privateKey.asymmetricKeyDetails?.namedCurve)
    t.notSame(publicBlob(key), publicKey)
  }
})
