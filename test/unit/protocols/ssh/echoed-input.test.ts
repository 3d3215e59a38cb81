import t from 'tap'
import { EchoedInput, NOT_ECHOED } from '../../../../src/protocols/ssh/capture/echoed-input.ts'

function typing() {
  const kept: string[] = []
  const input = new EchoedInput(bytes => kept.push(bytes.toString('utf8')))
  return {
    type: (text: string) => input.typed(Buffer.from(text)),
    show: (text: string) => input.shown(Buffer.from(text)),
    end: () => input.end(),
    kept: () => kept.join(''),
  }
}
const MARK = NOT_ECHOED.toString()

t.test('keystrokes that the terminal shows are kept', async t => {
  const { type, show, kept } = typing()
  for (const key of 'ls -l') {
    type(key)
    show(key)
  }
  type('\r')
  show('\r\n\x1b[?2004l\rtotal 0\r\n')
  t.equal(kept(), 'ls -l\r')
})

t.test('lines of a program that types line feeds are kept as well', async t => {
  const { type, show, kept } = typing()
  type('pwd\n')
  show('pwd\r\n/root\r\n')
  type('id\n')
  show('$ id\r\n')
  type('su\n')
  show('su\r\nPassword: ')
  type('sesame\n')
  show('\r\n# ')
  t.equal(kept(), `pwd\n${MARK}su\n${MARK}`)
})

t.test('a password at a prompt that shows nothing is not kept, not even its length', async t => {
  const { type, show, kept } = typing()
  show('Password: ')
  for (const key of 'sesame') type(key)
  type('\r')
  show('\r\nWelcome, sesame is not your name\r\n')
  t.equal(kept(), MARK)
})

t.test('a password at a prompt that shows stars is not kept', async t => {
  const { type, show, kept } = typing()
  for (const key of 'sesame') {
    type(key)
    show('*')
  }
  t.notMatch(kept(), /[same]{2}(?!.*not echoed)/)
  t.equal(kept().replaceAll(MARK, ''), '')
})

t.test('what is typed ahead is kept when its echo comes, over any cut of the output', async t => {
  const { type, show, kept } = typing()
  type('pwd\rid\r')
  for (const byte of '\x1b]0;title\x07pwd\r\nid\r\n') show(byte)
  t.equal(kept(), 'pwd\rid\r')
})

t.test('a paste into a prompt without echo that ends with the session is not kept', async t => {
  const { type, end, kept } = typing()
  type('sesame')
  end()
  t.equal(kept(), MARK)
})

t.test('a paste without bound is not kept in memory', async t => {
  const { type, show, kept } = typing()
  type('x'.repeat(60_000))
  type('x'.repeat(60_000))
  show('x')
  t.equal(kept(), MARK)
})
