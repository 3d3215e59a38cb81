import fc from 'fast-check'
import t from 'tap'
import type { SecretInput } from '../../../../src/protocols/ssh/capture/commands/secret-input.ts'
import { SplitInput } from '../../../../src/protocols/ssh/capture/split-input.ts'

type Turn = ['types' | 'shows', string]

/** What is shown, and what is hidden in brackets. */
function split(secret: SecretInput, turns: Turn[], size = Number.POSITIVE_INFINITY): string {
  let all = ''
  const input = new SplitInput(secret, {
    show: bytes => (all += bytes),
    hide: bytes => (all += `[${bytes}]`),
  })
  for (const [who, text] of turns) {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += size) {
      if (who === 'types') input.typed(bytes.subarray(at, at + size))
      else input.shown(bytes.subarray(at, at + size))
    }
  }
  return all.replaceAll('][', '')
}

t.test('a first line that a program reads as a password is hidden, all behind it is shown', async t => {
  t.equal(split('first-line', [['types', 'S3cr3t\nid\nls\n']]), '[S3cr3t\n]id\nls\n')
  t.equal(split('first-line', [['types', 'S3cr3t']]), '[S3cr3t]')
  t.equal(split('first-line', []), '')
  const long = `echo ${'x'.repeat(2000)}\n`
  t.equal(split('first-line', [['types', `${long}id\n`]]), `[${long}]id\n`)
})

t.test('an answer to a prompt is hidden, in whatever language and colour', async t => {
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
    // Behind a bulk of other output.
    ...['\u200f', '\u00a0', '\ufeff', '\x1b[J', '\x1b[1;1H', '\x1b[?25h\x1b[2q', '\x0b'].map(
      end => `${'x'.repeat(200)}\nPassword:${end}`,
    ),
    'lecture\n[sudo via ansible, key=ab] password:',
  ]) {
    const turns: Turn[] = [
      ['types', 'first\n'],
      ['shows', prompt],
      ['types', 'S3cr3t\nlast\n'],
    ]
    t.equal(split('none', turns), 'first\n[S3cr3t\n]last\n', prompt)
  }
})

t.test('what is no prompt hides nothing', async t => {
  for (const shown of ['password changed\n', 'password: ok\n$ ', '$ ', 'tokens', '']) {
    t.equal(
      split('none', [
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
  t.equal(split('none', turns), '[a\n]b\n[c\n]d\n')
})

t.test('input that may be a secret as a whole is hidden wholly', async t => {
  const turns: Turn[] = [
    ['types', 'root:S3cr3t\n'],
    ['types', 'www:0th3r\n'],
  ]
  t.equal(split('all', turns), '[root:S3cr3t\nwww:0th3r\n]')
})

t.test('nothing is lost, whatever is guessed', async t => {
  const turn = fc.tuple(fc.constantFrom('types', 'shows'), fc.constantFrom('a', '\n', 'Password: ', 'b\nc', '\0'))
  const secret = fc.constantFrom<SecretInput>('first-line', 'none', 'all')
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(secret, fc.array(turn as fc.Arbitrary<Turn>), (secret, turns) => {
        const typed = turns.flatMap(([who, text]) => (who === 'types' ? [text] : [])).join('')
        return split(secret, turns).replace(/[[\]]/g, '') === typed
      }),
    ),
  )
})

t.test('however it is cut, the same is hidden', async t => {
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
        return split(secret, turns, size) === split(secret, turns)
      }),
    ),
  )
})
