import fc from 'fast-check'
import t from 'tap'
import { holdsPartOfSecret, holdsSecret } from '../../../src/shared/holds-secret.ts'

const shellQuoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const escapedAll = (text: string) =>
  [...Array(text.length).keys()].map(at => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
const lines = (text: string) => text.replace(/.{7}/g, '$&\n')

/** Every way to write it that is in use. */
const WAYS: Record<string, (secret: string) => Buffer | string> = {
  plain: text => text,
  hex: text => Buffer.from(text).toString('hex'),
  'hex in capitals': text => Buffer.from(text).toString('hex').toUpperCase(),
  'hex in lines': text => lines(Buffer.from(text).toString('hex')),
  base64: text => Buffer.from(text).toString('base64'),
  base64url: text => Buffer.from(text).toString('base64url'),
  'base64 behind one byte': text => Buffer.from(`:${text}`).toString('base64'),
  'base64 behind two bytes': text => Buffer.from(`a:${text}`).toString('base64'),
  'base64 in lines': text => lines(Buffer.from(text).toString('base64')),
  URL: encodeURIComponent,
  form: text => new URLSearchParams({ x: text }).toString(),
  JSON: text => JSON.stringify(text),
  'JSON in ASCII': escapedAll,
  'a shell’s word': shellQuoted,
  SQL: text => `'${text.replaceAll("'", "''")}'`,
  HTML: text => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`),
  'UTF-16LE': text => Buffer.from(text, 'utf16le'),
  'UTF-16BE': text => Buffer.from(text, 'utf16le').swap16(),
}

t.test('a secret is found however it is written, wherever it begins', async t => {
  const secret = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 }).filter(text => text.isWellFormed())
  for (const [name, write] of Object.entries(WAYS)) {
    fc.assert(
      fc.property(secret, fc.string({ maxLength: 9, unit: fc.constantFrom(' ', '.', ':') }), (text, before) => {
        // A backslash or a quote in what is around it would be read with it.
        const words = Buffer.concat([Buffer.from(before), Buffer.from(write(text)), Buffer.from(' .')])
        return holdsSecret(words, Buffer.from(text))
      }),
      { numRuns: 60 },
    )
    t.pass(name)
  }
})

t.test('words without it are not taken for it', async t => {
  const secret = Buffer.from('T7#kQ!w9zLpX')
  for (const words of ['', 'password authentication failed', 'x'.repeat(5000), '%%%', '&#99999999;', '\\u12']) {
    t.notOk(holdsSecret(Buffer.from(words), secret))
    t.notOk(holdsPartOfSecret(Buffer.from(words), secret))
  }
  t.notOk(holdsSecret(Buffer.from('words'), Buffer.alloc(0)))
})

t.test('a part of a long one is found too', async t => {
  const secret = Buffer.from('0aB1cD2eF3gH4iJ5kL6mN7oP8qR9')
  for (let at = 0; at + 12 <= secret.length; at++) {
    const part = secret.subarray(at, at + 12)
    t.ok(holdsPartOfSecret(Buffer.from(`…${part}…`), secret))
    t.ok(holdsPartOfSecret(Buffer.from(part.toString('base64')), secret))
  }
  t.ok(holdsPartOfSecret(Buffer.from('it was abc'), Buffer.from('abc')), 'a short one as a whole')
})
