/** Reads an iCalendar text (RFC 5545): who is on call from when to when, within a span of time. Pure; run on a thread, since a text may be made to take for ever. */

import ICAL from 'ical.js'
import { printable } from '../../shared/text/printable.ts'
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
  /** Of events that count for nobody, since they cannot be read: the first few, and how many. */
  readonly problems: { readonly count: number; readonly first: readonly string[] }
}

const MOST_EVENTS = 20_000
const MOST_SHIFTS = 20_000
const MOST_STEPS = 200_000
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
  for (const calendar of calendarsIn(text)) {
    if (wordOf(calendar, 'method') === 'CANCEL') continue
    const zones = zonesOf(calendar, span.zone)
    for (const series of seriesIn(calendar)) {
      try {
        for (const shift of shiftsOf(series, zones, span, steps)) shifts.push(shift)
      } catch (error) {
        if (error instanceof CalendarUnfit) throw error
        count++
        if (problems.length < MOST_PROBLEMS) problems.push(problemOf(series, error))
      }
      if (shifts.length > MOST_SHIFTS) throw new CalendarUnfit(`it has more than ${MOST_SHIFTS} shifts`)
    }
  }
  return { shifts, problems: { count, first: problems } }
}

function calendarsIn(text: string): ICAL.Component[] {
  let parsed: unknown
  try {
    parsed = ICAL.parse(text)
  } catch (cause) {
    throw new CalendarUnfit('it is no iCalendar text, or a rule in it is none', { cause })
  }
  const all = Array.isArray(parsed) && typeof parsed[0] === 'string' ? [parsed] : (parsed as unknown[])
  if (all.length === 0 || all.some(one => !Array.isArray(one) || one[0] !== 'vcalendar'))
    throw new CalendarUnfit('it is no iCalendar text')
  return all.map(one => new ICAL.Component(one as never))
}

/** An event with the instances of it that were changed. */
interface Series {
  readonly main: ICAL.Component | undefined
  readonly changed: readonly ICAL.Component[]
}

function seriesIn(calendar: ICAL.Component): Series[] {
  const byUid = new Map<string, ICAL.Component[]>()
  for (const [index, event] of calendar.getAllSubcomponents('vevent').entries()) {
    const uid = wordOf(event, 'uid') ?? `\0${index}`
    const some = byUid.get(uid)
    if (some === undefined) byUid.set(uid, [event])
    else some.push(event)
  }
  return [...byUid.values()].map(events => {
    const changed = new Map<string, ICAL.Component>()
    let main: ICAL.Component | undefined
    for (const event of events) {
      const instance = event.getFirstProperty('recurrence-id')?.toICALString()
      if (instance === undefined) main = newerOf(main, event)
      else changed.set(instance, newerOf(changed.get(instance), event))
    }
    return { main, changed: [...changed.values()] }
  })
}

/** Of two versions of one event: the higher SEQUENCE, then the later DTSTAMP. */
function newerOf(one: ICAL.Component | undefined, other: ICAL.Component): ICAL.Component {
  if (one === undefined) return other
  const sequence = (event: ICAL.Component) => Number(event.getFirstPropertyValue('sequence') ?? 0)
  const stamp = (event: ICAL.Component) => wordOf(event, 'dtstamp') ?? ''
  if (sequence(one) !== sequence(other)) return sequence(one) > sequence(other) ? one : other
  return stamp(one) > stamp(other) ? one : other
}

function shiftsOf({ main, changed }: Series, zones: Zone, span: CalendarSpan, steps: Steps): Shift[] {
  if (main !== undefined && wordOf(main, 'status') === 'CANCELLED') return []
  const ofMain = main === undefined ? [] : shiftsOfEvent(main, changed, zones, span, steps)
  return [...ofMain, ...changed.flatMap(event => shiftsOfEvent(event, [], zones, span, steps))]
}

function shiftsOfEvent(
  event: ICAL.Component,
  changed: readonly ICAL.Component[],
  zones: Zone,
  span: CalendarSpan,
  steps: Steps,
): Shift[] {
  const status = wordOf(event, 'status')
  // A tentative one is nobody's shift yet.
  if (status === 'CANCELLED' || status === 'TENTATIVE') return []
  const who = whoOf(event, span.person)
  if (who.length === 0) return []
  return occurrencesOf(event, changed, zones, span, steps).map(({ start, end }) => ({ start, end, who }))
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

function wordOf(component: ICAL.Component, name: string): string | undefined {
  const value = component.getFirstPropertyValue(name)
  return value === null || value === undefined ? undefined : String(value)
}

function problemOf({ main, changed }: Series, error: unknown): string {
  const event = main ?? changed[0]!
  const which = printable(String(event.getFirstPropertyValue('summary') ?? 'an event')).slice(0, 60)
  const why = printable(error instanceof Error ? error.message : String(error)).slice(0, 120)
  return `${which}: ${why}`
}
