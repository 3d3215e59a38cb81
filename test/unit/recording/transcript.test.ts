import t from 'tap'
import type { FactEvent, RecordedEvent } from '../../../src/recording/format/events.ts'
import { transcriptLines } from '../../../src/recording/rendering/transcript.ts'

const startedAt = Date.UTC(2026, 10, 21, 12, 3, 4)

function lines(event: FactEvent, width = 80, at = 123): string[] {
  return transcriptLines({ ...event, at } as RecordedEvent, { startedAt, width, utc: true })
}

const statement = { type: 'statement', text: 'SELECT * FROM orders', protocol: 'simple', durationUs: 1234 } as const

t.test('a statement with its outcome is one line where it fits', async t => {
  t.same(lines({ ...statement, rows: 3, tag: 'SELECT 3' }), ['12:03:04.123  SELECT * FROM orders  → 3 rows, 1.2 ms'])
  t.same(lines({ ...statement, tag: 'CREATE TABLE', durationUs: 12 }), [
    '12:03:04.123  SELECT * FROM orders  → CREATE TABLE, 12 µs',
  ])
})

t.test('bind values, errors and redactions stand below', async t => {
  t.same(lines({ ...statement, parameters: ["o'x", null, '\x1b[31m'], rows: 0, redacted: true }), [
    '12:03:04.123  SELECT * FROM orders',
    "              $1 = 'o'x', $2 = null, $3 = '\\e[31m'",
    '              a secret was taken out',
    '              → 0 rows, 1.2 ms',
  ])
  t.same(lines({ ...statement, error: { sqlstate: '42P01', message: 'relation "orders" does not exist' } }), [
    '12:03:04.123  SELECT * FROM orders',
    '              ✗ 42P01 relation "orders" does not exist, 1.2 ms',
  ])
})

t.test('what an event does not have whole is told below it', async t => {
  t.same(lines({ ...statement, tag: 'SELECT 3', cut: { bytes: 2_500_000, sha256: 'ab12' } }), [
    '12:03:04.123  SELECT * FROM orders',
    '              … 2.5 MB in all, sha256 ab12',
    '              → SELECT 3, 1.2 ms',
  ])
  const cut = { bytes: 1500, sha256: 'ab12', before: true } as const
  t.same(lines({ ...statement, tag: 'SELECT 3', cut, parametersBefore: 2 }), [
    '12:03:04.123  SELECT * FROM orders',
    '              … 1.5 kB in all, recorded whole before, sha256 ab12',
    '              2 values, as recorded before',
    '              → SELECT 3, 1.2 ms',
  ])
})

t.test('long and multi-line statements fit the width and lose nothing', async t => {
  const text = `select ${Array.from({ length: 30 }, (_, i) => `column_${i}`).join(', ')}\n\tfrom orders`
  const shown = lines({ ...statement, text, rows: 1 }, 60)
  t.ok(shown.every(line => line.length <= 60))
  t.equal(
    shown
      .map(line => line.slice(14))
      .join(' ')
      .replace(/\s+/g, ' '),
    `${text.replace(/\s+/g, ' ')} → 1 row, 1.2 ms`,
  )
  const long = lines({ ...statement, text: 'x\n'.repeat(1000), rows: 1 })
  t.ok(long.length <= 42)
  t.match(long.join('\n'), /… 961 more lines/)
})

t.test('nothing that a person typed acts on the terminal', async t => {
  const evil = 'a\x1b]0;x\x07\u202e\u009b'
  const facts: FactEvent[] = [
    { type: 'exec', channel: 0, command: evil },
    { type: 'file', channel: 0, via: 'sftp', operation: 'rename', path: evil, to: evil, error: evil, sha256: evil },
    { type: 'environment', channel: 0, name: evil, value: evil },
    { type: 'channel-open', channel: 0, kind: evil, detail: evil },
    { type: 'pty', channel: 0, term: evil, columns: 1, rows: 1 },
    { type: 'subsystem', channel: 0, name: evil },
    { type: 'signal', channel: 0, name: evil },
    { type: 'exit', channel: 0, signal: evil },
    { type: 'forward', channel: 0, kind: evil, host: evil, port: 22 },
    { type: 'refused', what: evil, reason: evil },
    { type: 'notice', text: evil },
    { type: 'parameter', name: evil, value: evil },
    {
      ...statement,
      text: evil,
      tag: evil,
      parameters: [evil],
      cut: { bytes: 1, sha256: evil },
      error: { sqlstate: evil, message: evil },
    },
    { type: 'of a later version', text: evil } as never,
  ]
  for (const fact of facts) {
    const shown = lines(fact, 200)
    t.ok(shown.length > 0, fact.type)
    t.notMatch(shown.join(''), /\p{Cc}|\p{Cf}/u, fact.type)
  }
})

t.test('files, commands and channels read well', async t => {
  t.same(
    lines({
      type: 'file',
      channel: 0,
      via: 'scp',
      operation: 'upload',
      path: '/etc/motd',
      bytes: 1_234_567,
      sha256: 'ab',
    }),
    ['12:03:04.123  scp upload /etc/motd', '              sha256 ab', '              → 1.2 MB'],
  )
  const upload = { type: 'file', channel: 0, via: 'scp', operation: 'upload', path: '/srv/x' } as const
  t.same(lines({ ...upload, name: 'f' }, 200), [
    '12:03:04.123  scp upload /srv/x/f, or /srv/x if /srv/x is no folder on the target',
  ])
  t.same(lines({ ...upload, name: 'tree/f' }, 200), [
    '12:03:04.123  scp upload /srv/x/tree/f, or /srv/x/f if /srv/x is no folder on the target',
  ])
  t.same(lines({ ...upload, operation: 'download', path: '$X', name: 'f', unexpanded: true }, 200), [
    '12:03:04.123  scp download $X (as asked for, before the shell expanded it), sent as f',
  ])
  t.same(lines({ type: 'exec', channel: 0, command: 'uptime' }), ['12:03:04.123  $ uptime'])
  t.same(lines({ type: 'channel-close', channel: 2, bytesIn: 10, bytesOut: 2000 }), [
    '12:03:04.123  channel 2 closed  → 10 B in, 2.0 kB out',
  ])
  t.same(transcriptLines({ type: 'output', channel: 0, bytes: Buffer.from('x'), at: 0 }, { startedAt, width: 80 }), [])
})
