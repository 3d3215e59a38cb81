/** Weekly hours in a time zone: whether a moment lies in them, and when the window that holds it ends. */

import { z } from 'zod'
import { BoundedMap } from './bounded-map.ts'

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Days, from and to in the time zone. `to` before `from` crosses midnight. */
export const hoursSchema = z
  .strictObject({
    days: z
      .array(z.enum(DAYS))
      .min(1)
      .default([...DAYS]),
    from: z
      .string()
      .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time is HH:MM')
      .default('00:00'),
    to: z
      .string()
      .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'a time is HH:MM')
      .default('24:00'),
    zone: z.string().refine(isTimeZone, 'a time zone is named as in Europe/Berlin or UTC').default('UTC'),
  })
  .refine(({ from, to }) => from !== to, 'from and to are the same; for the whole day leave both out')

export type Hours = z.output<typeof hoursSchema>

const DAY_MS = 86_400_000
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
/** Windows that touch for longer than a week touch for ever. */
const MOST_DAYS = 8

/** Whether the name is one that `Intl` knows, for example Europe/Berlin or UTC. */
export function isTimeZone(zone: string): boolean {
  try {
    wallClock(zone)
    return true
  } catch {
    return false
  }
}

/**
 * The end (milliseconds since the epoch) of the window that holds `now`; windows that touch count as one, and the end is
 * `Infinity` where they cover the week. Undefined when `now` is outside. Throws RangeError for an unknown zone.
 *
 * A window belongs to the day on which it begins; with `to` before `from` it ends on the next. Where the clocks change, it
 * begins and ends when the wall clock first shows that time, or first passes it.
 */
export function windowEnd(hours: Hours, now: number): number | undefined {
  const today = Math.floor(wallTime(hours.zone, now) / DAY_MS)
  let end: number | undefined
  for (let day = today - 1; day <= today + MOST_DAYS; day++) {
    // What begins on a later day does not hold this moment.
    if (day > today && end === undefined) return undefined
    const window = knownWindow(hours, day)
    if (window === undefined) continue
    if (end === undefined ? window.start <= now && now < window.end : window.start <= end) {
      end = Math.max(end ?? 0, window.end)
    } else if (end !== undefined) {
      return end
    }
  }
  return end === undefined ? undefined : Number.POSITIVE_INFINITY
}

interface Window {
  readonly start: number
  readonly end: number
}

/**
 * Windows that were asked for, by what the hours say and the day: each costs a few dozen readings of a clock, and roles are read from the store
 * anew for every login.
 */
const known = new BoundedMap<Map<number, Window | undefined>>(256)
const MOST_KNOWN_DAYS = 400

function knownWindow(hours: Hours, day: number): Window | undefined {
  const key = `${hours.days.join()} ${hours.from} ${hours.to} ${hours.zone}`
  let windows = known.get(key)
  if (windows === undefined) {
    windows = new Map()
    known.set(key, windows)
  }
  if (!windows.has(day)) {
    if (windows.size >= MOST_KNOWN_DAYS) windows.clear()
    windows.set(day, windowOn(hours, day))
  }
  return windows.get(day)
}

/** `day` counts from 1970-01-01 in the calendar of the zone. */
function windowOn(hours: Hours, day: number): Window | undefined {
  const weekday = WEEKDAYS[new Date(day * DAY_MS).getUTCDay()]!
  const from = minutes(hours.from)
  const to = minutes(hours.to)
  if (from === to || !hours.days.includes(weekday as Hours['days'][number])) return undefined
  const lastDay = to < from ? day + 1 : day
  return {
    start: firstInstant(hours.zone, day * DAY_MS + from * 60_000),
    end: firstInstant(hours.zone, lastDay * DAY_MS + to * 60_000),
  }
}

function minutes(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
}

/** The first instant at which the wall clock shows `wall`, or has jumped past it. */
export function firstInstant(zone: string, wall: number): number {
  const before = wallTime(zone, wall - DAY_MS) - (wall - DAY_MS)
  const after = wallTime(zone, wall + DAY_MS) - (wall + DAY_MS)
  const shown = [wall - before, wall - after].filter(instant => wallTime(zone, instant) === wall)
  if (shown.length > 0) return Math.min(...shown)
  // In the hour that is skipped in spring: the change itself lies between the two readings.
  let low = wall - Math.max(before, after)
  let high = wall - Math.min(before, after)
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000
    if (wallTime(zone, middle) >= wall) high = middle
    else low = Math.max(middle, low + 1000)
  }
  return wallTime(zone, low) >= wall ? low : high
}

const clocks = new Map<string, Intl.DateTimeFormat>()

function wallClock(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    clocks.set(zone, clock)
  }
  return clock
}

/** One moment is asked about again and again: for each role, and for what is and what would be. By zone. */
const lastRead = new Map<string, { readonly instant: number; readonly wall: number }>()

/** What the wall clock of the zone shows at an instant, written as if it were UTC. Whole seconds. */
function wallTime(zone: string, instant: number): number {
  const last = lastRead.get(zone)
  if (last?.instant === instant) return last.wall
  const wall = readClock(zone, instant)
  lastRead.set(zone, { instant, wall })
  return wall
}

function readClock(zone: string, instant: number): number {
  const part: Record<string, number> = {}
  for (const { type, value } of wallClock(zone).formatToParts(instant)) part[type] = Number(value)
  return Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute, part.second)
}
