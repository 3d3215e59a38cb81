/** The occurrences of one event within a span of time: rules, further dates, exceptions, and instances that were changed. */

import ICAL from 'ical.js'
import { recur } from './recur.ts'
import { readRecurrenceRule, type Until } from './recurrence-rule.ts'
import { UTC, type Zone, type ZoneClock } from './zones.ts'

/** The whole calendar cannot be used: in words that hold nothing of its text. */
export class CalendarUnfit extends Error {}

/** What may still be expanded: of the whole calendar. */
export interface Steps {
  left: number
}

export interface Occurrence {
  readonly start: number
  readonly end: number
}

interface Span {
  readonly from: number
  readonly until: number
}

/** A time as it is written: what the wall clock shows (milliseconds as if in UTC), and of which zone. */
interface Written {
  readonly wall: number
  readonly clock: ZoneClock
  readonly isDate: boolean
}

const DAY_MS = 86_400_000
/** Of one event. */
const MOST_STEPS = 50_000

/** `rules`: its RRULEs, as they are written. `changed`: instances of it that another event replaces. Throws what is wrong with it. */
export function occurrencesOf(
  { event, rules }: { readonly event: ICAL.Component; readonly rules: readonly string[] },
  changed: readonly ICAL.Component[],
  zones: Zone,
  span: Span,
  steps: Steps,
): Occurrence[] {
  if (event.getFirstProperty('exrule') !== null) throw new Error('EXRULE is not read')
  const first = writtenIn(event, 'dtstart', zones)[0]
  if (first === undefined) throw new Error('it has no DTSTART')
  const { clock } = first
  const length = lengthOf(event, first, zones)
  const isOut = exclusion(event, changed, zones)
  const found = new Map<number, Occurrence>()
  let own = MOST_STEPS

  function step(cost: number): void {
    own -= cost
    steps.left -= cost
    if (own < 0) throw new Error('it recurs too often, or since too long ago')
    if (steps.left < 0) throw new CalendarUnfit('its events recur too often, or since too long ago')
  }

  function take(wall: number, of: ZoneClock, ends: (wall: number) => number): boolean {
    const start = of.instantOf(wall)
    if (start >= span.until) return false
    const end = ends(wall)
    if (end > span.from && end > start && !isOut(start, wall)) found.set(start, { start, end })
    return true
  }

  const endOf = (of: ZoneClock) => (wall: number) =>
    'exact' in length ? of.instantOf(wall) + length.exact : of.instantOf(wall + length.nominal) + length.further
  if (rules.length === 0) take(first.wall, clock, endOf(clock))
  for (const text of rules) {
    const rule = readRecurrenceRule(text)
    const isOver = rule.until === undefined ? () => false : overAfter(rule.until, first)
    let count = 0
    // A wall clock is at most a day ahead of UTC, or behind.
    for (const wall of recur(rule, first.wall, span.until + DAY_MS, step)) {
      if (++count > (rule.count ?? count) || isOver(wall) || !take(wall, clock, endOf(clock))) break
    }
  }
  for (const property of event.getAllProperties('rdate')) {
    for (const value of property.getValues()) {
      if (value instanceof ICAL.Period) {
        const start = written(value.start, property, zones)
        step(1)
        take(start.wall, start.clock, wall => start.clock.instantOf(wall) + value.getDuration().toSeconds() * 1000)
      } else {
        const date = written(value, property, zones)
        // A day of a series with times begins at its time.
        const wall = date.isDate && !first.isDate ? date.wall + (first.wall % DAY_MS) : date.wall
        const of = date.isDate ? clock : date.clock
        step(1)
        take(wall, of, endOf(of))
      }
    }
  }
  return [...found.values()]
}

function overAfter({ wall: last, is }: Until, { clock }: Written): (wall: number) => boolean {
  if (is === 'day') return wall => wall >= last + DAY_MS
  if (is === 'utc') return wall => clock.instantOf(wall) > last
  return wall => wall > last
}

/** From the wall clock's time on, and what comes after that whatever it shows. */
type Length = { readonly nominal: number; readonly further: number } | { readonly exact: number }

/** By the wall clock, as people mean a shift from 22:00 to 06:00; exact where the two ends are written in different zones, and for hours of a DURATION. */
function lengthOf(event: ICAL.Component, first: Written, zones: Zone): Length {
  const end = writtenIn(event, 'dtend', zones)[0]
  if (end !== undefined) {
    if (end.clock.name === first.clock.name) return { nominal: end.wall - first.wall, further: 0 }
    return { exact: end.clock.instantOf(end.wall) - first.clock.instantOf(first.wall) }
  }
  const duration = event.getFirstPropertyValue('duration')
  if (duration instanceof ICAL.Duration) {
    const sign = duration.isNegative ? -1 : 1
    const nominal = sign * (duration.weeks * 7 + duration.days) * DAY_MS
    return { nominal, further: duration.toSeconds() * 1000 - nominal }
  }
  return { nominal: first.isDate ? DAY_MS : 0, further: 0 }
}

/** Whether an instance is taken out, by EXDATE or since another event is in its place. */
function exclusion(
  event: ICAL.Component,
  changed: readonly ICAL.Component[],
  zones: Zone,
): (start: number, wall: number) => boolean {
  const instants = new Set<number>()
  const days = new Set<number>()
  let from = Number.POSITIVE_INFINITY
  const note = ({ wall, clock, isDate }: Written) => (isDate ? days.add(wall) : instants.add(clock.instantOf(wall)))
  for (const one of writtenIn(event, 'exdate', zones)) note(one)
  for (const other of changed) {
    for (const one of writtenIn(other, 'recurrence-id', zones)) {
      note(one)
      // Of what is changed from then on, we know the first instance alone.
      const range = other.getFirstProperty('recurrence-id')?.getParameter('range')
      if (range !== undefined && range !== null) from = Math.min(from, one.clock.instantOf(one.wall))
    }
  }
  return (start, wall) => instants.has(start) || days.has(wall - (wall % DAY_MS)) || start >= from
}

function writtenIn(event: ICAL.Component, name: string, zones: Zone): Written[] {
  return event
    .getAllProperties(name)
    .flatMap(property => property.getValues().map(value => written(value, property, zones)))
}

function written(value: unknown, property: ICAL.Property, zones: Zone): Written {
  if (!(value instanceof ICAL.Time)) throw new Error(`its ${property.name.toUpperCase()} is no time`)
  const wall = wallOf(value)
  if (!Number.isFinite(wall)) throw new Error(`its ${property.name.toUpperCase()} is no time`)
  const tzid = property.getParameter('tzid')
  const isUtc = value.zone === ICAL.Timezone.utcTimezone
  return {
    ...{ wall, isDate: value.isDate },
    clock: isUtc ? UTC : zones(typeof tzid === 'string' && !value.isDate ? tzid : undefined),
  }
}

function wallOf(time: ICAL.Time): number {
  return Date.UTC(time.year, time.month - 1, time.day, time.hour, time.minute, time.second)
}
