import fc from 'fast-check'
import t from 'tap'
import { createNeutraliser } from '../../../src/recording/rendering/neutralise.ts'
import { printable } from '../../../src/shared/text/printable.ts'

function neutralise(...chunks: (string | Buffer)[]): string {
  const neutraliser = createNeutraliser()
  return chunks.map(chunk => neutraliser.push(Buffer.from(chunk))).join('') + neutraliser.end()
}

t.test('the picture stays: text, colours, cursor, erasing, scrolling, alternate screen, line drawing', async t => {
  const kept = [
    'héllo wörld €𝄞\r\n\ttab\b\b',
    '\x1b[1;38;5;208mbold\x1b[0m\x1b[38:2::1:2:3m',
    '\x1b[H\x1b[2J\x1b[10;20H\x1b[3A\x1b[K\x1b[?2J\x1b[5X\x1b[2@\x1b[1P\x1b[2L\x1b[2M\x1b[3S\x1b[3T\x1b[5b',
    '\x1b[1;24r\x1bM\x1bD\x1bE\x1b7\x1b8\x1b[s\x1b[u',
    '\x1b[?1049h\x1b[?25l\x1b[?7h\x1b[4h\x1b[?1049l',
    '\x1b(0lqqk\x1b(B\x0e\x0f\x1b#8',
  ]
  for (const text of kept) t.equal(neutralise(text), text)
})

t.test('what acts on the terminal of the viewer is dropped', async t => {
  const hostile: Record<string, string> = {
    title: '\x1b]0;evil\x07',
    'title, other end': '\x1b]2;evil\x1b\\',
    clipboard: '\x1b]52;c;ZXZpbA==\x07',
    hyperlink: '\x1b]8;;http://evil.example\x1b\\',
    'device control string': '\x1bP$qm\x1b\\',
    sixel: '\x1bPq#0;2;0;0;0~~\x1b\\',
    'application command': '\x1b_Gf=100;AAAA\x1b\\',
    'privacy message': '\x1b^evil\x1b\\',
    'start of string': '\x1bXevil\x1b\\',
    'device attributes': '\x1b[c\x1b[>c\x1b[=c\x1b[0c\x1bZ',
    'status report': '\x1b[5n\x1b[6n\x1b[?6n',
    'mode report': '\x1b[?1$p',
    'window report': '\x1b[21t\x1b[8;50;100t\x1b[3;0;0t',
    'media copy': '\x1b[5i\x1b[?5i\x1b[4i',
    mouse: '\x1b[?1000h\x1b[?1002;1006h\x1b[?9h\x1b[1;1;1;1;1T',
    paste: '\x1b[?2004h',
    focus: '\x1b[?1004h',
    'cursor keys': '\x1b[?1h\x1b=\x1b>',
    'keyboard protocols': '\x1b[>4;2m\x1b[>1u\x1b[=5u\x1b[?u\x1b[<u',
    'keyboard lock': '\x1b[2h\x1b[12h\x1b[20h',
    'window width': '\x1b[?3h',
    'synchronized output': '\x1b[?2026h',
    '8-bit controls': '\x1b G\x1b%@',
    'answerback, bell, flow control, null, delete': '\x05\x07\x11\x13\x00\x7f',
    'C1 as UTF-8': '\u009b\u009d\u0090',
    'rectangles, checksums': "\x1b[1;1;1;1;1;1*y\x1b['z",
    'a sequence without end': `\x1b[${'1;'.repeat(500)}m`,
  }
  for (const [what, bytes] of Object.entries(hostile)) {
    t.equal(neutralise('a', bytes, 'b'), 'ab', what)
  }
  t.equal(neutralise(Buffer.from([0x61, 0x9b, 0x35, 0x6e])), 'a\ufffd5n', 'a raw 8-bit CSI is not UTF-8')
})

t.test('of several modes only the harmless ones are kept', async t => {
  t.equal(neutralise('\x1b[?1049;1000;25;2004h'), '\x1b[?1049;25h')
})

t.test('repeating a character cannot hang the viewer', async t => {
  t.equal(neutralise('x\x1b[2147483647b'), 'x\x1b[9999b')
})

t.test('a string without end does not hide the rest of the session', async t => {
  t.match(neutralise(`\x1b]0;${'x'.repeat(10_000)}rm -rf /`), /rm -rf \/$/)
})

t.test('a new escape ends an unfinished sequence, as in a terminal', async t => {
  t.equal(neutralise('\x1b[12\x1b[31mred'), '\x1b[31mred')
  t.equal(neutralise('\x1b]0;title\x1b[31mred'), '\x1b[31mred')
})

t.test('afterwards the terminal is brought back from what was let through', async t => {
  const neutraliser = createNeutraliser()
  neutraliser.push(Buffer.from('\x1b[?1049h\x1b[?25l\x1b[2;10r\x1b[31m'))
  const restored = neutraliser.restore()
  for (const part of ['\x1b[?1049l', '\x1b[?25h', '\x1b[r', '\x1b[0m'])
    t.ok(restored.includes(part), JSON.stringify(part))
  t.notOk(createNeutraliser().restore().includes('1049'), 'but not from what was not')
})

/** The only escape sequences that may ever come out. */
const ALLOWED =
  /\x1b(?:[78DEHM]|[()][0AB]|#[34568]|\[[0-9:;]*m|\[\??[0-9;]*[JK]|\[[0-9;]*[@A-IL-MPSTXZ`abdefgr]|\[[su]|\[4[hl]|\[\?(?:(?:5|6|7|12|25|47|1047|1048|1049)(?:;|(?=[hl])))+[hl])/g
const FORBIDDEN = /[\x00-\x07\x10-\x1f\x7f-\x9f]/

const snippets = fc.oneof(
  fc.constantFrom(
    '\x1b',
    '\x1b[',
    '\x1b]',
    '\x1bP',
    '\x1b\\',
    '\x07',
    '?',
    '1000',
    '2004',
    ';',
    'h',
    'c',
    'n',
    't',
    'i',
    '52',
    '\u009b',
    'é',
    '\x18',
    ' ',
    '$',
    '>',
    'm',
    '\x1b[?',
    '\x1bc',
  ),
  fc.string(),
  fc.uint8Array({ maxLength: 8 }),
)

t.test('however it is cut into chunks, nothing forbidden comes out, and always the same', async t => {
  fc.assert(
    fc.property(fc.array(snippets, { maxLength: 40 }), fc.array(fc.nat(200), { maxLength: 20 }), (parts, cuts) => {
      const bytes = Buffer.concat(parts.map(part => Buffer.from(part as string)))
      const whole = neutralise(bytes)
      const rest = whole.replace(ALLOWED, '')
      if (FORBIDDEN.test(rest)) return false
      const places = [0, ...cuts.map(cut => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      return neutralise(...places.slice(1).map((end, i) => bytes.subarray(places[i], end))) === whole
    }),
    { numRuns: 3000 },
  )
  t.pass('for all that was tried')
})

t.test('text of strangers is shown, never obeyed', async t => {
  t.equal(printable('rm -rf /tmp/x'), 'rm -rf /tmp/x')
  t.equal(
    printable('a\x1b[31m\r\n\tb\x07\x9b\u202egnp.exe\u2028'),
    'a\\e[31m\\r\\n\\tb\\x07\\x9b\\u{202e}gnp.exe\\u{2028}',
  )
  t.equal(printable('Zoë 日本 👍'), 'Zoë 日本 👍')
})
