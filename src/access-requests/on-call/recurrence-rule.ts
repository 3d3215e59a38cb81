/** RRULE of RFC 5545, read strictly: what the RFC forbids is an error, since nobody knows what was meant. */

export const FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY', 'SECONDLY'] as const
export type Frequency = (typeof FREQUENCIES)[number]

export interface RecurrenceRule {
  readonly freq: Frequency
  readonly interval: number
  readonly count?: number
  readonly until?: Until
  /** 0: Sunday. */
  readonly weekStart: number
  readonly byDay?: readonly { readonly weekday: number; readonly nth?: number }[]
  readonly by: Readonly<Partial<Record<NumberPart, readonly number[]>>>
}

/** `wall`: milliseconds as if in UTC. */
export interface Until {
  readonly wall: number
  readonly is: 'day' | 'utc' | 'local'
}

/** The highest of each, and whether one may count from the end. */
const NUMBER_PARTS = {
  BYSECOND: { from: 0, to: 60, fromEnd: false },
  BYMINUTE: { from: 0, to: 59, fromEnd: false },
  BYHOUR: { from: 0, to: 23, fromEnd: false },
  BYMONTHDAY: { from: 1, to: 31, fromEnd: true },
  BYYEARDAY: { from: 1, to: 366, fromEnd: true },
  BYWEEKNO: { from: 1, to: 53, fromEnd: true },
  BYMONTH: { from: 1, to: 12, fromEnd: false },
  BYSETPOS: { from: 1, to: 366, fromEnd: true },
} as const
export type NumberPart = keyof typeof NUMBER_PARTS

const DAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
const MOST = 100_000

/** With which frequencies the RFC forbids a part. */
const FORBIDDEN: Partial<Record<NumberPart, readonly Frequency[]>> = {
  BYMONTHDAY: ['WEEKLY'],
  BYYEARDAY: ['DAILY', 'WEEKLY', 'MONTHLY'],
  BYWEEKNO: ['MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY', 'SECONDLY'],
}

/** Throws what is wrong with it. */
export function readRecurrenceRule(text: string): RecurrenceRule {
  const parts = partsOf(text)
  const freq = FREQUENCIES.find(one => one === parts.get('FREQ'))
  if (freq === undefined) throw bad('it has no FREQ that is known')
  const by: Partial<Record<NumberPart, number[]>> = {}
  for (const [name, value] of parts) {
    if (!isNumberPart(name)) continue
    if (FORBIDDEN[name]?.includes(freq)) throw bad(`${name} does not go with ${freq}`)
    by[name] = value.split(',').map(one => numberIn(name, one))
  }
  const [count, until] = [parts.get('COUNT'), parts.get('UNTIL')]
  if (count !== undefined && until !== undefined) throw bad('it has both COUNT and UNTIL')
  const days = parts.get('BYDAY')?.split(',').map(dayOf)
  if (days?.some(({ nth }) => nth !== undefined) && !mayCountDays(freq, by))
    throw bad('its BYDAY counts days where that means nothing')
  return {
    ...{ freq, by, interval: positive('INTERVAL', parts.get('INTERVAL') ?? '1') },
    weekStart: weekdayOf(parts.get('WKST') ?? 'MO'),
    ...(count === undefined ? {} : { count: positive('COUNT', count) }),
    ...(until === undefined ? {} : { until: untilOf(until) }),
    ...(days === undefined ? {} : { byDay: days }),
  }
}

function partsOf(text: string): Map<string, string> {
  const parts = new Map<string, string>()
  for (const part of text.trim().toUpperCase().replace(/;$/, '').split(';')) {
    const [, name, value] = /^([A-Z-]+)=(.+)$/.exec(part) ?? []
    if (name === undefined) throw bad('a part of it is not NAME=VALUE')
    if (parts.has(name)) throw bad(`${name} is there twice`)
    const isKnown = ['FREQ', 'INTERVAL', 'COUNT', 'UNTIL', 'WKST', 'BYDAY'].includes(name) || isNumberPart(name)
    if (!isKnown && !name.startsWith('X-')) throw bad('a part of it is not known')
    parts.set(name, value!)
  }
  return parts
}

function isNumberPart(name: string): name is NumberPart {
  return Object.hasOwn(NUMBER_PARTS, name)
}

function numberIn(part: NumberPart, text: string): number {
  const { from, to, fromEnd } = NUMBER_PARTS[part]
  const value = /^[+-]?\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  const counted = fromEnd ? Math.abs(value) : value
  if (!(counted >= from && counted <= to)) throw bad(`its ${part} is none`)
  return value
}

function dayOf(text: string): { weekday: number; nth?: number } {
  const [, nth, day] = /^([+-]?\d{1,2})?([A-Z]{2})$/.exec(text) ?? []
  const weekday = weekdayOf(day ?? '')
  if (nth === undefined) return { weekday }
  const counted = Number(nth)
  if (counted === 0 || Math.abs(counted) > 53) throw bad('its BYDAY is none')
  return { weekday, nth: counted }
}

function mayCountDays(freq: Frequency, { BYWEEKNO }: RecurrenceRule['by']): boolean {
  return freq === 'MONTHLY' || (freq === 'YEARLY' && BYWEEKNO === undefined)
}

function weekdayOf(text: string): number {
  const at = DAYS.indexOf(text)
  if (at < 0) throw bad('a day of the week in it is none')
  return at
}

function positive(name: string, text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > MOST) throw bad(`its ${name} is none`)
  return value
}

function untilOf(text: string): Until {
  const [, year, month, day, time, hour, minute, second, utc] =
    /^(\d{4})(\d{2})(\d{2})(T(\d{2})(\d{2})(\d{2})(Z)?)?$/.exec(text) ?? []
  const wall = Date.UTC(
    ...([year, Number(month) - 1, day, hour ?? 0, minute ?? 0, second ?? 0].map(Number) as [number]),
  )
  const isDay = new Date(wall).getUTCDate() === Number(day) && Number(month) >= 1 && Number(month) <= 12
  if (!isDay) throw bad('its UNTIL is no time')
  return { wall, is: time === undefined ? 'day' : utc === undefined ? 'local' : 'utc' }
}

function bad(why: string): Error {
  return new Error(`of its RRULE, ${why}`)
}
