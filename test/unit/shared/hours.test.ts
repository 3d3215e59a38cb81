import fc from 'fast-check'
import t from 'tap'
import { roleSchema } from '../../../src/policy/role.ts'
import { type Hours, isTimeZone, windowEnd } from '../../../src/shared/hours.ts'

const hours = (text: Partial<Hours>): Hours =>
  roleSchema.parse({ name: 'r', targets: {}, accounts: {}, hours: text }).hours!

/** The end of the window at a moment, both as ISO text. */
function end(given: Hours, at: string): string | undefined {
  const value = windowEnd(given, Date.parse(at))
  return value === undefined || value === Number.POSITIVE_INFINITY ? value?.toString() : new Date(value).toISOString()
}

t.test('office hours begin and end to the minute, on their days only', async t => {
  const office = hours({ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00', zone: 'Europe/Berlin' })
  t.equal(end(office, '2026-11-18T06:59:59.999Z'), undefined)
  t.equal(end(office, '2026-11-18T07:00:00Z'), '2026-11-18T17:00:00.000Z')
  t.equal(end(office, '2026-11-18T16:59:59.999Z'), '2026-11-18T17:00:00.000Z')
  t.equal(end(office, '2026-11-18T17:00:00Z'), undefined)
  t.equal(end(office, '2026-11-21T10:00:00Z'), undefined, 'a Saturday')
})

t.test('a window that crosses midnight belongs to the day on which it begins', async t => {
  const night = hours({ days: ['fri'], from: '22:00', to: '06:00', zone: 'UTC' })
  t.equal(end(night, '2026-11-20T21:59:00Z'), undefined)
  t.equal(end(night, '2026-11-20T23:00:00Z'), '2026-11-21T06:00:00.000Z')
  t.equal(end(night, '2026-11-21T05:59:00Z'), '2026-11-21T06:00:00.000Z')
  t.equal(end(night, '2026-11-21T22:30:00Z'), undefined, 'Saturday night is not Friday night')
  t.equal(end(night, '2026-11-20T03:00:00Z'), undefined, 'Thursday night is not either')
})

t.test('windows that touch are one, and a week of them has no end', async t => {
  t.equal(end(hours({}), '2026-11-20T03:00:00Z'), 'Infinity')
  t.equal(end(hours({ days: ['sat', 'sun'] }), '2026-11-21T12:00:00Z'), '2026-11-23T00:00:00.000Z')
  t.equal(end(hours({ from: '18:00', to: '00:00' }), '2026-11-21T20:00:00Z'), '2026-11-22T00:00:00.000Z')
})

t.test('the night on which clocks go forward is an hour shorter', async t => {
  const night = hours({ from: '22:00', to: '06:00', zone: 'Europe/Berlin' })
  t.equal(end(night, '2026-03-28T21:00:00Z'), '2026-03-29T04:00:00.000Z', '22:00 CET to 06:00 CEST: seven hours')
  const skipped = hours({ from: '02:30', to: '05:00', zone: 'Europe/Berlin' })
  t.equal(end(skipped, '2026-03-29T00:59:00Z'), undefined, '01:59')
  t.equal(end(skipped, '2026-03-29T01:00:00Z'), '2026-03-29T03:00:00.000Z', '03:00: the clock jumped past 02:30')
  const until = hours({ from: '01:00', to: '02:30', zone: 'Europe/Berlin' })
  t.equal(end(until, '2026-03-29T00:30:00Z'), '2026-03-29T01:00:00.000Z', 'and it ends with the jump')
})

t.test(
  'the night on which clocks go back is an hour longer, and an hour that comes twice ends a window the first time',
  async t => {
    const night = hours({ from: '22:00', to: '06:00', zone: 'Europe/Berlin' })
    t.equal(end(night, '2026-10-24T20:00:00Z'), '2026-10-25T05:00:00.000Z', '22:00 CEST to 06:00 CET: nine hours')
    const until = hours({ from: '01:00', to: '02:30', zone: 'Europe/Berlin' })
    t.equal(end(until, '2026-10-25T00:15:00Z'), '2026-10-25T00:30:00.000Z')
    t.equal(end(until, '2026-10-25T01:15:00Z'), undefined, 'the second 02:15 is outside')
    const from = hours({ from: '02:30', to: '04:00', zone: 'Europe/Berlin' })
    t.equal(end(from, '2026-10-25T01:15:00Z'), '2026-10-25T03:00:00.000Z', 'begun at the first 02:30')
  },
)

t.test('zones of half hours, beyond the date line, and days that never were', async t => {
  const morning = { days: ['mon'] as Hours['days'], from: '08:00', to: '12:00' }
  t.equal(end(hours({ ...morning, zone: 'Asia/Kolkata' }), '2026-11-16T02:30:00Z'), '2026-11-16T06:30:00.000Z')
  t.equal(end(hours({ ...morning, zone: 'Pacific/Kiritimati' }), '2026-11-15T18:00:00Z'), '2026-11-15T22:00:00.000Z')
  const friday = hours({ days: ['fri'], from: '08:00', to: '12:00', zone: 'Pacific/Apia' })
  t.equal(end(friday, '2011-12-30T12:00:00Z'), undefined, 'Samoa had no Friday, 30 December 2011')
})

t.test('unknown zones are no zones', async t => {
  t.ok(isTimeZone('Europe/Berlin') && isTimeZone('UTC'))
  for (const zone of ['', 'Berlin', 'Europe/Nowhere', '../etc']) t.notOk(isTimeZone(zone), zone)
  t.throws(() => windowEnd({ ...hours({}), zone: 'Mars/Olympus' }, 0))
})

t.test('property: inside means that the wall clock is inside, except in the hours that clocks change', async () => {
  const clock = (zone: string, at: number) => {
    const text = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      weekday: 'short',
      hourCycle: 'h23',
    }).format(at)
    const [, day, time] = /^(\w+),? (\d\d:\d\d)$/.exec(text)!
    return { day: day!.toLowerCase(), time: time! }
  }
  const minute = fc
    .integer({ min: 0, max: 1439 })
    .map(m => `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`)
  const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
  // July and December: no clock of these zones changes then.
  const moment = fc.oneof(
    fc.integer({ min: Date.parse('2026-07-02T00:00Z'), max: Date.parse('2026-07-28T00:00Z') }),
    fc.integer({ min: Date.parse('2026-12-02T00:00Z'), max: Date.parse('2026-12-28T00:00Z') }),
  )
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe')
  fc.assert(
    fc.property(
      zone,
      minute,
      minute,
      fc.subarray([...days], { minLength: 1 }),
      moment,
      (zone, from, to, chosen, at) => {
        fc.pre(from !== to)
        const given = hours({ days: chosen as Hours['days'], from, to, zone })
        const { day, time } = clock(zone, at)
        const yesterday = days[(days.indexOf(day as 'sun') + 6) % 7]!
        const inside =
          from < to
            ? chosen.includes(day as 'sun') && time >= from && time < to
            : (chosen.includes(day as 'sun') && time >= from) || (chosen.includes(yesterday) && time < to)
        const found = windowEnd(given, at)
        return inside === (found !== undefined) && (found === undefined || found > at)
      },
    ),
    { numRuns: 300 },
  )
})

t.test('what was asked before is answered as the first time, after years of other days too', async t => {
  const hours: Hours = { days: ['mon', 'sun'], from: '22:00', to: '03:30', zone: 'Europe/Berlin' }
  const moments = Array.from({ length: 900 }, (_, day) => Date.UTC(2025, 0, 1 + day, day % 24, 15))
  const first = moments.map(moment => windowEnd(hours, moment))
  t.same(
    moments.map(moment => windowEnd({ ...hours }, moment)),
    first,
  )
  t.same(
    moments.toReversed().map(moment => windowEnd(hours, moment)),
    first.toReversed(),
  )
  t.ok(first.some(end => end === undefined) && first.some(end => end !== undefined))
  const other = { ...hours, zone: 'UTC' }
  t.not(windowEnd(other, Date.UTC(2025, 6, 6, 23)), windowEnd(hours, Date.UTC(2025, 6, 6, 23)))
})
