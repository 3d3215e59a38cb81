/** Times, durations and sizes as people read them, and the times that people type. */

import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Local and short: `2026-11-21 21:05:09`. */
export function localTime(iso: string): string {
  const date = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** `just now`, `42s ago`, `5m ago`, `3h ago`, `6d ago`; older or in the future: the local day and time. */
export function relativeTime(iso: string, now: number): string {
  const age = now - Date.parse(iso)
  // A little in the future is a clock that is a little behind.
  if (age < -MINUTE || age >= 14 * DAY) return localTime(iso).slice(0, 16)
  if (age < 5 * SECOND) return 'just now'
  if (age < MINUTE) return `${Math.floor(age / SECOND)}s ago`
  if (age < HOUR) return `${Math.floor(age / MINUTE)}m ago`
  if (age < DAY) return `${Math.floor(age / HOUR)}h ago`
  return `${Math.floor(age / DAY)}d ago`
}

/** `in 5m`, `in 2d 04h`, `now`; what is over as {@link relativeTime} says it. */
export function dueTime(iso: string, now: number): string {
  const ahead = Date.parse(iso) - now
  if (ahead <= -SECOND) return relativeTime(iso, now)
  const seconds = Math.floor(ahead / SECOND)
  return seconds < 1 ? 'now' : `in ${seconds < 10 ? `${seconds}s` : formatDuration(seconds * SECOND)}`
}

/** `0.4s`, `42s`, `5m 03s`, `12h`, `2d 04h`: two units at most, and one when the second is nothing. */
export function formatDuration(ms: number): string {
  if (ms < 10 * SECOND) return `${(Math.floor(Math.max(0, ms) / 100) / 10).toFixed(1)}s`
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`
  if (ms < HOUR) return twoUnits(ms, [MINUTE, 'm'], [SECOND, 's'])
  if (ms < DAY) return twoUnits(ms, [HOUR, 'h'], [MINUTE, 'm'])
  return twoUnits(ms, [DAY, 'd'], [HOUR, 'h'])
}

function twoUnits(ms: number, [large, largeName]: [number, string], [small, smallName]: [number, string]): string {
  const rest = Math.floor((ms % large) / small)
  const first = `${Math.floor(ms / large)}${largeName}`
  return rest === 0 ? first : `${first} ${String(rest).padStart(2, '0')}${smallName}`
}

/** `512 B`, `1.5 kB`, `20 MB`: powers of 1000, three digits at most. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  let value = bytes
  for (const unit of ['kB', 'MB', 'GB']) {
    value /= 1000
    if (value < 999.5) return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
  }
  return `${(value / 1000).toFixed(1)} TB`
}

const AGO = /^(\d+)([smhd])$/
const UNIT_MS = { s: SECOND, m: MINUTE, h: HOUR, d: DAY } as const

/** Milliseconds of `90s`, `15m`, `8h`, `7d`. Throws a usage error that names the option. */
export function parseDuration(text: string, option: string): number {
  const match = AGO.exec(text)
  if (match === null) throw new CliError(EXIT.usage, `${option}: "${text}" is not a duration, for example 15m or 8h.`)
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/

/**
 * ISO time of `2h` (that long ago), `2026-11-21`, or `2026-11-21T18:00` (local unless it says a zone). A local time that the clock shows twice
 * that day, or never, is none.
 */
export function parseTime(text: string, option: string, now: number): string {
  if (AGO.test(text)) return new Date(now - parseDuration(text, option)).toISOString()
  const [, day, minute = '00:00', second = '', zone] = TIME.exec(text) ?? []
  // As if the clock showed UTC: so a 30th of February is found, which a Date takes for a day in March.
  const shown = day === undefined ? Number.NaN : Date.parse(`${day}T${minute}${second}Z`)
  if (Number.isNaN(shown) || new Date(shown).toISOString().slice(0, 10) !== day)
    throw new CliError(
      EXIT.usage,
      `${option}: "${text}" is not a time, for example 2026-11-21T18:00, or 2h for two hours ago.`,
    )
  if (zone !== undefined) return new Date(`${day}T${minute}${second}${zone}`).toISOString()
  const instants = instantsOf(shown)
  // A day begins with the first moment of it, also where that is not midnight.
  const isDay = text === day
  if (instants.length === 1 || isDay) return new Date(instants[0] ?? `${day}T00:00`).toISOString()
  const what = instants.length === 0 ? 'is left out' : 'comes twice'
  throw new CliError(
    EXIT.usage,
    `${option}: ${text} ${what} that day here, as the clocks change: say the zone, as in ${day}T${minute}Z.`,
  )
}

/** When the clock here shows that, the first time first. */
function instantsOf(shown: number): number[] {
  const offsets = [-DAY, DAY].map(ms => new Date(shown + ms).getTimezoneOffset() * MINUTE)
  const found = offsets
    .map(offset => shown + offset)
    .filter(ms => ms - new Date(ms).getTimezoneOffset() * MINUTE === shown)
  return [...new Set(found)].sort((a, b) => a - b)
}
