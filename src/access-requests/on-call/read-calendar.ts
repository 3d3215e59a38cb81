/** Reads an iCalendar text (RFC 5545): who is on call from when to when, within a span of time. Pure; run on a thread, since a text may be made to take for ever. */

import type ICAL from 'ical.js'
import { printable } from '../../shared/text/printable.ts'
import { type CalendarEvent, calendarsIn } from './calendar-text.ts'
import { CalendarUnfit, occurrencesOf, type Steps } from './occurrences.ts'
import { type Zone, zonesOf } from './zones.ts'

export interface Shift {
  /** Milliseconds since the epoch; `end` is not in it. */
  readonly start: number
  readonly end: number
  /** Addresses in small letters, or the summary. */
  readonly who: readonly string[]
}

export interface CalendarSpan {
  readonly from: number
  readonly until: number
  readonly person: 'attendee' | 'organizer' | 'summary'
  /** Of times that name no zone; not given: what the calendar says, or UTC. */
  readonly zone?: string | undefined
}

export interface ReadCalendar {
  readonly shifts: readonly Shift[]
  /** Of events that cannot be read: the first few in words, and how many. */
  readonly problems: { readonly count: number; readonly first: readonly string[] }
  /** Who takes part in one of those: whether they are on call nobody can say. Undefined: it may be anybody. */
  readonly doubtful: readonly string[] | undefined
}

const MOST_EVENTS = 20_000
const MOST_SHIFTS = 20_000
const MOST_STEPS = 500_000
const MOST_PEOPLE = 100
const MOST_PROBLEMS = 3
const MOST_CHARACTERS = 256

/** Throws {@link CalendarUnfit}. */
export function readCalendar(text: string, span: CalendarSpan): ReadCalendar {
  if ((text.match(/^BEGIN:VEVENT/gim)?.length ?? 0) > MOST_EVENTS)
    throw new CalendarUnfit(`it has more than ${MOST_EVENTS} events`)
  const shifts: Shift[] = []
  const problems: string[] = []
  let count = 0
  const steps: Steps = { left: MOST_STEPS }
  let doubtful: Set<string> | undefined = new Set()
  for (const { calendar, events } of calendarsIn(text)) {
    if (wordOf(calendar, 'method') === 'CANCEL') continue
    const zones = zonesOf(calendar, span.zone)
    for (const series of seriesIn(events)) {
      try {
        for (const shift of shiftsOf(series, zones, span, steps)) shifts.push(shift)
      } catch (error) {
        if (error instanceof CalendarUnfit) throw error
        count++
        if (problems.length < MOST_PROBLEMS) problems.push(problemOf(series, error))
        const who = whoOfAll(series, span.person)
        doubtful = who === undefined ? undefined : doubtful?.union(new Set(who))
      }
      if (shifts.length > MOST_SHIFTS) throw new CalendarUnfit(`it has more than ${MOST_SHIFTS} shifts`)
    }
  }
  return { shifts, problems: { count, first: problems }, doubtful: doubtful && [...doubtful] }
}

/** An event with the instances of it that were changed. */
interface Series {
  readonly main: CalendarEvent | undefined
  readonly changed: readonly CalendarEvent[]
}

function seriesIn(all: readonly CalendarEvent[]): Series[] {
  const byUid = new Map<string, CalendarEvent[]>()
  for (const [index, one] of all.entries()) {
    const uid = rawOf(one, 'uid') ?? `\0${index}`
    const some = byUid.get(uid)
    if (some === undefined) byUid.set(uid, [one])
    else some.push(one)
  }
  return [...byUid.values()].map(events => {
    const changed = new Map<string, CalendarEvent>()
    let main: CalendarEvent | undefined
    for (const one of events) {
      const instance = rawOf(one, 'recurrence-id')
      if (instance === undefined) main = newerOf(main, one)
      else changed.set(instance, newerOf(changed.get(instance), one))
    }
    return { main, changed: [...changed.values()] }
  })
}

/** Of two versions of one event: the higher SEQUENCE, then the later DTSTAMP. */
function newerOf(one: CalendarEvent | undefined, other: CalendarEvent): CalendarEvent {
  if (one === undefined) return other
  const sequence = (event: CalendarEvent) => Number(rawOf(event, 'sequence') ?? 0)
  const stamp = (event: CalendarEvent) => rawOf(event, 'dtstamp') ?? ''
  if (sequence(one) !== sequence(other)) return sequence(one) > sequence(other) ? one : other
  return stamp(one) > stamp(other) ? one : other
}

function shiftsOf({ main, changed }: Series, zones: Zone, span: CalendarSpan, steps: Steps): Shift[] {
  if (main !== undefined && main.unread.length === 0 && rawOf(main, 'status') === 'CANCELLED') return []
  const ofMain = main === undefined ? [] : shiftsOfEvent(main, changed, zones, span, steps)
  return [...ofMain, ...changed.flatMap(one => shiftsOfEvent(one, [], zones, span, steps))]
}

function shiftsOfEvent(
  one: CalendarEvent,
  changed: readonly CalendarEvent[],
  zones: Zone,
  span: CalendarSpan,
  steps: Steps,
): Shift[] {
  const { event, unread } = one
  if (unread.length > 0) throw new Error(`its ${unread.join(', ').toUpperCase()} cannot be read`)
  const status = rawOf(one, 'status')
  // A tentative one is nobody's shift yet.
  if (status === 'CANCELLED' || status === 'TENTATIVE') return []
  const who = whoOf(event, span.person)
  if (who.length === 0) return []
  const others = changed.map(({ event }) => event)
  return occurrencesOf(one, others, zones, span, steps).map(({ start, end }) => ({ start, end, who }))
}

/** Undefined where that is what cannot be read, or which series it is of. */
function whoOfAll({ main, changed }: Series, person: CalendarSpan['person']): string[] | undefined {
  const all = main === undefined ? changed : [main, ...changed]
  try {
    if (all.some(({ unread }) => [person, 'uid'].some(name => unread.includes(name)))) return undefined
    return all.flatMap(({ event }) => whoOf(event, person))
  } catch {
    return undefined
  }
}

/** Who takes part, and has not said otherwise. */
function whoOf(event: ICAL.Component, person: CalendarSpan['person']): string[] {
  if (person === 'summary') {
    const summary = event.getFirstPropertyValue('summary')
    return typeof summary === 'string' && summary !== '' ? [summary.trim().slice(0, MOST_CHARACTERS)] : []
  }
  const all = event.getAllProperties(person).slice(0, MOST_PEOPLE)
  return all.flatMap(property => {
    const says = String(property.getParameter('partstat') ?? '').toUpperCase()
    const role = String(property.getParameter('role') ?? '').toUpperCase()
    if (['DECLINED', 'DELEGATED', 'TENTATIVE'].includes(says) || role === 'NON-PARTICIPANT') return []
    const address = String(property.getFirstValue())
      .replace(/^mailto:/i, '')
      .trim()
      .toLowerCase()
    return address.includes('@') && address.length <= MOST_CHARACTERS ? [address] : []
  })
}

/** As it is written: it may be none. */
function rawOf({ event }: CalendarEvent, name: string): string | undefined {
  const value: unknown = event.getFirstProperty(name)?.jCal.slice(3)
  return value === undefined ? undefined : String(value)
}

function wordOf(component: ICAL.Component, name: string): string | undefined {
  const value = component.getFirstPropertyValue(name)
  return value === null || value === undefined ? undefined : String(value)
}

function problemOf({ main, changed }: Series, error: unknown): string {
  const { event } = main ?? changed[0]!
  const which = printable(String(event.getFirstPropertyValue('summary') ?? 'an event')).slice(0, 60)
  const why = printable(error instanceof Error ? error.message : String(error)).slice(0, 120)
  return `${which}: ${why}`
}
