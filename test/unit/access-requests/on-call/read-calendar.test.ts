/** Calendars as their producers write them, and as somebody might who wants to be on call. */

import fc from 'fast-check'
import { test } from 'tap'
import { CalendarUnfit } from '../../../../src/access-requests/on-call/occurrences.ts'
import { readCalendar } from '../../../../src/access-requests/on-call/read-calendar.ts'

const FROM = Date.UTC(2026, 9, 1)
const UNTIL = Date.UTC(2027, 0, 1)

const text = (...lines: string[]) => ['BEGIN:VCALENDAR', 'VERSION:2.0', ...lines, 'END:VCALENDAR', ''].join('\r\n')
const event = (...lines: string[]) => ['BEGIN:VEVENT', 'UID:one@example.com', ...lines, 'END:VEVENT']
const BOB = 'ATTENDEE:mailto:bob@example.com'
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

test('an event that cannot be read is named, leaves its people in doubt, and spoils no other', async t => {
  const good = event('DTSTART:20261005T080000Z', 'DTEND:20261005T160000Z', ALICE)
  const AT = ['DTSTART:20261005T080000Z', 'DURATION:PT1H']
  for (const lines of [
    ['DTSTART;TZID=Nowhere/City:20261005T080000', 'DURATION:PT1H'],
    ['DTSTART:rubbish', 'DURATION:PT1H'],
    ['DURATION:PT1H'],
    ['DTSTART', 'DURATION:PT1H'],
    ['DTSTART:20261005T080000Z', 'DURATION:soon'],
    [...AT, 'EXRULE:FREQ=DAILY'],
    [...AT, 'RDATE;VALUE=PERIOD:x/y'],
    [...AT, 'RRULE:FREQ=SOMETIMES'],
    [...AT, 'RRULE'],
    [...AT, 'RRULE:'],
    [...AT, 'RRULE:FREQ=DAILY;COUNT=2;UNTIL=20261101T000000Z'],
    [...AT, 'RRULE:FREQ=DAILY;FREQ=WEEKLY'],
    [...AT, 'RRULE:FREQ=DAILY;BYDAY=2MO'],
    [...AT, 'RRULE:FREQ=WEEKLY;BYMONTHDAY=1'],
    [...AT, 'RRULE:FREQ=DAILY;INTERVAL=0'],
    [...AT, 'RRULE:FREQ=DAILY;UNTIL=20261301'],
    [...AT, 'RRULE:FREQ=DAILY;BYHOUR=25'],
    [...AT, 'RRULE:FREQ=DAILY;BYWHIM=1'],
    [...AT, 'RRULE:FREQ=SECONDLY'],
    ['DTSTART:20261001T000000Z', 'DURATION:PT1M', 'RRULE:FREQ=MINUTELY'],
    ['DTSTART:06000101T000000Z', 'DURATION:PT1M', 'RRULE:FREQ=DAILY'],
  ]) {
    const bad = ['BEGIN:VEVENT', 'UID:two@example.com', 'SUMMARY:\x1b[31mbad', ...lines, BOB, 'END:VEVENT']
    const { shifts, problems, doubtful } = read(text(...bad, ...good))
    t.equal(shifts.length, 1, lines.join(' '))
    t.equal(problems.count, 1, lines.join(' '))
    t.match(problems.first[0], /^\\e\[31mbad: \S/)
    t.strictSame(doubtful, ['bob@example.com'])
  }
  const ofNobody = ['BEGIN:VEVENT', 'UID:two@example.com', ...AT, 'ATTENDEE', 'END:VEVENT']
  t.match(read(text(...ofNobody, ...good)), { shifts: { length: 1 }, doubtful: undefined }, 'it may be anybody')
  const harmless = ['BEGIN:VEVENT', 'UID:two@example.com', ...AT, 'X-ALT-DESC', 'GEO:nowhere', BOB, 'END:VEVENT']
  t.match(
    read(text(...harmless, ...good)),
    { shifts: { length: 2 }, problems: { count: 0 } },
    'what says nothing of it',
  )
  const alarm = ['BEGIN:VALARM', 'TRIGGER:whenever', 'ATTENDEE:mailto:mallory@example.com', 'END:VALARM']
  const withAlarm = ['BEGIN:VEVENT', 'UID:two@example.com', ...AT, ...alarm, BOB, 'END:VEVENT']
  t.strictSame(read(text(...withAlarm)).shifts[0]!.who, ['bob@example.com'], 'who is woken is not on call')
})

test('a moved instance that cannot be read leaves the whole series in doubt, also for whoever has it now', async t => {
  const series = event('DTSTART:20261005T080000Z', 'DURATION:PT8H', 'RRULE:FREQ=WEEKLY', ALICE)
  const moved = event('RECURRENCE-ID:20261012T080000Z', 'DTSTART:later', 'DURATION:PT8H', BOB)
  const { shifts, doubtful } = read(text(...series, ...moved))
  t.strictSame(shifts, [])
  t.strictSame(doubtful?.toSorted(), ['alice@example.com', 'bob@example.com'])
})

test('a zone that cannot be read spoils its own events alone', async t => {
  const zone = [
    'BEGIN:VTIMEZONE',
    'TZID:Odd',
    'BEGIN:STANDARD',
    'RRULE:FREQ=SOMETIMES',
    'END:STANDARD',
    'END:VTIMEZONE',
  ]
  const odd = [
    'BEGIN:VEVENT',
    'UID:two@example.com',
    'DTSTART;TZID=Odd:20261005T080000',
    'DURATION:PT1H',
    BOB,
    'END:VEVENT',
  ]
  const good = event('DTSTART:20261005T080000Z', 'DTEND:20261005T160000Z', ALICE)
  t.match(read(text(...zone, ...odd, ...good)), { shifts: { length: 1 }, doubtful: ['bob@example.com'] })
})

test('what is no calendar, or too much, is refused as a whole', async t => {
  const often = (index: number) => [
    ...['BEGIN:VEVENT', `UID:${index}`, 'DTSTART:20261001T000000Z', 'DURATION:PT1M'],
    ...['RRULE:FREQ=MINUTELY;INTERVAL=10', ALICE, 'END:VEVENT'],
  ]
  for (const [calendar, why] of [
    ['<html>log in</html>', 'it is no iCalendar text'],
    ['', 'it is no iCalendar text'],
    ['BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR', 'it is no iCalendar text'],
    ['BEGIN:VCALENDAR\r\n', 'it is no iCalendar text'],
    ['BEGIN:VCARD\r\nFN:x\r\nEND:VCARD', 'it is no iCalendar text'],
    [text(...Array.from({ length: 20_001 }, () => event()).flat()), 'it has more than 20000 events'],
    [text(...often(1), ...often(2)), 'it has more than 20000 shifts'],
  ] as const) {
    t.throws(() => read(calendar), { constructor: CalendarUnfit, message: why }, why)
  }
})

test('a length in hours is exact where the clocks change, one in days goes by the calendar', async t => {
  const of = (duration: string) =>
    times(text(...event('DTSTART;TZID=Europe/Berlin:20261024T220000', `DURATION:${duration}`, ALICE)))
  t.strictSame(of('PT8H'), ['2026-10-24T20:00 2026-10-25T04:00'])
  t.strictSame(of('P1D'), ['2026-10-24T20:00 2026-10-25T21:00'])
  t.strictSame(of('P1DT2H'), ['2026-10-24T20:00 2026-10-25T23:00'])
})

test('rules of every kind mean what another implementation (python-dateutil 2.9) finds in them', async t => {
  for (const [start, rule, wanted] of [
    ['20260105T090000', 'FREQ=MONTHLY;BYDAY=-1FR', '10-30T09:00 11-27T09:00 12-25T09:00'],
    ['20260105T090000', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2', '10-29T09:00 11-27T09:00 12-30T09:00'],
    ['20260131T090000', 'FREQ=MONTHLY', '10-31T09:00 12-31T09:00'],
    ['20260104T090000', 'FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU', '11-01T09:00 11-29T09:00'],
    ['20260105T090000', 'FREQ=MONTHLY;BYMONTHDAY=-3', '10-29T09:00 11-28T09:00 12-29T09:00'],
    ['20260913T090000', 'FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13', '10-10T09:00 11-07T09:00 12-12T09:00'],
    [
      '20260106T090000',
      'FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU',
      '10-11T09:00 10-13T09:00 10-25T09:00 10-27T09:00 11-08T09:00 11-10T09:00 11-22T09:00 11-24T09:00 12-06T09:00 12-08T09:00 12-20T09:00 12-22T09:00',
    ],
    [
      '20260106T090000',
      'FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,SU',
      '10-04T09:00 10-13T09:00 10-18T09:00 10-27T09:00 11-01T09:00 11-10T09:00 11-15T09:00 11-24T09:00 11-29T09:00 12-08T09:00 12-13T09:00 12-22T09:00 12-27T09:00',
    ],
    ['20240229T090000', 'FREQ=YEARLY', ''],
    ['20260101T090000', 'FREQ=YEARLY;BYDAY=20MO,-10TH', '10-29T09:00'],
    ['20260101T090000', 'FREQ=YEARLY;BYWEEKNO=1,45,53;BYDAY=MO,SU', '11-02T09:00 11-08T09:00 12-28T09:00'],
    ['20260101T090000', 'FREQ=YEARLY;BYYEARDAY=1,300,-1,-40', '10-27T09:00 11-22T09:00 12-31T09:00'],
    ['20260101T090000', 'FREQ=DAILY;BYMONTHDAY=-1,15;BYMONTH=11,12', '11-15T09:00 11-30T09:00 12-15T09:00 12-31T09:00'],
    [
      '20261101T090000',
      'FREQ=DAILY;INTERVAL=20;BYHOUR=6,18;BYMINUTE=0,30',
      '11-01T18:00 11-01T18:30 11-21T06:00 11-21T06:30 11-21T18:00 11-21T18:30 12-11T06:00 12-11T06:30 12-11T18:00 12-11T18:30 12-31T06:00 12-31T06:30 12-31T18:00 12-31T18:30',
    ],
    [
      '20261224T200000',
      'FREQ=HOURLY;INTERVAL=5;BYDAY=FR;BYMONTH=12',
      '12-25T01:00 12-25T06:00 12-25T11:00 12-25T16:00 12-25T21:00',
    ],
    [
      '20261130T235900',
      'FREQ=MINUTELY;INTERVAL=30;BYHOUR=1;COUNT=5',
      '12-01T01:29 12-01T01:59 12-02T01:29 12-02T01:59 12-03T01:29',
    ],
    ['20261031T220000', 'FREQ=MONTHLY;BYDAY=2MO,-1SA;BYSETPOS=-1', '10-31T22:00 11-28T22:00 12-26T22:00'],
    ['20251103T080000', 'FREQ=YEARLY;INTERVAL=1;BYMONTH=11;BYDAY=1MO', '11-02T08:00'],
  ] as const) {
    const found = times(text(...event(`DTSTART:${start}Z`, 'DURATION:PT1M', `RRULE:${rule}`, ALICE)))
    t.equal(found.map(one => one.slice(5, 16)).join(' '), wanted, `${start} ${rule}`)
  }
})

test('what the RFC says and other implementations do not: a beginning beside the rule, days counted and not', async t => {
  const of = (start: string, rule: string) =>
    times(text(...event(`DTSTART:${start}Z`, 'DURATION:PT1M', `RRULE:${rule}`, ALICE))).map(one => one.slice(5, 10))
  t.strictSame(of('20261031T090000', 'FREQ=WEEKLY;BYDAY=MO;COUNT=1'), ['11-02'], 'nobody is on call on the Saturday')
  t.strictSame(of('20261001T090000', 'FREQ=MONTHLY;BYDAY=1MO,SU;BYMONTH=11'), [
    '11-01',
    '11-02',
    '11-08',
    '11-15',
    '11-22',
    '11-29',
  ])
  t.strictSame(of('20261104T090000', 'FREQ=YEARLY;BYWEEKNO=45,46'), ['11-04', '11-11'], 'on the day of its beginning')
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
