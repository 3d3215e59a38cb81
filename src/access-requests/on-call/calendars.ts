/** Who is on call: the calendars of the configuration, read now and then beside everything else. What is asked of them waits for nothing. */

import type { CalendarSettings } from '../../config/outside-facts.ts'
import { readTrusted } from '../../config/tls-files.ts'
import { matchesPattern } from '../../policy/match.ts'
import type { Clock } from '../../shared/clock.ts'
import { pastMinute } from '../../shared/text/iso-time.ts'
import { fetchCalendar } from './fetch-calendar.ts'
import { CalendarUnfit } from './occurrences.ts'
import type { ReadCalendar } from './read-calendar.ts'
import { createCalendarReader } from './read-on-thread.ts'

/** `unknown`: why nobody can say. */
export type OnCall = { readonly is: 'on-call' | 'not-on-call' } | { readonly is: 'unknown'; readonly why: string }

/** Whom a shift may mean. */
export interface Person {
  readonly name: string
  readonly email?: string | undefined
}

/** Of a calendar: when it was read last, and why it could not be since. */
export interface CalendarState {
  readonly calendar: string
  readonly readAt: number | undefined
  readonly shifts: number
  /** Events that cannot be read. */
  readonly problems: ReadCalendar['problems']
  readonly failure: string | undefined
  /** Who has a shift now: users, where the configuration names them, else as the calendar has it. Undefined: nobody can say. */
  readonly now: readonly string[] | undefined
  /** Whose shifts begin next, and when. */
  readonly next: { readonly at: number; readonly who: readonly string[] } | undefined
}

export interface Calendars {
  /** Whether the person has a shift at that time. */
  onCall(calendar: string, person: Person, at: number): OnCall
  states(): CalendarState[]
  /** Reads one now. Never rejects: what went wrong is in its state. */
  read(calendar: string): Promise<void>
  /** Until the last reading is over. */
  close(): Promise<void>
}

interface Parts {
  readonly calendars: Readonly<Record<string, CalendarSettings>>
  readonly clock: Clock
  /** One was read, or could not be; `changed`: that was not so the last time. */
  readonly told: (calendar: string, failure: string | undefined, changed: boolean) => void
}

const DAY_MS = 86_400_000
/** What a dry run looks back to, and how far ahead a request may begin. */
const BACK_MS = 32 * DAY_MS
const AHEAD_MS = 92 * DAY_MS

interface Known {
  readonly settings: CalendarSettings
  read: (ReadCalendar & { readonly at: number }) | undefined
  failure: string | undefined
  timer: NodeJS.Timeout | undefined
  reading: Promise<void> | undefined
}

export function createCalendars({ calendars, clock, told }: Parts): Calendars {
  const known = new Map<string, Known>(
    Object.entries(calendars).map(([name, settings]) => [
      name,
      { settings, read: undefined, failure: undefined, timer: undefined, reading: undefined },
    ]),
  )
  const closing = new AbortController()
  const readText = createCalendarReader()

  async function readOnce(name: string, one: Known): Promise<void> {
    const { settings } = one
    const before = one.failure
    const hadRead = one.read !== undefined
    try {
      const ca = settings.caFile === undefined ? undefined : await trusted(settings.caFile)
      const text = await fetchCalendar(name, settings, ca, closing.signal)
      const at = clock.now()
      const { person, zone } = settings
      const read = await readText(text, { from: at - BACK_MS, until: at + AHEAD_MS, person, zone }, closing.signal)
      one.read = { ...read, at }
      one.failure = undefined
    } catch (error) {
      if (closing.signal.aborted) return
      one.failure = error instanceof CalendarUnfit ? error.message : 'it cannot be read'
    }
    const changed = (one.failure === undefined) !== (before === undefined) || (one.failure === undefined && !hadRead)
    told(name, one.failure, changed)
  }

  function read(name: string): Promise<void> {
    const one = known.get(name)
    if (one === undefined || closing.signal.aborted) return Promise.resolve()
    one.reading ??= readOnce(name, one).finally(() => {
      one.reading = undefined
      clearTimeout(one.timer)
      if (!closing.signal.aborted) one.timer = setTimeout(() => void read(name), one.settings.refresh).unref()
    })
    return one.reading
  }

  function isTooOld({ read, settings }: Known): boolean {
    return read !== undefined && clock.now() - read.at > settings.keep + settings.refresh
  }

  function shiftsNow(one: Known): Pick<CalendarState, 'now' | 'next'> {
    const { read, settings } = one
    if (read === undefined || isTooOld(one)) return { now: undefined, next: undefined }
    const at = clock.now()
    const people = (shifts: typeof read.shifts) => [
      ...new Set(shifts.flatMap(({ who }) => who.map(name => personNamed(settings, name)))),
    ]
    const begins = read.shifts.reduce((first, { start }) => (start > at ? Math.min(first, start) : first), Infinity)
    return {
      now: people(read.shifts.filter(({ start, end }) => start <= at && at < end)),
      next:
        begins === Infinity
          ? undefined
          : { at: begins, who: people(read.shifts.filter(({ start }) => start === begins)) },
    }
  }

  for (const name of known.keys()) void read(name)

  return {
    onCall(calendar, person, at) {
      const one = known.get(calendar)
      if (one === undefined) return unknown(`there is no calendar ${calendar} in the configuration`)
      if (one.read === undefined)
        return unknown(`the calendar ${calendar} could not be read${one.failure ? `: ${one.failure}` : ' yet'}`)
      if (isTooOld(one))
        return unknown(`the calendar ${calendar} was read last at ${pastMinute(one.read.at)}: ${one.failure}`)
      if (at < one.read.at - BACK_MS || at >= one.read.at + AHEAD_MS)
        return unknown(`the calendar ${calendar} is known for a month back and three ahead`)
      const means = meansPerson(one.settings, person)
      const has = one.read.shifts.some(({ start, end, who }) => start <= at && at < end && who.some(means))
      if (has) return { is: 'on-call' }
      const { doubtful, problems } = one.read
      if (doubtful === undefined || doubtful.some(means))
        return unknown(`the calendar ${calendar} has an event that cannot be read: ${problems.first[0]}`)
      return { is: 'not-on-call' }
    },

    states: () =>
      [...known].map(([calendar, one]) => ({
        ...{ calendar, readAt: one.read?.at, failure: one.failure },
        shifts: one.read?.shifts.length ?? 0,
        problems: one.read?.problems ?? { count: 0, first: [] },
        ...shiftsNow(one),
      })),

    read,

    async close() {
      closing.abort()
      for (const { timer } of known.values()) clearTimeout(timer)
      await Promise.all([...known.values()].map(({ reading }) => reading))
    },
  }
}

/** The user whom the configuration names for it; else what the calendar says. */
function personNamed(settings: CalendarSettings, who: string): string {
  return namesOf(settings).find(({ pattern }) => matchesPattern(pattern, who))?.user ?? who
}

/** By the names of the configuration; an address that is not among them, by the user's entry. */
function meansPerson(settings: CalendarSettings, { name, email }: Person): (who: string) => boolean {
  const patterns = namesOf(settings)
  const address = email?.trim().toLowerCase()
  return who => {
    const named = patterns.filter(({ pattern }) => matchesPattern(pattern, who))
    if (named.length > 0) return named.some(({ user }) => user === name)
    return settings.person !== 'summary' && address !== undefined && who === address
  }
}

function namesOf({ names, person: by }: CalendarSettings): { pattern: string; user: string }[] {
  return Object.entries(names).map(([pattern, user]) => ({
    pattern: by === 'summary' ? pattern : pattern.toLowerCase(),
    user,
  }))
}

async function trusted(file: string): Promise<string> {
  try {
    return await readTrusted(file)
  } catch (cause) {
    throw new CalendarUnfit('its caFile cannot be used', { cause })
  }
}

function unknown(why: string): OnCall {
  return { is: 'unknown', why }
}
