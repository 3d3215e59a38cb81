import t from 'tap'
import { withoutSecrets } from '../../../src/shared/text/without-secrets.ts'

const secret = 'pä55"w\\ord $x?Q'
const bytes = Buffer.from(secret)

t.test('words come as one bounded line that steers no terminal, the last of them first to be kept', async t => {
  t.equal(withoutSecrets('one\r\n\n \x1b[31mtwo\x07\n', [bytes]), 'one; \\e[31mtwo\\x07')
  const long = withoutSecrets(`${'x'.repeat(1000)}\nthe end`, [bytes], 50)
  t.equal(long.length, 50)
  t.match(long, /^…x+; the end$/)
})

t.test('a line that holds the secret in any usual form, or enough of it, is left out', async t => {
  const base64 = [0, 1, 2].map(offset =>
    Buffer.concat([Buffer.alloc(offset, 'a'), bytes, Buffer.from('zz')]).toString('base64'),
  )
  for (const form of [
    secret,
    secret.slice(0, 11),
    secret.slice(5),
    JSON.stringify(secret),
    `'${secret.replaceAll('"', "'\"'")}'`,
    ...base64,
    bytes.toString('base64url'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('hex').replace(/..(?=.)/g, '$&:'),
    [...secret].reverse().join(''),
    secret.replace(/./g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    encodeURIComponent(secret),
    Buffer.from(secret, 'utf16le').toString('latin1').replace('\xe4\0', 'ä\0'),
    [...secret].join('\x1b[0m'.slice(0, 1)),
  ])
    t.equal(withoutSecrets(`before\nsaid <${form}>!\nbehind`, [bytes]), 'before; [a line with a secret]; behind', form)
  t.equal(withoutSecrets(`cut ${secret.slice(0, 7)}\n${secret.slice(7)}`, [bytes]), '[a line with a secret]')
})

t.test('what only looks alike stays', async t => {
  t.equal(withoutSecrets('BAD PASSWORD: too short', [bytes, Buffer.alloc(0)]), 'BAD PASSWORD: too short')
})
