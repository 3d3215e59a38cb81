import fc from 'fast-check'
import t from 'tap'
import { hideTokens, isPersonalTokenText, newPersonalTokenText } from '../../../src/identity/token-text.ts'

t.test('a token is recognised by its prefix and checksum, and one that was mistyped is none', async t => {
  const made = new Set(Array.from({ length: 200 }, newPersonalTokenText))
  t.equal(made.size, 200)
  for (const text of made) {
    t.match(text, /^sallyport_pat_[0-9A-Za-z]{49}$/)
    t.ok(isPersonalTokenText(text))
  }
  const [text = ''] = made
  fc.assert(
    fc.property(
      fc.constantFrom(...made),
      fc.nat(62),
      fc.constantFrom(...'0123456789ABCXYZabcxyz_-. '),
      (token, at, other) => {
        const changed = token.slice(0, at) + other + token.slice(at + 1)
        return changed === token || !isPersonalTokenText(changed)
      },
    ),
  )
  for (const other of [
    '',
    text.slice(0, -1),
    `${text}0`,
    ` ${text}`,
    `${text}\n`,
    text.toUpperCase(),
    `sp_${'A'.repeat(43)}`,
  ])
    t.notOk(isPersonalTokenText(other))
})

t.test('what is written to a log has no token, whole or cut', async t => {
  const text = newPersonalTokenText()
  for (const token of [text, text.slice(0, 40), `sp_${'A'.repeat(43)}`]) {
    const shown = hideTokens(`tokens revoke "${token}" x`)
    t.match(shown, /^tokens revoke "(sp_|sallyport_pat_)\[hidden\]" x$/)
  }
  t.equal(hideTokens('explain root@sp_1'), 'explain root@sp_1')
})
