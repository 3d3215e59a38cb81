import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { makePassword } from '../../../src/rotation/candidate.ts'
import { passwordRuleSchema } from '../../../src/rotation/policies/password-rule.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { WITHHELD, withoutSecrets } from '../../../src/shared/text/without-secrets.ts'
import { SPELLINGS } from '../../support/spellings.ts'

const of = (text: string | Buffer) => [new Secret(text)]
const secret = of('pä55"w\\ord $x?Q')

/** What is left of the secret in words that were `said FORM again`. */
function left(shown: string): string {
  return shown === WITHHELD ? '' : shown.replace(/\b(?:said|again)\b|[…;\s\d:,.-]/g, '')
}

t.test('words come as one bounded line that steers no terminal, the last of them first to be kept', async t => {
  t.equal(withoutSecrets('one\r\n\n \x1b[31mtwo\x07 three four\n', secret), 'one; … three four')
  const long = withoutSecrets(`${'some words '.repeat(100)}\nthe end`, secret, { most: 50 })
  t.equal(long.length, 50)
  t.match(long, /^….*words; the end$/)
})

t.test('what hosts and servers say stays as it is', async t => {
  for (const said of [
    'BAD PASSWORD: The password is shorter than 8 characters',
    'chpasswd: (user op) pam_chauthtok() failed, error:; chpasswd: (line 1, user op) password not changed',
    'passwd: Authentication token manipulation error',
    'no pg_hba.conf entry for host "10.1.2.3", user "app1", database "orders", no encryption',
    'password authentication failed for user "svc@corp"',
    'ConnectionRefusedError: [Errno 111] Connection refused',
    'cat: /home/fixed/.ssh/authorized_keys: Permission denied',
    "mktemp: failed to create file via template '/etc/orders/database.env': No space left on device",
    'sudo: a password is required',
    'it answered 422, as 12 characters are too few',
    'Das Kennwort ist zu kurz: mindestens 12 Zeichen',
    '密码太短',
  ])
    t.equal(withoutSecrets(said, [...secret, ...of(randomBytes(32)), ...of('password')]), said)
})

const rule = passwordRuleSchema.parse({})

/** Those of the texts that come through, written so. */
function leaks(write: (text: string) => string, texts: readonly string[], most = 4): string[] {
  return texts
    .map(text => ({ text, shown: withoutSecrets(`said ${write(text)} again`, of(text)) }))
    .filter(({ shown }) => left(shown).length > most)
    .map(({ text, shown }) => `${text} → ${shown}`)
}

t.test('a generated password does not come through, however it is written', async t => {
  const made = Array.from({ length: 40 }, () => makePassword(rule).reveal())
  for (const [name, write] of Object.entries(SPELLINGS)) t.same(leaks(write, made), [], name)
})

t.test('nor does one of small letters alone, or of words', async t => {
  const texts = ['correct horse battery staple', 'qkzjwhxvbnmtrdf', 'Summer-2026!', 'grosse & hohe', 'hunter22hunter']
  for (const [name, write] of Object.entries(SPELLINGS)) t.same(leaks(write, texts), [], name)
})

t.test('nor does anything else that could be a secret', async t => {
  const texts = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 }).filter(text => text.isWellFormed())
  for (const [name, write] of Object.entries(SPELLINGS)) {
    fc.assert(
      fc.property(texts, text => left(withoutSecrets(`said ${write(text)} again`, of(text))).length <= 8),
      { numRuns: 40 },
    )
    t.pass(name)
  }
})

t.test('nor does a part of one, whatever stands around it', async t => {
  const text = '0aB1cD2eF3gH4iJ5kL6mN7oP8qR9'
  for (let at = 0; at + 6 <= text.length; at++) {
    const shown = withoutSecrets(`it was ${text.slice(at, at + 6)}, they say`, of(text))
    t.notOk(shown.includes(text.slice(at, at + 3)), shown)
  }
  t.equal(withoutSecrets('first abcd\nthen some words\nlast mnop', of('abcdefghijklmnop')), WITHHELD, 'in two parts')
})

t.test('nor does a key, its passphrase, or a one-time code', async t => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  for (const key of [of(pem as string), of(der)]) {
    t.equal(withoutSecrets(`the file is ${pem}`, key), WITHHELD)
    t.equal(
      withoutSecrets(
        pem
          .toString()
          .split('\n')[7]!
          .match(/.{1,4}/g)!
          .join(' '),
        key,
      ),
      WITHHELD,
    )
    t.equal(withoutSecrets('the private key is not accepted', key), 'the private key is not accepted')
  }
  for (const code of ['123456', '123 456', '1 2 3 4 5 6', '12345678', '12-34-56', '123.456'])
    t.notMatch(withoutSecrets(`the code ${code} is wrong`, []), /\d/)
})

t.test('where it cannot be told, nothing is said; a short secret is looked for as a whole', async t => {
  const erased = of('T7#kQ!w9zLpX')
  erased[0]!.erase()
  t.equal(withoutSecrets('words', erased), WITHHELD)
  t.equal(withoutSecrets('it was abc', of('abc')), WITHHELD)
  t.equal(withoutSecrets('it was ab c', of('abc')), WITHHELD)
  t.equal(withoutSecrets('BAD PASSWORD: too short', [...secret, ...of(Buffer.alloc(0))]), 'BAD PASSWORD: too short')
})
