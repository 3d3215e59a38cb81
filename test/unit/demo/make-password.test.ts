import t from 'tap'
import { makePassword } from '../../../src/demo/make-password.ts'

t.test('a password never ends in digits, which would be taken for a code', async t => {
  const passwords = Array.from({ length: 1000 }, () => makePassword(12))
  t.ok(passwords.every(password => /^[a-z2-9]{11}[a-z]$/.test(password)))
  t.equal(new Set(passwords).size, 1000)
})
