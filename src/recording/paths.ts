/** Where recordings lie in their folder: derived from the session's id and from nothing that a person chose. */

import { join } from 'node:path'
import { GatewayError } from '../shared/errors.ts'

const SESSION_ID = /^ses_[0-9a-hjkmnp-tv-z]{26}$/
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
export const EXTENSION = '.rec'

/** The folder of empty marker files, one for each recording that has no seal yet. */
export const UNSEALED_FOLDER = 'unsealed'

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text)
}

/** `2026/11/21/ses_….rec`, relative to the folder: the day is in the id. Throws `NOT_FOUND` for what is not a session's id. */
export function recordingFile(session: string): string {
  let time = 0
  for (const character of checked(session).slice(4, 14)) time = time * 32 + ALPHABET.indexOf(character)
  const date = new Date(time)
  // A forged id could name a time that no calendar has.
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999) throw notASession()
  const [year, month, day] = date.toISOString().slice(0, 10).split('-') as [string, string, string]
  return join(year, month, day, `${session}${EXTENSION}`)
}

export function markerFile(session: string): string {
  return join(UNSEALED_FOLDER, checked(session))
}

function checked(session: string): string {
  if (!isSessionId(session)) throw notASession()
  return session
}

function notASession(): GatewayError {
  return new GatewayError('NOT_FOUND', 'There is no such session.')
}
