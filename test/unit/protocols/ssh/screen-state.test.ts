/** What is known of a terminal's screen does not hang on how the output was cut, and a notice never goes into the midst of anything. */

import fc from 'fast-check'
import t from 'tap'
import { ScreenState } from '../../../../src/protocols/ssh/relay/screen-state.ts'
import { noticeOf, TerminalNotices } from '../../../../src/protocols/ssh/relay/terminal-notices.ts'

const stateAfter = (...chunks: (string | Uint8Array)[]) => {
  const state = new ScreenState()
  for (const chunk of chunks) state.see(Buffer.from(chunk))
  const { fullScreen, alternate, atBoundary } = state
  return { fullScreen, alternate, atBoundary }
}

const PIECES = [
  ...[
    'text',
    'ä',
    '€',
    '😀',
    '\r\n',
    '\x1b',
    '\x1b[',
    '?',
    '1049',
    '47',
    '1047',
    ';',
    'h',
    'l',
    '\x1b[?1049h',
    '\x1b[?1049l',
  ],
  ...[
    '\x1b[?1h',
    '\x1b[?1l',
    '\x1b[?2004h',
    '\x1b[?2004l',
    '\x1bc',
    '\x1b(B',
    '\x1b[!p',
    '\x1b]0;title\x07',
    '\x1b]2;',
    '\x1b\\',
    '\x1bP',
    '\x07',
    '\x18',
  ],
  ...['\x1b[38;5;1m', '\x1b[?25;1049h', '\x1b[?1047;1h', '\x1b[0'],
].map(piece => Buffer.from(piece))

t.test('any cut of the output gives the same state', async () => {
  const piece = fc.oneof(
    fc.constantFrom(...PIECES),
    fc.uint8Array({ maxLength: 6 }).map(bytes => Buffer.from(bytes)),
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
      (pieces, sizes) => {
        const all = Buffer.concat(pieces)
        const chunks: Buffer[] = []
        for (let at = 0; at < all.length; ) {
          const size = sizes.next().value
          chunks.push(all.subarray(at, at + size))
          at += size
        }
        t.strictSame(stateAfter(...chunks), stateAfter(all), all.toString('hex'))
      },
    ),
    { numRuns: 2000 },
  )
})

t.test('a program that has the screen is known by its modes', async t => {
  for (const mode of ['47', '1047', '1049', '25;1049']) {
    t.ok(stateAfter(`\x1b[?${mode}h`).fullScreen, mode)
    t.notOk(stateAfter(`\x1b[?${mode}h`, `picture\x1b[?${mode}l`).fullScreen, mode)
  }
  t.notOk(stateAfter('\x1b[?1049h\x1b[?1h', '\x1bc').fullScreen, 'a reset ends all')
  t.ok(stateAfter('\x1b[?1h\x1b=').fullScreen, 'less -X, and vi where the terminal has no other screen')
  t.notOk(stateAfter('\x1b[?1h\x1b=\x1b[?2004h').fullScreen, 'the prompt of a zsh is none')
  t.notOk(stateAfter('[?1049h', '\x1b]2;\x18?1049h', '\x1b[1049h').fullScreen, 'texts and other sequences are none')
  t.ok(stateAfter('\x1b]2;never ended', '\x1b[?1049h').fullScreen, 'in the midst of a title')
})

t.test('between sequences and characters only', async t => {
  for (const text of [
    '',
    'text',
    'ä',
    '😀',
    '\x1b[1m',
    '\x1b]2;x\x07',
    '\x1b]2;x\x1b\\',
    '\x1bPq\x07\x1b\\',
    '\x1b(B',
    '\xff',
  ])
    t.ok(stateAfter(text).atBoundary, JSON.stringify(text))
  for (const text of ['\x1b', '\x1b[', '\x1b[3', '\x1b]2;x', '\x1bPq\x07', '\x1b(', 'x\x1b]0;ä'])
    t.notOk(stateAfter(text).atBoundary, JSON.stringify(text))
  for (const cut of [1, 2, 3]) t.notOk(stateAfter(Buffer.from('😀').subarray(0, cut)).atBoundary)
})

t.test('a sequence that a target never ends keeps no warning back for good', async t => {
  for (const unended of ['\x1bX and then text', '\x1b]0;a title', '\x1b[', 'caf\xe9']) {
    const terminal = new TerminalNotices()
    let written = ''
    const write = (text: string) => {
      written += text
      return true
    }
    terminal.screen.see(Buffer.from(unended, 'latin1'))
    terminal.add(noticeOf('ends in 1 minute', 'in 1'))
    terminal.say(write)
    t.equal(written, '')
    terminal.say(write, true)
    t.equal(written, '\x18\r\nends in 1 minute\r\n')
    t.ok(terminal.screen.atBoundary)
  }
})

t.test('that the session is paused stands in the title too, beside a warning that is not lost', async t => {
  const terminal = new TerminalNotices()
  const said = (full: '' | '\x1b[?1049h' | '\x1b[?1049l') => {
    let written = ''
    terminal.screen.see(Buffer.from(full))
    terminal.say(text => {
      written += text
      return true
    })
    return written
  }
  terminal.add(noticeOf('ends in 5 minutes', 'in 5'))
  terminal.add(noticeOf('is paused', 'paused', 'pause'))
  t.equal(said('\x1b[?1049h'), '\x1b[22;2t\x1b]2;paused\x1b\\\x07')
  terminal.add(noticeOf('goes on', 'on', 'pause'))
  t.equal(said(''), '\x1b]2;on\x1b\\\x07')
  t.equal(said('\x1b[?1049l'), '\x1b[23;2t\r\nends in 5 minutes\r\n\r\ngoes on\r\n')
})

t.test('a text waits while a program has the screen, a warning stands in the title, and the latest counts', async t => {
  const terminal = new TerminalNotices()
  let written = ''
  let room = true
  const say = () => {
    terminal.say(text => {
      if (room) written += text
      return room
    })
    return written
  }
  terminal.screen.see(Buffer.from('\x1b[?1049h\x1b[3'))
  terminal.add(noticeOf('somebody rotated it'))
  terminal.add(noticeOf('ends in 5 minutes', 'in 5'))
  t.equal(say(), '', 'in the midst of a sequence')
  terminal.screen.see(Buffer.from('1m'))
  t.equal(say(), '\x1b[22;2t\x1b]2;in 5\x1b\\\x07')
  t.equal(say(), '\x1b[22;2t\x1b]2;in 5\x1b\\\x07', 'once')
  written = ''
  terminal.add(noticeOf('ends in 1 minute', 'in\u001b]1'))
  t.equal(say(), '\x1b]2;in?]1\x1b\\\x07', 'nothing in a title is a sequence')
  written = ''
  terminal.screen.see(Buffer.from('\x1b[?1049l'))
  room = false
  say()
  t.ok(terminal.waits, 'no room: it waits')
  room = true
  t.equal(say(), '\x1b[23;2t\r\nsomebody rotated it\r\n\r\nends in 1 minute\r\n')
  t.notOk(terminal.waits)
  t.equal(terminal.restored(), '')
})
