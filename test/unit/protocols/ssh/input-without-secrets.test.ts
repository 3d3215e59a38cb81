import fc from 'fast-check'
import t from 'tap'
import type { SecretInput } from '../../../../src/protocols/ssh/capture/commands/secret-input.ts'
import { InputWithoutSecrets, NOT_KEPT } from '../../../../src/protocols/ssh/capture/input-without-secrets.ts'

type Turn = ['types' | 'shows', string]

function kept(secret: SecretInput, turns: Turn[], size = Number.POSITIVE_INFINITY): string {
  const pieces: Buffer[] = []
  const input = new InputWithoutSecrets(secret, bytes => pieces.push(Buffer.from(bytes)))
  for (const [who, text] of turns) {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += size) {
      if (who === 'types') input.typed(bytes.subarray(at, at + size))
      else input.shown(bytes.subarray(at, at + size))
    }
  }
  input.end()
  return Buffer.concat(pieces).toString()
}

const MARK = NOT_KEPT.toString()

t.test('a first line that a program reads as a password is not kept, all behind it is', async t => {
  t.equal(kept('first-line', [['types', 'S3cr3t\nid\nls\n']]), `${MARK}id\nls\n`)
  t.equal(kept('first-line', [['types', 'S3cr3t']]), MARK)
  t.equal(kept('first-line', []), '')
})

t.test('a line that is too long for a password is kept', async t => {
  const long = `echo ${'x'.repeat(2000)}\n`
  t.equal(kept('first-line', [['types', `${long}id\n`]]), `${long}id\n`)
})

t.test('an answer to a prompt is not kept, in whatever language and colour', async t => {
  for (const prompt of [
    'Password: ',
    'Enter passphrase for key /x: ',
    '[sudo] Passwort für alice: ',
    '[sudo] Mot de passe de alice : ',
    'New password: ',
    'Verification code: ',
    'Пароль: ',
    '密码：',
    'パスワード: ',
    '\x1b[1mPassword:\x1b[0m ',
    '\x1b[1;32mPassword: \x1b[0m',
    'Password: \x1b[K',
    'Pass\x1b[31mword:\x07',
    `${'x'.repeat(200)}\nPassword:\x1b[0m`,
    '\u200ePassword:\u200f',
    'lecture\n[sudo via ansible, key=ab] password:',
  ]) {
    const turns: Turn[] = [
      ['types', 'first\n'],
      ['shows', prompt],
      ['types', 'S3cr3t\nlast\n'],
    ]
    t.equal(kept('none', turns), `first\n${MARK}last\n`, prompt)
  }
})

t.test('what is no prompt hides nothing', async t => {
  for (const shown of ['password changed\n', 'password: ok\n$ ', '$ ', 'tokens', '']) {
    t.equal(
      kept('none', [
        ['shows', shown],
        ['types', 'rm -rf /\n'],
      ]),
      'rm -rf /\n',
      shown,
    )
  }
})

t.test('a prompt hides one line', async t => {
  const turns: Turn[] = [
    ['shows', 'Password: '],
    ['types', 'a\n'],
    ['types', 'b\n'],
    ['shows', '\nPassword: '],
    ['types', 'c\nd\n'],
  ]
  t.equal(kept('none', turns), `${MARK}b\n${MARK}d\n`)
})

t.test('of input that is a secret as a whole nothing is kept', async t => {
  t.equal(
    kept('all', [
      ['types', 'root:S3cr3t\n'],
      ['types', 'www:0th3r\n'],
    ]),
    MARK,
  )
})

t.test('however it is cut, the same is kept', async t => {
  const script = fc
    .array(fc.stringMatching(/^[a-z ]{0,30}$/), { maxLength: 6 })
    .map(lines => lines.map(line => `${line}\n`).join(''))
  const secret = fc.constantFrom<SecretInput>('first-line', 'none', 'all')
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(secret, script, script, fc.integer({ min: 1, max: 20 }), (secret, before, after, size) => {
        const turns: Turn[] = [
          ['types', before],
          ['shows', 'done\nPassword: '],
          ['types', after],
        ]
        return kept(secret, turns, size) === kept(secret, turns)
      }),
    ),
  )
})
