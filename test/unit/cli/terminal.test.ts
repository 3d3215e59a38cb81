import { EventEmitter } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import { createTerminal } from '../../../src/cli/terminal/terminal.ts'
import { cli } from '../../support/run-cli.ts'

/** A terminal with somebody at it: `raw` tells the modes it was put in, `shown` what is on it. */
function someone({ tty = true, env = {} as NodeJS.ProcessEnv } = {}) {
  const raw: boolean[] = []
  let shown = ''
  const screen = () =>
    Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          shown += chunk
          done()
        },
      }),
      tty ? { isTTY: true, columns: 80 } : {},
    )
  const stdin = Object.assign(
    new PassThrough(),
    tty ? { isTTY: true, setRawMode: (mode: boolean) => void raw.push(mode) } : {},
  )
  const terminal = createTerminal({ stdin, stdout: screen(), stderr: screen(), env, signals: new EventEmitter() })
  return { terminal, stdin, raw, shown: () => shown }
}

t.test('a secret is asked for without echo, and the terminal is put back', async t => {
  const { terminal, stdin, raw, shown } = someone()
  const asked = terminal.askSecret('Password: ')
  stdin.write('hunter2\r')
  t.equal((await asked).reveal(), 'hunter2')
  t.equal(shown(), 'Password: \n')
  t.same(raw, [true, false])
})

t.test('what was mistyped can be taken back, and characters may come in pieces', async t => {
  const { terminal, stdin } = someone()
  const asked = terminal.askSecret('? ')
  const bytes = Buffer.from('wrong\u0015pä\u007f\u007f\u007f\u007fpässx\u007f\r')
  for (const byte of bytes) stdin.write(Buffer.of(byte))
  t.equal((await asked).reveal(), 'päss')
})

t.test('Ctrl-C gives up, changes nothing, and puts the terminal back', async t => {
  const { terminal, stdin, raw } = someone()
  const asked = terminal.askNewSecret('New password')
  stdin.write('abc\u0003')
  await t.rejects(asked, { exit: 1, message: /nothing was changed/ })
  t.same(raw, [true, false])
})

t.test('a new secret is asked for until it is the same twice', async t => {
  const { terminal, stdin, shown } = someone()
  const asked = terminal.askNewSecret('New password')
  const lines = ['first', 'other', 'third', 'third']
  for (const [index, line] of lines.entries()) {
    while (shown().split('New password').length - 1 <= index) await new Promise(resolve => setImmediate(resolve))
    stdin.write(`${line}\r`)
  }
  t.equal((await asked).reveal(), 'third')
  t.match(shown(), /These two differ/)
  t.notMatch(shown(), /first|other|third/)
})

t.test('without a terminal nothing is asked', async t => {
  const { terminal } = someone({ tty: false })
  await t.rejects(terminal.askSecret('Password: '), { exit: 2, message: /--stdin/ })
  await t.rejects(terminal.confirm('Sure?'), { exit: 2, message: /--yes/ })
  t.equal(terminal.width, undefined)
  t.equal(terminal.keys(), undefined)
})

t.test('a secret on stdin keeps everything but the last line end', async t => {
  for (const [given, kept] of [
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['two\nlines\n\n', 'two\nlines\n'],
    [' spaces ', ' spaces '],
  ] as const) {
    const { terminal, stdin } = someone({ tty: false })
    stdin.end(given)
    t.equal((await terminal.secretFromStdin()).reveal(), kept)
  }
  const { terminal, stdin } = someone({ tty: false })
  stdin.end('\n')
  await t.rejects(terminal.secretFromStdin(), { exit: 2, message: /Nothing came/ })
})

t.test('colours only where somebody wants them', async t => {
  t.equal(someone().terminal.style('red', 'x'), '\x1b[31mx\x1b[39m')
  t.equal(someone({ tty: false }).terminal.style('red', 'x'), 'x')
  t.equal(someone({ env: { NO_COLOR: '1' } }).terminal.style('red', 'x'), 'x')
  t.equal(someone({ env: { TERM: 'dumb' } }).terminal.style('red', 'x'), 'x')
  const { terminal } = someone()
  terminal.withoutColours()
  t.equal(terminal.style('red', 'x'), 'x')
})

t.test('a complaint shows what could act on the terminal, and does not do it', async t => {
  const { terminal, shown } = someone({ env: { NO_COLOR: '1' } })
  terminal.complain('There is no user \x1b[2Jx.', 'Try\u202e again.')
  t.equal(shown(), 'sallyport: There is no user \\e[2Jx.\nTry\\u{202e} again.\n')
})

t.test('JSON holds nothing that a terminal acts on', async t => {
  const { terminal, shown } = someone()
  terminal.json({ login: 'eve\u009b2J\x7f\u202e' })
  t.match(shown(), 'eve\\u009b2J\\u007f\\u202e')
})

t.test('what was typed wrong is repeated so that it can be read', async t => {
  for (const argv of [['a\u202eb\x1b[2J'], ['session', 'list', '--a\u202eb\x1b[2J']]) {
    const { exit, stderr } = await cli(argv)
    t.equal(exit, 2)
    t.match(stderr, 'a\\u{202e}b\\e[2J')
    t.notMatch(stderr, /[\u202e\x1b]/)
  }
})
