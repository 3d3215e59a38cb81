import t from 'tap'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { exportCast, exportJsonLines, exportText } from '../../../src/recording/rendering/export.ts'
import { createScreen } from '../../../src/recording/rendering/screen.ts'
import { collect, testSubject } from '../../support/recording-parts.ts'

const subject = testSubject()
async function* each(items: readonly RecordedEvent[]): AsyncGenerator<RecordedEvent> {
  yield* items
}
const output = (at: number, bytes: string | Buffer, channel = 0): RecordedEvent => ({
  type: 'output',
  channel,
  bytes: Buffer.from(bytes),
  at,
})
const PTY: RecordedEvent = { type: 'pty', channel: 0, term: 'xterm-256color', columns: 100, rows: 30, at: 5 }
const json = async (lines: AsyncIterable<string>) => (await collect(lines)).map(line => JSON.parse(line))

t.test('asciicast v2: header from the terminal, output, window sizes, input where it was recorded', async t => {
  const euro = Buffer.from('€')
  const events: RecordedEvent[] = [
    PTY,
    { type: 'shell', channel: 0, at: 6 },
    output(10, 'one\r\n'),
    output(1500, Buffer.concat([Buffer.from('a'), euro.subarray(0, 1)])),
    output(1501, Buffer.concat([euro.subarray(1), Buffer.from('\x1b[31mb')])),
    output(1600, 'other channel', 1),
    { type: 'input', channel: 0, bytes: Buffer.from('ls\r'), at: 1700 },
    { type: 'resize', channel: 0, columns: 120, rows: 40, at: 1800 },
  ]
  t.same(await json(exportCast(subject, each(events))), [
    {
      version: 2,
      width: 100,
      height: 30,
      timestamp: Math.floor(subject.startedAt / 1000),
      title: `alice as root@web-01, ${subject.session}`,
      env: { TERM: 'xterm-256color' },
    },
    [0.01, 'o', 'one\r\n'],
    [1.5, 'o', 'a'],
    [1.501, 'o', '€\x1b[31mb'],
    [1.7, 'i', 'ls\r'],
    [1.8, 'r', '120x40'],
  ])
  t.match((await json(exportCast(subject, each(events), { channel: 1 }))).slice(1), [[1.6, 'o', 'other channel']])
})

t.test(
  'asciicast: bytes that act on the terminal of whoever plays it are gone, and it is UTF-8 whatever came',
  async t => {
    const lines = await json(
      exportCast(subject, each([PTY, output(1, '\x1b]52;c;eA==\x07x'), output(2, Buffer.from([0xff, 0xfe]))])),
    )
    t.same(lines.slice(1), [
      [0.001, 'o', 'x'],
      [0.002, 'o', '\ufffd\ufffd'],
    ])
  },
)

t.test('hidden input is one marker for each run of pieces, and marked line by line where it is revealed', async t => {
  const hidden = (bytes: number, channel = 0): RecordedEvent => ({ type: 'hidden-input', channel, bytes, at: 1000 })
  const input = (text: string, revealed?: true): RecordedEvent => ({
    ...{ type: 'input', channel: 0, bytes: Buffer.from(text), at: 2000 },
    ...(revealed && { revealed }),
  })
  const text = async (...events: RecordedEvent[]) => (await collect(exportText(subject, each(events)))).join('')
  t.equal(
    await text(hidden(7), hidden(1993), hidden(1, 1), input('id\n')),
    '12:03:05.000  2,000 bytes of input hidden: --reveal shows it\n12:03:05.000  1 byte of input hidden: --reveal shows it\n< id\n',
  )
  t.equal(await text(input('S3cr3t\n', true), input('id\n')), '<* S3cr3t\n< id\n')
  t.same((await json(exportCast(subject, each([hidden(7), hidden(3), input('id\n')])))).slice(1), [
    [1, 'i', '[10 bytes of input hidden]\n'],
    [2, 'i', 'id\n'],
  ])
})

t.test(
  'asciicast of a command without a terminal has line ends that a terminal needs; of nothing, a header',
  async t => {
    t.same((await json(exportCast(subject, each([output(1, 'a\nb\n')])))).slice(1), [[0.001, 'o', 'a\r\nb\r\n']])
    t.match(await json(exportCast(subject, each([]))), [{ version: 2, width: 80, height: 24 }])
  },
)

t.test('JSON lines hold every event, bytes to the bit, and nothing that acts on a terminal', async t => {
  const events: RecordedEvent[] = [
    { type: 'exec', channel: 0, command: 'x\u009b', at: 0 },
    output(1, 'héllo'),
    output(2, Buffer.from([0xc3])),
    { type: 'copy', direction: 'in', bytes: 12, at: 3 },
  ]
  const lines = await collect(exportJsonLines(subject, each(events)))
  t.notMatch(lines.join(''), /[^\n\P{Cc}]/u)
  t.same(
    lines.map(line => JSON.parse(line)),
    [
      { type: 'recording', ...subject },
      { type: 'exec', channel: 0, command: 'x\u009b', at: 0 },
      { type: 'output', channel: 0, at: 1, text: 'héllo' },
      { type: 'output', channel: 0, at: 2, base64: 'ww==' },
      { type: 'copy', direction: 'in', bytes: 12, at: 3 },
    ],
  )
})

t.test('text: what was on the screen without escape sequences, and the facts between', async t => {
  const events: RecordedEvent[] = [
    { type: 'exec', channel: 0, command: 'ls', at: 0 },
    output(1, '\x1b]0;title\x07\x1b[1;34mbin\x1b[0m\r\netc'),
    { type: 'exit', channel: 0, status: 0, at: 123 },
  ]
  t.equal(
    (await collect(exportText(subject, each(events)))).join(''),
    '12:03:04.000  $ ls\nbin\netc\n12:03:04.123  exit 0\n',
  )
})

t.test('a terminal of a size that no screen has does not make a player take memory for it', async t => {
  const lines = await json(
    exportCast(
      subject,
      each([
        { ...PTY, columns: 0xffffffff, rows: 0 },
        { type: 'resize', channel: 0, columns: 80, rows: 0xffffffff, at: 9 },
      ]),
    ),
  )
  t.match(lines, [{ width: 1_000, height: 24 }, [0.009, 'r', '80x1000']])
})

t.test('a text export has what a program was fed, but not what was typed at a terminal', async t => {
  const input = (text: string, channel: number): RecordedEvent => ({
    type: 'input',
    channel,
    bytes: Buffer.from(text),
    at: 9,
  })
  const events = [PTY, input('typed', 0), output(10, 'out', 1), input('first\nsecond', 1), output(11, 'more\n', 1)]
  const lines = (await collect(exportText(subject, each(events)))).join('').split('\n')
  t.same(lines.slice(1), ['out', '< first', '< second', 'more', ''])
})

t.test('no escape sequence hides a line that a program was fed: the program runs it', async t => {
  for (const begin of ['\x1b]', '\x1bP', '\x1b_', '\x1b[', '\x9d', '\x00']) {
    const script = `: ${begin}\n\trm -rf /srv\n: \x07\x1b\\\r\n`
    const events: RecordedEvent[] = [...script].map(character => ({
      type: 'input',
      channel: 0,
      bytes: Buffer.from(character),
      at: 9,
    }))
    const whole: RecordedEvent = { type: 'input', channel: 0, bytes: Buffer.from(script), at: 9 }
    const screen = createScreen({ startedAt: 0, width: 80 })
    t.match(screen.show(whole), '< \trm -rf /srv\r\n', JSON.stringify(begin))
    const shown = (await collect(exportText(subject, each(events)))).join('').replaceAll(/\n< |^< /g, '')
    t.match(shown, 'rm -rf /srv')
    t.notMatch(shown, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
  }
})
