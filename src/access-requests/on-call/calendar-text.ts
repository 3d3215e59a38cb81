/** The text of an iCalendar taken apart (RFC 5545), each event read alone: one that cannot be read spoils no other. */

import ICAL from 'ical.js'
import { CalendarUnfit } from './occurrences.ts'

export interface CalendarEvent {
  readonly event: ICAL.Component
  /** As they are written, without what stands before the colon. */
  readonly rules: readonly string[]
  /** Lines of it that matter and cannot be read: of which properties. They are not in `event`. */
  readonly unread: readonly string[]
}

export interface CalendarParts {
  /** Its own properties and the zones that it describes. */
  readonly calendar: ICAL.Component
  readonly events: readonly CalendarEvent[]
}

/** What an event says of who is on call, and when. The rest of it is left alone. */
const MATTERS = new Set([
  ...['uid', 'recurrence-id', 'sequence', 'dtstamp', 'status', 'dtstart', 'dtend', 'duration', 'rdate', 'exdate'],
  ...['exrule', 'attendee', 'organizer', 'summary'],
])

/** Throws {@link CalendarUnfit} where it is none. */
export function calendarsIn(text: string): CalendarParts[] {
  const blocks = blocksOf(text)
  if (blocks.length === 0 || blocks.some(({ name }) => name !== 'vcalendar')) throw noCalendar()
  return blocks.map(({ lines, inside }) => {
    const calendar = parse('vcalendar', lines)
    if (calendar === undefined) throw noCalendar()
    for (const { name, all } of inside) {
      const zone = name === 'vtimezone' ? parse(name, all) : undefined
      // Events of one that cannot be read say so themselves.
      if (zone !== undefined) calendar.addSubcomponent(zone)
    }
    return { calendar, events: inside.filter(({ name }) => name === 'vevent').map(eventOf) }
  })
}

interface Block {
  readonly name: string
  /** Its own lines, without what is inside. */
  readonly lines: string[]
  readonly inside: Block[]
  /** Of a part of a calendar: all lines between its BEGIN and END. */
  readonly all: string[]
}

function blocksOf(text: string): Block[] {
  const found: Block[] = []
  const open: Block[] = []
  for (const line of unfolded(text)) {
    const [, what, given = ''] = /^(BEGIN|END):(.*)$/i.exec(line) ?? []
    const name = given.trim().toLowerCase()
    const isEnd = what?.toUpperCase() === 'END'
    if (isEnd && open.pop()?.name !== name) throw noCalendar()
    open[1]?.all.push(line)
    if (what === undefined) {
      if (open.length > 0) open.at(-1)!.lines.push(line)
      else if (line.trim() !== '') throw noCalendar()
    } else if (!isEnd) {
      const block: Block = { name, lines: [], inside: [], all: [] }
      const siblings = open.at(-1)?.inside ?? found
      siblings.push(block)
      open.push(block)
    }
  }
  if (open.length > 0) throw noCalendar()
  return found
}

/** Lines that begin with white space go on the one before. */
function* unfolded(text: string): Generator<string> {
  let line: string[] | undefined
  for (const piece of text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)) {
    if (line !== undefined && /^[ \t]/.test(piece)) line.push(piece.slice(1))
    else {
      if (line !== undefined) yield line.join('')
      line = [piece]
    }
  }
  if (line !== undefined) yield line.join('')
}

function eventOf({ lines }: Block): CalendarEvent {
  const isRule = (line: string) => nameOf(line) === 'rrule'
  const rules = lines.filter(isRule).map(line => line.slice(line.indexOf(':') + 1))
  const others = lines.filter(line => !isRule(line) && line.trim() !== '')
  const whole = parse('vevent', others)
  if (whole !== undefined) return { event: whole, rules, unread: [] }
  const good = others.filter(line => parse('vevent', [line]) !== undefined)
  const unread = others.filter(line => !good.includes(line)).map(nameOf)
  return {
    event: parse('vevent', good) ?? new ICAL.Component('vevent'),
    rules,
    unread: [...new Set(unread.map(name => (MATTERS.has(name) ? name : '')))].filter(name => name !== ''),
  }
}

function nameOf(line: string): string {
  return /^[A-Za-z0-9-]*/.exec(line)![0].toLowerCase()
}

function parse(name: string, lines: readonly string[]): ICAL.Component | undefined {
  try {
    const parsed = ICAL.parse([`BEGIN:${name}`, ...lines, `END:${name}`].join('\r\n'))
    return typeof parsed[0] === 'string' ? new ICAL.Component(parsed as never) : undefined
  } catch {
    return undefined
  }
}

function noCalendar(): CalendarUnfit {
  return new CalendarUnfit('it is no iCalendar text')
}
