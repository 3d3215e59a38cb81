/**
 * The instances of an RRULE by the wall clock (milliseconds as if in UTC), from its beginning on and in their order. A beginning that the rule does
 * not name is no instance. Days that are not there (31 April) are none.
 */

import type { NumberPart, RecurrenceRule } from './recurrence-rule.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const SMALL = { HOURLY: HOUR_MS, MINUTELY: MINUTE_MS, SECONDLY: SECOND_MS } as const

/** `until`: no instance after it is wanted. `step` is told what each of the rule's periods, and each instance, costs; it may throw. */
export function* recur(
  rule: RecurrenceRule,
  first: number,
  until: number,
  step: (cost: number) => void,
): Generator<number> {
  for (let period = 0; ; period += rule.interval) {
    step(rule.freq === 'YEARLY' ? 12 : 1)
    const [begins, instances] = periodOf(rule, first, period)
    if (!(begins <= until)) return
    for (const instance of atPositions(instances, rule.by.BYSETPOS)) {
      if (instance < first) continue
      step(1)
      yield instance
    }
  }
}

/** When it begins, and its instances in their order. */
function periodOf(rule: RecurrenceRule, first: number, period: number): [number, number[]] {
  const { freq } = rule
  if (freq === 'HOURLY' || freq === 'MINUTELY' || freq === 'SECONDLY') {
    const length = SMALL[freq]
    const begins = first - (first % length) + period * length
    const day = begins - modulo(begins, DAY_MS)
    return [begins, isDayOf(rule, first, day) ? timesWithin(rule, first, begins) : []]
  }
  const days = daysOf(rule, first, period)
  const times = timesOfDay(rule, first)
  const wanted = days.filter(day => isDayOf(rule, first, day))
  return [days[0]!, wanted.flatMap(day => times.map(time => day + time))]
}

/** All days of that period. */
function daysOf({ freq, weekStart }: RecurrenceRule, first: number, period: number): number[] {
  const day = first - modulo(first, DAY_MS)
  const date = new Date(day)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  switch (freq) {
    case 'YEARLY':
      return daysBetween(Date.UTC(year + period, 0), Date.UTC(year + period + 1, 0))
    case 'MONTHLY':
      return daysBetween(Date.UTC(year, month + period), Date.UTC(year, month + period + 1))
    case 'WEEKLY': {
      const monday = day - modulo(weekdayOf(day) - weekStart, 7) * DAY_MS + period * 7 * DAY_MS
      return daysBetween(monday, monday + 7 * DAY_MS)
    }
    default:
      return [day + period * DAY_MS]
  }
}

function daysBetween(from: number, to: number): number[] {
  return Array.from({ length: Math.round((to - from) / DAY_MS) }, (_, index) => from + index * DAY_MS)
}

/** What the rule does not say is as at its beginning. */
function isDayOf(rule: RecurrenceRule, first: number, day: number): boolean {
  const { freq, by, byDay } = rule
  if (byDay === undefined && freq !== 'YEARLY' && freq !== 'MONTHLY' && freq !== 'WEEKLY' && saysNoDay(by)) return true
  const [date, start] = [new Date(day), new Date(first)]
  const month = date.getUTCMonth()
  if (!(by.BYMONTH?.includes(month + 1) ?? true)) return false
  const ofMonth = date.getUTCDate()
  const lengthOfMonth = new Date(Date.UTC(date.getUTCFullYear(), month + 1, 0)).getUTCDate()
  const yearBegins = Date.UTC(date.getUTCFullYear(), 0)
  const lengthOfYear = (Date.UTC(date.getUTCFullYear() + 1, 0) - yearBegins) / DAY_MS
  const ofYear = (day - yearBegins) / DAY_MS + 1
  const fits = (part: NumberPart, value: number, length = 0) =>
    by[part] === undefined || by[part].includes(value) || by[part].includes(value - length - 1)

  if (!fits('BYMONTHDAY', ofMonth, lengthOfMonth) || !fits('BYYEARDAY', ofYear, lengthOfYear)) return false
  if (by.BYWEEKNO !== undefined && !fits('BYWEEKNO', ...weekOf(day, rule.weekStart))) return false
  if (byDay !== undefined) {
    const [at, length] =
      freq === 'MONTHLY' || by.BYMONTH !== undefined ? [ofMonth, lengthOfMonth] : [ofYear, lengthOfYear]
    const nth = Math.ceil(at / 7)
    const nthFromEnd = -Math.ceil((length - at + 1) / 7)
    return byDay.some(
      one => one.weekday === weekdayOf(day) && (one.nth === undefined || one.nth === nth || one.nth === nthFromEnd),
    )
  }
  if (freq === 'WEEKLY' || by.BYWEEKNO !== undefined) return weekdayOf(day) === weekdayOf(first)
  if (by.BYMONTHDAY !== undefined || by.BYYEARDAY !== undefined || (freq !== 'YEARLY' && freq !== 'MONTHLY'))
    return true
  const isMonth = freq === 'MONTHLY' || by.BYMONTH !== undefined || month === start.getUTCMonth()
  return isMonth && ofMonth === start.getUTCDate()
}

function saysNoDay({ BYMONTH, BYMONTHDAY, BYYEARDAY }: RecurrenceRule['by']): boolean {
  return BYMONTH === undefined && BYMONTHDAY === undefined && BYYEARDAY === undefined
}

/** The week of its year, and how many that has: the first is the one with four days in it. */
function weekOf(day: number, weekStart: number): [number, number] {
  const begins = day - modulo(weekdayOf(day) - weekStart, 7) * DAY_MS
  const year = new Date(begins + 3 * DAY_MS).getUTCFullYear()
  const [one, next] = [firstWeekOf(year), firstWeekOf(year + 1)]
  return [Math.round((begins - one) / (7 * DAY_MS)) + 1, Math.round((next - one) / (7 * DAY_MS))]

  function firstWeekOf(of: number): number {
    const fourth = Date.UTC(of, 0, 4)
    return fourth - modulo(weekdayOf(fourth) - weekStart, 7) * DAY_MS
  }
}

function timesOfDay({ by }: RecurrenceRule, first: number): number[] {
  const [hour, minute, second] = clockOf(first)
  const times = (by.BYHOUR ?? [hour]).flatMap(h =>
    (by.BYMINUTE ?? [minute]).flatMap(m => secondsOf(by, second).map(s => (h * 60 + m) * MINUTE_MS + s * SECOND_MS)),
  )
  return ordered(times)
}

/** Of an hour, a minute or a second that begins then. */
function timesWithin({ freq, by }: RecurrenceRule, first: number, begins: number): number[] {
  const [hour, minute, second] = clockOf(begins)
  const [, ownMinute, ownSecond] = clockOf(first)
  if (!(by.BYHOUR?.includes(hour) ?? true)) return []
  if (freq !== 'HOURLY' && !(by.BYMINUTE?.includes(minute) ?? true)) return []
  if (freq === 'SECONDLY') return (by.BYSECOND?.includes(second) ?? true) ? [begins] : []
  const minutes = freq === 'HOURLY' ? (by.BYMINUTE ?? [ownMinute]) : [0]
  return ordered(minutes.flatMap(m => secondsOf(by, ownSecond).map(s => begins + m * MINUTE_MS + s * SECOND_MS)))
}

/** A leap second is none here. */
function secondsOf({ BYSECOND }: RecurrenceRule['by'], own: number): number[] {
  return (BYSECOND ?? [own]).filter(second => second < 60)
}

function clockOf(wall: number): [number, number, number] {
  const date = new Date(wall)
  return [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
}

function atPositions(instances: number[], positions: readonly number[] | undefined): number[] {
  if (positions === undefined) return instances
  return ordered(positions.flatMap(at => instances.at(at > 0 ? at - 1 : at) ?? []))
}

function ordered(times: number[]): number[] {
  return [...new Set(times)].sort((a, b) => a - b)
}

/** 0: Sunday. */
function weekdayOf(day: number): number {
  return new Date(day).getUTCDay()
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by
}
