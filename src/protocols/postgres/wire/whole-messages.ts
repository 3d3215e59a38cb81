/** Tells small chunks that hold nothing but whole, well-formed messages of the everyday kinds: what is in them can be read later. */

import { HEADER_BYTES } from './frame-scanner.ts'

/** How the body of a message type is checked. */
const UNKNOWN = 0
const ANY = 1
const NAME = 2
const KIND_AND_NAME = 3
const TWO_NAMES = 4
const PARSE = 5

const FROM_CLIENT = bodies({
  Q: ANY,
  S: ANY,
  H: ANY,
  X: ANY,
  E: NAME,
  D: KIND_AND_NAME,
  C: KIND_AND_NAME,
  B: TWO_NAMES,
  P: PARSE,
})
const FROM_TARGET = bodies({
  '1': ANY,
  '2': ANY,
  '3': ANY,
  C: ANY,
  D: ANY,
  I: ANY,
  N: ANY,
  T: ANY,
  Z: ANY,
  n: ANY,
  s: ANY,
  t: ANY,
})

/** COPY, function calls and what is not known are not among the everyday kinds. */
export function areWholeRequests(chunk: Buffer): boolean {
  return areWhole(chunk, FROM_CLIENT)
}

/** Nor are errors, parameters and notifications. */
export function areWholeAnswers(chunk: Buffer): boolean {
  return areWhole(chunk, FROM_TARGET)
}

function areWhole(chunk: Buffer, kinds: Uint8Array): boolean {
  const { length } = chunk
  let at = 0
  while (length - at >= HEADER_BYTES) {
    const kind = kinds[chunk[at]!]!
    if (kind === UNKNOWN) return false
    const start = at + HEADER_BYTES
    // Negative where the top bit is set.
    at += 1 + ((chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!)
    if (at < start || at > length) return false
    if (kind !== ANY && !hasFields(kind, chunk, start, at)) return false
  }
  return at === length
}

function hasFields(kind: number, chunk: Buffer, start: number, end: number): boolean {
  if (kind === NAME) return pastText(chunk, start, end) !== 0
  if (kind === KIND_AND_NAME) return pastText(chunk, start + 1, end) !== 0
  const first = pastText(chunk, start, end)
  const second = first === 0 ? 0 : pastText(chunk, first, end)
  if (second === 0 || kind === TWO_NAMES) return second !== 0
  if (end - second < 2) return false
  const types = (chunk[second]! << 8) | chunk[second + 1]!
  return end - second - 2 >= 4 * types
}

/** Where the text's NUL is passed; 0 where it has none. */
function pastText(chunk: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (chunk[at] === 0) return at + 1
  return 0
}

function bodies(kinds: Record<string, number>): Uint8Array {
  const table = new Uint8Array(256)
  for (const [letter, kind] of Object.entries(kinds)) table[letter.charCodeAt(0)] = kind
  return table
}
