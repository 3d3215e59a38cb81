import fc from 'fast-check'
import t from 'tap'
import { isSetTime, latestRotation, nextRotation, nextVerification } from '../../../src/rotation/triggers/times.ts'

const NOW = Date.UTC(2026, 10, 27, 12)
const DAY = 86_400_000
const never = { every: undefined, jitter: undefined, at: undefined, verifyEvery: undefined }
const every = (ms: number, jitter?: number) => ({ ...never, every: ms, jitter })

t.test('an account that was never rotated comes at some moment within the interval', async t => {
  t.equal(nextRotation(every(30 * DAY), undefined, NOW, 0)?.dueAt, NOW)
  t.equal(nextRotation(every(30 * DAY), undefined, NOW, 0.5)?.dueAt, NOW + 15 * DAY)
  const due = Array.from({ length: 10_000 }, () => nextRotation(every(30 * DAY), undefined, NOW)!.dueAt)
  const days = Map.groupBy(due, at => Math.floor((at - NOW) / DAY))
  t.equal(days.size, 30, 'ten thousand fill every day of thirty')
  t.ok(
    Math.max(...[...days.values()].map(({ length }) => length)) < 500,
    'and none of them has many more than its share',
  )
})

t.test('after the last rotation comes the interval, and the jitter at most', async t => {
  t.equal(nextRotation(every(30 * DAY), NOW - DAY, NOW, 0.9)?.dueAt, NOW + 29 * DAY)
  t.equal(nextRotation(every(30 * DAY, 2 * DAY), NOW - DAY, NOW, 0.5)?.dueAt, NOW + 30 * DAY)
  const overdue = nextRotation(every(DAY), NOW - 40 * DAY, NOW, 0.5)
  t.equal(overdue?.dueAt, NOW + DAY / 8, 'what a shorter interval makes overdue is spread as well')
  t.equal(nextRotation(every(DAY), NOW + 400 * DAY, NOW, 0)?.dueAt, NOW + DAY, 'a clock that was wrong changes nothing')
})

t.test('of an interval and set times the earlier one counts', async t => {
  const at = { cron: '0 3 * * *', zone: 'Europe/Berlin' }
  t.match(nextRotation({ ...never, at }, undefined, NOW), { trigger: 'cron', dueAt: Date.UTC(2026, 10, 28, 2) })
  t.match(nextRotation({ ...every(3_600_000), at }, NOW, NOW), { trigger: 'interval', dueAt: NOW + 3_600_000 })
  t.match(nextRotation({ ...every(30 * DAY), at }, NOW, NOW), { trigger: 'cron' })
  t.equal(nextRotation(never, NOW, NOW), undefined)
})

t.test('a time stays as long as what it follows from, and no plan is later than the latest', async () => {
  const policy = fc.record({
    every: fc.option(fc.integer({ min: 60_000, max: 400 * DAY }), { nil: undefined }),
    jitter: fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: undefined }),
    at: fc.option(fc.record({ cron: fc.constantFrom('0 3 * * *', '5 4 * * sun'), zone: fc.constant('UTC') }), {
      nil: undefined,
    }),
    verifyEvery: fc.constant(undefined),
  })
  const rotatedAt = fc.option(fc.integer({ min: NOW - 400 * DAY, max: NOW }), { nil: undefined })
  fc.assert(
    fc.property(policy, rotatedAt, fc.nat(DAY), (policy, rotatedAt, later) => {
      const [first, second] = [nextRotation(policy, rotatedAt, NOW), nextRotation(policy, rotatedAt, NOW + later)]
      if (first === undefined) return second === undefined
      return first.basis === second?.basis && first.dueAt >= NOW && first.dueAt <= latestRotation(policy, NOW)
    }),
  )
})

t.test('a verification comes again about as often as asked for', async t => {
  const policy = { ...never, verifyEvery: DAY }
  t.equal(nextVerification(policy, true, NOW, 0.25), NOW + DAY / 4)
  t.equal(nextVerification(policy, false, NOW, 0.5), NOW + DAY)
  t.equal(nextVerification(never, false, NOW), undefined)
})

t.test('a time is one of the set times, or within the jitter behind one, and no other', async t => {
  const HOUR = 3_600_000
  const policy = (jitter: number) => ({ ...never, jitter, at: { cron: '0 3 * * sun', zone: 'Europe/Berlin' } })
  for (const [time, jitter, expected] of [
    ['2026-11-29T02:00:00Z', 0, true],
    ['2026-11-29T02:00:01Z', 0, false],
    ['2026-11-29T01:59:59Z', 2 * HOUR, false],
    ['2026-11-29T03:59:59Z', 2 * HOUR, true],
    ['2026-11-29T04:00:01Z', 2 * HOUR, false],
    ['2026-07-05T01:00:00Z', 0, true],
    ['2026-07-05T02:00:00Z', 0, false],
  ] as const)
    t.equal(isSetTime(policy(jitter), Date.parse(time)), expected, `${time}, ${jitter} ms behind at most`)
  t.equal(isSetTime(never, NOW), false)
  fc.assert(
    fc.property(
      fc.nat(2 * 365 * DAY),
      fc.nat(3 * DAY),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (after, jitter, random) => {
        const planned = nextRotation(policy(jitter), undefined, NOW + after, random)!
        return isSetTime(policy(jitter), planned.dueAt)
      },
    ),
    { numRuns: 200 },
  )
})
