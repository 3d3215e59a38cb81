/** What a wall clock's time means in a calendar's zones. A zone that has a name of the tz database is that one, whatever the file says of it. */

import ICAL from 'ical.js'
import { firstInstant, isTimeZone } from '../../shared/hours.ts'

/** The instant of what the wall clock shows, both in milliseconds, the latter as if it were UTC. */
export interface ZoneClock {
  readonly name: string
  instantOf(wall: number): number
}

/** By the name of a TZID parameter; none: a time that names no zone. Throws for one that nobody knows. */
export type Zone = (tzid: string | undefined) => ZoneClock

export const UTC: ZoneClock = { name: 'UTC', instantOf: wall => wall }

/** `zone`: of times that name none. */
export function zonesOf(calendar: ICAL.Component, zone: string | undefined): Zone {
  const own = calendar.getFirstPropertyValue('x-wr-timezone')
  const usual = zone ?? (typeof own === 'string' && isTimeZone(own) ? own : 'UTC')
  const known = new Map<string, ZoneClock>()
  return (tzid = usual) => {
    const clock = known.get(tzid) ?? (isTimeZone(tzid) ? named(tzid) : described(calendar, tzid))
    known.set(tzid, clock)
    return clock
  }
}

function named(name: string): ZoneClock {
  if (name.toUpperCase() === 'UTC') return UTC
  return { name, instantOf: wall => firstInstant(name, wall) }
}

/** By the VTIMEZONE of the file, as Outlook writes for names of its own. */
function described(calendar: ICAL.Component, tzid: string): ZoneClock {
  const component = calendar
    .getAllSubcomponents('vtimezone')
    .find(one => one.getFirstPropertyValue('tzid')?.toString() === tzid)
  if (component === undefined) throw new Error('its time zone is not known')
  if (!['standard', 'daylight'].some(name => component.getFirstSubcomponent(name) !== null))
    throw new Error('its time zone is not described')
  const zone = new ICAL.Timezone({ component, tzid })
  return { name: tzid, instantOf: wall => wall - zone.utcOffset(timeOf(wall)) * 1000 }
}

function timeOf(wall: number): ICAL.Time {
  const date = new Date(wall)
  return ICAL.Time.fromData({
    ...{ year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() },
    ...{ hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds() },
  })
}
