import t from 'tap'
import {
  dueTime,
  formatBytes,
  formatDuration,
  parseDuration,
  parseTime,
  relativeTime,
} from '../../../src/cli/terminal/time.ts'

t.test('a duration shows two units at most', async t => {
  const shown: [number, string][] = [
    [-5, '0.0s'],
    [0, '0.0s'],
    [449, '0.4s'],
    [9_999, '9.9s'],
    [10_000, '10s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [303_000, '5m 03s'],
    [43_200_000, '12h'],
    [11_220_000, '3h 07m'],
    [187_200_000, '2d 04h'],
  ]
  for (const [ms, text] of shown) t.equal(formatDuration(ms), text)
})

t.test('sizes have three digits at most', async t => {
  const shown: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_940, '9.9 kB'],
    [9_960, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [20_000_000, '20 MB'],
    [3_200_000_000_000, '3.2 TB'],
  ]
  for (const [bytes, text] of shown) t.equal(formatBytes(bytes), text)
})

t.test('a time is told from now, an old or future one by the calendar', async t => {
  const now = Date.parse('2026-11-21T21:00:00Z')
  const ago = (ms: number) => relativeTime(new Date(now - ms).toISOString(), now)
  t.equal(ago(0), 'just now')
  t.equal(ago(42_000), '42s ago')
  t.equal(ago(300_000), '5m ago')
  t.equal(ago(7_200_000), '2h ago')
  t.equal(ago(86_400_000 * 3), '3d ago')
  t.match(ago(86_400_000 * 30), /^2026-10-2\d \d\d:\d\d$/)
  t.equal(ago(-30_000), 'just now', 'a clock that is a little behind')
  t.match(ago(-120_000), /^2026-11-2\d \d\d:\d\d$/)
})

t.test('people type times as they think of them', async t => {
  const now = Date.parse('2026-11-21T21:00:00Z')
  t.equal(parseTime('2h', '--since', now), '2026-11-21T19:00:00.000Z')
  t.equal(parseTime('2026-11-21T18:00Z', '--since', now), '2026-11-21T18:00:00.000Z')
  t.equal(Date.parse(parseTime('2026-11-21', '--since', now)), new Date(2026, 10, 21).getTime(), 'a day begins here')
  t.equal(parseDuration('15m', '--from'), 900_000)
  for (const wrong of [
    '',
    'soon',
    '5',
    '-5m',
    '1e3s',
    '2026',
    '2026-13-40',
    '2026-02-30',
    '2026-02-30T10:00',
    '2026-11-21 (x) 18:00',
    '2026-11-21T25:00',
  ]) {
    t.throws(() => parseTime(wrong, '--since', now), { exit: 2, message: /^--since: / }, wrong)
  }
  t.throws(() => parseDuration('5 m', '--from'), { exit: 2, message: /^--from: / })
})

t.test('a time that the clock shows twice, or never, is asked for with its zone', async t => {
  const zone = process.env.TZ
  t.teardown(() => {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  })
  process.env.TZ = 'Europe/Berlin'
  for (const [text, words] of [
    ['2026-03-29T02:30', /is left out that day/],
    ['2026-10-25T02:30', /comes twice that day/],
    ['2026-10-25 02:00', /comes twice/],
  ] as const)
    t.throws(() => parseTime(text, '--at', 0), { exit: 2, message: words }, text)
  t.equal(parseTime('2026-10-25T02:30+02:00', '--at', 0), '2026-10-25T00:30:00.000Z')
  t.equal(parseTime('2026-10-25T02:30+01:00', '--at', 0), '2026-10-25T01:30:00.000Z')
  t.equal(parseTime('2026-10-25T03:00', '--at', 0), '2026-10-25T02:00:00.000Z')
  t.equal(parseTime('2026-03-29T03:00', '--at', 0), '2026-03-29T01:00:00.000Z')
  t.equal(parseTime('2026-03-29T01:59', '--at', 0), '2026-03-29T00:59:00.000Z')
  process.env.TZ = 'America/Santiago'
  t.equal(parseTime('2026-09-06', '--since', 0), '2026-09-06T04:00:00.000Z', 'a day without midnight begins at one')
  process.env.TZ = 'Australia/Lord_Howe'
  t.throws(() => parseTime('2026-04-05T01:45', '--at', 0), { message: /comes twice/ }, 'half an hour is doubled')
})

t.test('what is to come is told in whole seconds', async t => {
  const told = [0, 400, 3_000, 3_900, 42_000, 303_000, 7_200_000].map(ms => dueTime(new Date(ms).toISOString(), 0))
  t.same(told, ['now', 'now', 'in 3s', 'in 3s', 'in 42s', 'in 5m 03s', 'in 2h'])
})
