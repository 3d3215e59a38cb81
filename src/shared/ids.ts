/** Identifiers: a short prefix that says what it names, then 26 characters that sort by time and cannot be guessed. */

import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** As {@link newId} makes them for sessions. */
export const SESSION_ID_PATTERN = /^ses_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for batches of rotations. */
export const BATCH_ID_PATTERN = /^bat_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for jobs. */
export const JOB_ID_PATTERN = /^job_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for rotations. */
export const ROTATION_ID_PATTERN = /^rot_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for check-outs. */
export const CHECK_OUT_ID_PATTERN = /^cho_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for deliveries of notifications. */
export const DELIVERY_ID_PATTERN = /^dlv_[0-9a-hjkmnp-tv-z]{26}$/
/** The same for requests. */
export const REQUEST_ID_PATTERN = /^req_[0-9a-hjkmnp-tv-z]{26}$/

/** The same for proposals. */
export const PROPOSAL_ID_PATTERN = /^prp_[0-9a-hjkmnp-tv-z]{26}$/

export type IdPrefix =
  | 'ses'
  | 'lea'
  | 'gw'
  | 'tok'
  | 'key'
  | 'evt'
  | 'job'
  | 'bat'
  | 'rot'
  | 'cho'
  | 'coq'
  | 'req'
  | 'prp'
  | 'ntf'
  | 'dlv'

/** When it was made, in milliseconds. */
export function timeOfId(id: string): number {
  let time = 0
  for (const character of id.slice(id.indexOf('_') + 1).slice(0, 10)) time = time * 32 + ALPHABET.indexOf(character)
  return time
}

/** Example: `ses_01m9x3…`: 10 characters of milliseconds, 16 characters (80 bits) of randomness, Crockford's base 32. */
export function newId(prefix: IdPrefix, now: number): string {
  let time = ''
  for (let rest = now, i = 0; i < 10; i++) {
    time = ALPHABET[rest % 32] + time
    rest = Math.floor(rest / 32)
  }
  let random = ''
  for (const byte of randomBytes(16)) random += ALPHABET[byte & 31]
  return `${prefix}_${time}${random}`
}
