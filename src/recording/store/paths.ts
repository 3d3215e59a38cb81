/** Where recordings lie in their folder: derived from the session's id and from nothing that a person chose. */

import { join } from 'node:path'
import { GatewayError } from '../../shared/errors.ts'
import { SESSION_ID_PATTERN } from '../../shared/ids.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
export const EXTENSION = '.rec'

/** The folder of empty marker files, one for each recording that has no seal yet. */
export const UNSEALED_FOLDER = 'unsealed'

export function isSessionId(text: string): boolean {
  return SESSION_ID_PATTERN.test(text)
}

/** Whether a recording of that name could be: an id whose time has a day. */
export function isRecordable(session: string): boolean {
  return isSessionId(session) && dayOf(session) !== undefined
}

/** `2026/11/21/ses_….rec`, relative to the folder: the day is in the id. Throws `NOT_FOUND` for what is not a session's id. */
export function recordingFile(session: string): string {
  const day = dayOf(checked(session))
  if (day === undefined) throw notASession()
  return join(...day, `${session}${EXTENSION}`)
}

/** Undefined for a forged id, which could name a time that no calendar has. */
function dayOf(session: string): string[] | undefined {
  let time = 0
  for (const character of session.slice(4, 14)) time = time * 32 + ALPHABET.indexOf(character)
  const date = new Date(time)
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999) return undefined
  return date.toISOString().slice(0, 10).split('-')
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
