/**
 * SASLprep (RFC 4013) of a password as PostgreSQL does it (pg_saslprep in src/common/saslprep.c): a password that the profile
 * forbids, that holds code points younger than Unicode 3.2, or that is not UTF-8 is used as it is.
 */

import { isAscii, isUtf8 } from 'node:buffer'
import { isOneOf, LEFT_TO_RIGHT, PROHIBITED, RIGHT_TO_LEFT, SPACES, UNASSIGNED, VANISHING } from './saslprep-tables.ts'

/**
 * The bytes that SCRAM derives its keys from: `password` itself where nothing is to be changed. What is forbidden is looked for
 * before the normalisation, as the server does, and not in its result, as the RFC says: so younger versions of Unicode change nothing.
 */
export function saslprep(password: Buffer): Buffer {
  if (isAscii(password) || !isUtf8(password)) return password
  const mapped = Array.from(password.toString('utf8'), character => character.codePointAt(0)!)
    .filter(codePoint => !isOneOf(VANISHING, codePoint) || isOneOf(SPACES, codePoint))
    .map(codePoint => (isOneOf(SPACES, codePoint) ? 0x20 : codePoint))
  if (!isAllowed(mapped)) return password
  return Buffer.from(String.fromCodePoint(...mapped).normalize('NFKC'), 'utf8')
}

function isAllowed(codePoints: readonly number[]): boolean {
  if (codePoints.length === 0) return false
  if (codePoints.some(codePoint => isOneOf(PROHIBITED, codePoint) || isOneOf(UNASSIGNED, codePoint))) return false
  // RFC 3454 §6: beside right-to-left characters no left-to-right ones, and the first and the last must be right-to-left.
  if (!codePoints.some(codePoint => isOneOf(RIGHT_TO_LEFT, codePoint))) return true
  const ends = [codePoints[0]!, codePoints.at(-1)!]
  return (
    !codePoints.some(codePoint => isOneOf(LEFT_TO_RIGHT, codePoint)) &&
    ends.every(codePoint => isOneOf(RIGHT_TO_LEFT, codePoint))
  )
}
