/** Calendars as their producers write them, and as somebody might who wants to be on call. */

import fc from 'fast-check'
import { test } from 'tap'
import { CalendarUnfit } from '../../../../src/access-requests/on-call/occurrences.ts'
import { readCalendar } from '../../../../src/access-requests/on-call/read-calendar.ts'

const FROM = Date.UTC(2026, 9, 1)
const UNTIL = Date.UTC(2027, 0, 1)

const text = (...lines: string[]) => ['BEGIN:VCALENDAR', 'VERSION:2.0', ...lines, 'END:VCALENDAR', ''].join('\r\n')
const event = (...lines: string[]) => ['BEGIN:VEVENT', 'UID:one@example.com', ...lines, 'END:VEVENT']
const ALICE = 'ATTENDEE;CN=Alice;PARTSTAT=ACCEPTED:mailto:Alice@Example.com'

function read(calendar: string, more: { zone?: string; person?: 'attendee' | 'organizer' | 'summary' } = {}) {
  return readCalendar(calendar, { from: FROM, until: UNTIL, person: 'attendee', ...more })
}

function times(calendar: string, more = {}): string[] {
  return read(calendar, more).shifts.map(
    ({ start, end }) => `${new Date(start).toISOString().slice(0, 16)} ${new Date(end).toISOString().slice(0, 16)}`,
  )
}

test('a weekly shift of Google, overnight, follows the wall clock when summer time ends', async t => {
  const calendar = text(
    'X-WR-TIMEZONE:Europe/Berlin',
    ...event(
      'DTSTART;TZID=Europe/Berlin:20261020T220000',
      'DTEND;TZID=Europe/Berlin:20261021T060000',
      'RRULE:FREQ=WEEKLY;BYDAY=TU,SA;UNTIL=20261103T210000Z',
      ALICE,
      'STATUS:CONFIRMED',
      'TRANSP:TRANSPARENT',
    ),
  )
  t.strictSame(times(calendar), [
    '2026-10-20T20:00 2026-10-21T04:00',
    '2026-10-24T20:00 2026-10-25T05:00',
    '2026-10-27T21:00 2026-10-28T05:00',
    '2026-10-31T21:00 2026-11-01T05:00',
    '2026-11-03T21:00 2026-11-04T05:00',
  ])
  t.strictSame(read(calendar).shifts[0]!.who, ['alice@example.com'])
})

test('a shift of Outlook, in a zone that its file describes', async t => {
  const calendar = text(
    'METHOD:PUBLISH',
    'BEGIN:VTIMEZONE',
    'TZID:W. Europe Standard Time',
    'BEGIN:STANDARD',
    'DTSTART:16010101T030000',
    'TZOFFSETFROM:+0200',
    'TZOFFSETTO:+0100',
    'RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10',
    'END:STANDARD',
    'BEGIN:DAYLIGHT',
    'DTSTART:16010101T020000',
    'TZOFFSETFROM:+0100',
    'TZOFFSETTO:+0200',
    'RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3',
    'END:DAYLIGHT',
    'END:VTIMEZONE',
    ...event(
      'DTSTART;TZID=W. Europe Standard Time:20261023T090000',
      'DTEND;TZID=W. Europe Standard Time:20261023T170000',
      'RRULE:FREQ=DAILY;COUNT=4',
      'EXDATE;TZID=W. Europe Standard Time:20261024T090000',
      ALICE,
    ),
  )
  t.strictSame(times(calendar), [
    '2026-10-23T07:00 2026-10-23T15:00',
    '2026-10-25T08:00 2026-10-25T16:00',
    '2026-10-26T08:00 2026-10-26T16:00',
  ])
})

test('a feed of PagerDuty: one event for each shift, in UTC, the person in the summary or as the attendee', async t => {
  const calendar = text(
    'METHOD:PUBLISH',
    ...event(
      'DTSTART;VALUE=DATE-TIME:20261102T080000Z',
      'DTEND;VALUE=DATE-TIME:20261109T080000Z',
      'ATTENDEE:alice@example.com',
      'SUMMARY:On Call - Alice Adams - Ops',
    ),
  )
  t.strictSame(times(calendar), ['2026-11-02T08:00 2026-11-09T08:00'])
  t.strictSame(read(calendar).shifts[0]!.who, ['alice@example.com'])
  t.strictSame(read(calendar, { person: 'summary' }).shifts[0]!.who, ['On Call - Alice Adams - Ops'])
})

test('whole days, and times without a zone, are of the zone that the configuration or the calendar says', async t => {
  const days = event('DTSTART;VALUE=DATE:20261024', 'DTEND;VALUE=DATE:20261026', ALICE)
  t.strictSame(times(text(...days)), ['2026-10-24T00:00 2026-10-26T00:00'])
  t.strictSame(times(text('X-WR-TIMEZONE:Europe/Berlin', ...days)), ['2026-10-23T22:00 2026-10-25T23:00'])
  t.strictSame(times(text('X-WR-TIMEZONE:Europe/Berlin', ...days), { zone: 'America/New_York' }), [
    '2026-10-24T04:00 2026-10-26T04:00',
  ])
  t.strictSame(times(text(...event('DTSTART;VALUE=DATE:20261024', ALICE))), ['2026-10-24T00:00 2026-10-25T00:00'])
  t.strictSame(times(text(...event('DTSTART:20261024T100000', 'DURATION:PT90M', ALICE))), [
    '2026-10-24T10:00 2026-10-24T11:30',
  ])
})

test('an instance that was moved, one that was cancelled, and one more by RDATE', async t => {
  const series = event(
    'DTSTART:20261005T080000Z',
    'DTEND:20261005T160000Z',
    'RRULE:FREQ=WEEKLY;COUNT=3',
    'RDATE:20261101T080000Z',
    'RDATE;VALUE=PERIOD:20261102T080000Z/PT1H',
    ALICE,
  )
  const moved = event(
    'RECURRENCE-ID:20261012T080000Z',
    'DTSTART:20261013T080000Z',
    'DTEND:20261013T160000Z',
    'ATTENDEE:mailto:bob@example.com',
  )
  const cancelled = event(
    'RECURRENCE-ID;TZID=Europe/Berlin:20261019T100000',
    'DTSTART:20261019T080000Z',
    'STATUS:CANCELLED',
    ALICE,
  )
  const calendar = text(...series, ...moved, ...cancelled)
  t.strictSame(times(calendar), [
    '2026-10-05T08:00 2026-10-05T16:00',
    '2026-11-01T08:00 2026-11-01T16:00',
    '2026-11-02T08:00 2026-11-02T09:00',
    '2026-10-13T08:00 2026-10-13T16:00',
  ])
  t.strictSame(read(calendar).shifts.at(-1)!.who, ['bob@example.com'])
})

test('what is cancelled, tentative, declined or changed from some day on is nobody’s shift', async t => {
  const at = ['DTSTART:20261005T080000Z', 'DTEND:20261005T160000Z']
  for (const lines of [
    ['STATUS:CANCELLED', ALICE],
    ['STATUS:TENTATIVE', ALICE],
    ['ATTENDEE;PARTSTAT=DECLINED:mailto:alice@example.com'],
    ['ATTENDEE;PARTSTAT=TENTATIVE:mailto:alice@example.com'],
    ['ATTENDEE;ROLE=NON-PARTICIPANT:mailto:alice@example.com'],
    ['ORGANIZER:mailto:alice@example.com'],
  ]) {
    t.strictSame(times(text(...event(...at, ...lines))), [], lines.join(' '))
  }
  t.strictSame(times(text('METHOD:CANCEL', ...event(...at, ALICE))), [])
  const later = event(
    'RECURRENCE-ID;RANGE=THISANDFUTURE:20261012T080000Z',
    'DTSTART:20261012T100000Z',
    'STATUS:CANCELLED',
  )
  t.strictSame(times(text(...event(...at, 'RRULE:FREQ=WEEKLY', ALICE), ...later)), [
    '2026-10-05T08:00 2026-10-05T16:00',
  ])
})

test('of two versions of one event the later counts', async t => {
  const first = event('SEQUENCE:0', 'DTSTART:20261005T080000Z', 'DTEND:20261005T160000Z', ALICE)
  const later = event(
    'SEQUENCE:2',
    'DTSTART:20261006T080000Z',
    'DTEND:20261006T160000Z',
    'ATTENDEE:mailto:bob@example.com',
  )
  for (const calendar of [text(...first, ...later), text(...later, ...first)]) {
    t.strictSame(times(calendar), ['2026-10-06T08:00 2026-10-06T16:00'])
  }
})

test('an event that cannot be read counts for nobody, is named, and spoils no other', async t => {
  const good = event('DTSTART:20261005T080000Z', 'DTEND:20261005T160000Z', ALICE)
  for (const lines of [
    ['DTSTART;TZID=Nowhere/City:20261005T080000', 'DURATION:PT1H'],
    ['DTSTART:rubbish', 'DURATION:PT1H'],
    ['DURATION:PT1H'],
    ['DTSTART:20261005T080000Z', 'DURATION:PT1H', 'EXRULE:FREQ=DAILY'],
  ]) {
    const bad = ['BEGIN:VEVENT', 'UID:two@example.com', 'SUMMARY:\x1b[31mbad', ...lines, ALICE, 'END:VEVENT']
    const { shifts, problems } = read(text(...bad, ...good))
    t.equal(shifts.length, 1, lines.join(' '))
    t.equal(problems.count, 1)
    t.match(problems.first[0], /^\\e\[31mbad: /)
  }
})

test('what is no calendar, or without end, is refused as a whole', async t => {
  const rule = (start: string, recur: string) =>
    text(...event(`DTSTART:${start}`, 'DURATION:PT1M', `RRULE:${recur}`, ALICE))
  for (const [calendar, why] of [
    ['<html>log in</html>', 'it is no iCalendar text, or a rule in it is none'],
    ['', 'it is no iCalendar text'],
    ['BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR', 'it is no iCalendar text, or a rule in it is none'],
    [rule('20261005T080000Z', 'FREQ=SOMETIMES'), 'it is no iCalendar text, or a rule in it is none'],
    ['BEGIN:VCARD\r\nFN:x\r\nEND:VCARD', 'it is no iCalendar text'],
    [rule('20260101T000000Z', 'FREQ=SECONDLY'), 'its events recur too often, or since too long ago'],
    [rule('06000101T000000Z', 'FREQ=DAILY'), 'its events recur too often, or since too long ago'],
    [text(...Array.from({ length: 20_001 }, () => event()).flat()), 'it has more than 20000 events'],
    [rule('20261001T000000Z', 'FREQ=MINUTELY'), 'it has more than 20000 shifts'],
  ] as const) {
    t.throws(() => read(calendar), { constructor: CalendarUnfit, message: why }, why)
  }
})

test('each shift of a daily or weekly rule is where counting days finds it', async t => {
  const DAY = 86_400_000
  const stamp = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 120 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 36 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }),
      (startDay, interval, count, hours, out) => {
        const start = Date.UTC(2026, 8, 1, 9) + startDay * DAY
        const all = Array.from({ length: count }, (_, index) => start + index * interval * DAY)
        const exdates = out.map(index => `EXDATE:${stamp(start + index * interval * DAY)}`)
        const calendar = text(
          ...event(
            ...[`DTSTART:${stamp(start)}`, `DURATION:PT${hours}H`, ...exdates, ALICE],
            `RRULE:FREQ=DAILY;INTERVAL=${interval};COUNT=${count}`,
          ),
        )
        const wanted = all.filter((at, index) => !out.includes(index) && at < UNTIL && at + hours * 3_600_000 > FROM)
        t.strictSame(
          read(calendar).shifts.map(one => one.start),
          wanted,
        )
      },
    ),
  )
})
