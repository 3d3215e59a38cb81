/** Writes values in PostgreSQL's binary form as PostgreSQL itself writes them as text (ISO dates, times with zone in UTC). */

import { type ClientEncoding, showText } from './client-encoding.ts'

/** Undefined where the bytes are none of that type, or nothing that is written here. */
type Show = (bytes: Buffer, encoding: ClientEncoding) => string | undefined

const DAY_MS = 86_400_000
const DAY_US = 86_400_000_000n
/** 2000-01-01, from which dates and times are counted. */
const EPOCH_MS = 946_684_800_000
/** What a Date can hold: years that PostgreSQL knows beyond it are rare. */
const MOST_MS = 8_640_000_000_000_000
const INT4_MAX = 0x7fffffff
const INT4_MIN = -0x80000000
const INT8_MAX = 0x7fffffffffffffffn
const INT8_MIN = -0x8000000000000000n
const MOST_DIMENSIONS = 6

const text: Show = showText

/** By type OID: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
const SCALARS: Record<number, Show> = {
  16: sized(1, bytes => (bytes[0] === 0 ? 'false' : 'true')),
  18: text,
  19: text,
  20: sized(8, bytes => String(bytes.readBigInt64BE())),
  21: sized(2, bytes => String(bytes.readInt16BE())),
  23: sized(4, bytes => String(bytes.readInt32BE())),
  25: text,
  26: sized(4, bytes => String(bytes.readUInt32BE())),
  114: text,
  142: text,
  700: sized(4, bytes => showFloat(bytes.readFloatBE(), shortest)),
  701: sized(8, bytes => showFloat(bytes.readDoubleBE(), String)),
  705: text,
  1042: text,
  1043: text,
  1082: sized(4, bytes => showDate(bytes.readInt32BE())),
  1083: sized(8, bytes => showTime(bytes.readBigInt64BE())),
  1114: sized(8, bytes => showTimestamp(bytes.readBigInt64BE(), '')),
  1184: sized(8, bytes => showTimestamp(bytes.readBigInt64BE(), '+00')),
  1186: sized(16, showInterval),
  1266: sized(12, bytes => showTime(bytes.readBigInt64BE()) + showZone(bytes.readInt32BE(8))),
  1700: showNumeric,
  2950: sized(16, bytes => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')),
  3802: (bytes, encoding) => (bytes[0] === 1 ? showText(bytes.subarray(1), encoding) : undefined),
}

/** Array types by OID: they are told apart from scalars by their OID, and say themselves what is in them. */
const ARRAYS = new Set([
  199, 143, 1000, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1115, 1182, 1183, 1185, 1187, 1231,
  1270, 2951, 3807,
])

/** The value as text, or as hex where its type is not known here. */
export function showBinary(bytes: Buffer, type: number, encoding: ClientEncoding): string {
  const shown = ARRAYS.has(type) ? showArray(bytes, encoding) : SCALARS[type]?.(bytes, encoding)
  return shown ?? `\\x${bytes.toString('hex')}`
}

function sized(length: number, show: (bytes: Buffer) => string | undefined): Show {
  return bytes => (bytes.length === length ? show(bytes) : undefined)
}

function showFloat(value: number, show: (value: number) => string): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  return Object.is(value, -0) ? '-0' : show(value)
}

/** The fewest digits that make the same single-precision number. */
function shortest(value: number): string {
  let digits = 1
  while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++
  return String(Number(value.toPrecision(digits)))
}

function showDate(days: number): string | undefined {
  if (days === INT4_MAX) return 'infinity'
  if (days === INT4_MIN) return '-infinity'
  const at = EPOCH_MS + days * DAY_MS
  if (Math.abs(at) > MOST_MS) return undefined
  const { day, era } = calendar(at)
  return day + era
}

function showTimestamp(microseconds: bigint, zone: string): string | undefined {
  if (microseconds === INT8_MAX) return 'infinity'
  if (microseconds === INT8_MIN) return '-infinity'
  const ofDay = ((microseconds % DAY_US) + DAY_US) % DAY_US
  const at = EPOCH_MS + Number((microseconds - ofDay) / 1000n)
  if (Math.abs(at) > MOST_MS) return undefined
  const { day, era } = calendar(at)
  return `${day} ${showTime(ofDay)}${zone}${era}`
}

function calendar(at: number): { day: string; era: string } {
  const date = new Date(at)
  const year = date.getUTCFullYear()
  const digits = (value: number, length: number) => String(value).padStart(length, '0')
  const day = `${digits(year > 0 ? year : 1 - year, 4)}-${digits(date.getUTCMonth() + 1, 2)}-${digits(date.getUTCDate(), 2)}`
  return { day, era: year > 0 ? '' : ' BC' }
}

/** `hh:mm:ss`, with as many digits of a second as there are. */
function showTime(microseconds: bigint): string {
  const seconds = microseconds / 1_000_000n
  const parts = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map(part => String(part).padStart(2, '0'))
  const fraction = String(microseconds % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  return parts.join(':') + (fraction === '' ? '' : `.${fraction}`)
}

/** Seconds west of Greenwich. */
function showZone(west: number): string {
  const seconds = Math.abs(west)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  while (parts.length > 1 && parts.at(-1) === 0) parts.pop()
  return (west <= 0 ? '+' : '-') + parts.map(part => String(part).padStart(2, '0')).join(':')
}

/** As `intervalstyle = postgres` writes it. */
function showInterval(bytes: Buffer): string {
  const time = bytes.readBigInt64BE()
  const days = bytes.readInt32BE(8)
  const months = bytes.readInt32BE(12)
  if (time === INT8_MAX && days === INT4_MAX && months === INT4_MAX) return 'infinity'
  if (time === INT8_MIN && days === INT4_MIN && months === INT4_MIN) return '-infinity'
  const parts: string[] = []
  let negative = false
  const signed = (value: number | bigint) => (negative && value > 0 ? '+' : '')
  for (const [value, unit] of [
    [Math.trunc(months / 12), 'year'],
    [months % 12, 'mon'],
    [days, 'day'],
  ] as const) {
    if (value === 0) continue
    parts.push(`${signed(value)}${value} ${unit}${value === 1 ? '' : 's'}`)
    negative = value < 0
  }
  if (time !== 0n || parts.length === 0) {
    parts.push(`${time < 0n ? '-' : signed(time)}${showTime(time < 0n ? -time : time)}`)
  }
  return parts.join(' ')
}

/** By what stands in place of a numeric's sign. */
const NO_NUMBERS = new Map([
  [0xc000, 'NaN'],
  [0xd000, 'Infinity'],
  [0xf000, '-Infinity'],
])

/** Base 10,000: https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c (numeric_send) */
function showNumeric(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined
  const count = bytes.readUInt16BE()
  const weight = bytes.readInt16BE(2)
  const sign = bytes.readUInt16BE(4)
  const scale = bytes.readUInt16BE(6)
  const special = NO_NUMBERS.get(sign)
  if (special !== undefined) return special
  if (bytes.length !== 8 + 2 * count || (sign !== 0 && sign !== 0x4000)) return undefined
  const groups = Array.from({ length: count }, (_, i) => String(bytes.readUInt16BE(8 + 2 * i)).padStart(4, '0'))
  const whole =
    weight < 0
      ? ''
      : groups
          .slice(0, weight + 1)
          .join('')
          .padEnd(4 * (weight + 1), '0')
  const fraction = `${'0000'.repeat(Math.max(0, -weight - 1))}${groups.slice(Math.max(0, weight + 1)).join('')}`
  const shownWhole = whole.replace(/^0+/, '') || '0'
  const shownFraction = scale === 0 ? '' : `.${fraction.padEnd(scale, '0').slice(0, scale)}`
  return `${sign === 0x4000 ? '-' : ''}${shownWhole}${shownFraction}`
}

/** Dimensions, whether there are nulls, the type; of each dimension its length and first index; then the elements. */
function showArray(bytes: Buffer, encoding: ClientEncoding): string | undefined {
  if (bytes.length < 12) return undefined
  const dimensions = bytes.readInt32BE()
  const type = bytes.readUInt32BE(8)
  if (dimensions === 0) return '{}'
  if (dimensions < 0 || dimensions > MOST_DIMENSIONS || bytes.length < 12 + 8 * dimensions) return undefined
  const lengths = Array.from({ length: dimensions }, (_, i) => bytes.readInt32BE(12 + 8 * i))
  const firsts = Array.from({ length: dimensions }, (_, i) => bytes.readInt32BE(16 + 8 * i))
  let at = 12 + 8 * dimensions
  const element = (): string | undefined => {
    if (at + 4 > bytes.length) return undefined
    const length = bytes.readInt32BE(at)
    at += 4
    if (length === -1) return 'NULL'
    if (length < 0 || at + length > bytes.length) return undefined
    at += length
    return quoted(showBinary(bytes.subarray(at - length, at), type, encoding))
  }
  const row = (dimension: number): string | undefined => {
    const shown: string[] = []
    for (let i = 0; i < lengths[dimension]!; i++) {
      const one = dimension === dimensions - 1 ? element() : row(dimension + 1)
      if (one === undefined) return undefined
      shown.push(one)
    }
    return `{${shown.join(',')}}`
  }
  const shown = row(0)
  if (shown === undefined || at !== bytes.length) return undefined
  const bounds = firsts.map((first, i) => `[${first}:${first + lengths[i]! - 1}]`).join('')
  return firsts.every(first => first === 1) ? shown : `${bounds}=${shown}`
}

/** An element as array_out writes it. */
function quoted(element: string): string {
  const plain = element !== '' && !/^null$/i.test(element) && !/[{}",\\\s]/.test(element)
  return plain ? element : `"${element.replace(/["\\]/g, '\\$&')}"`
}
