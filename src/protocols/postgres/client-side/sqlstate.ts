/** How the gateway's error codes read in PostgreSQL: SQLSTATE and a hint (https://www.postgresql.org/docs/current/errcodes-appendix.html). */

import type { ErrorCode } from '../../../shared/errors.ts'
import type { ErrorFields } from '../wire/backend-messages.ts'

const STATES: Partial<Record<ErrorCode, string>> = {
  LOGIN_REFUSED: '28P01',
  LOGIN_NAME_INVALID: '28000',
  LOGIN_TOO_SLOW: '57014',
  TOO_MANY_TRIES: '28000',
  TOO_MANY_CONNECTIONS: '53300',
  ACCESS_DENIED: '42501',
  REASON_REQUIRED: '42501',
  WAITED_TOO_LONG: '57014',
  LOGIN_GIVEN_UP: '57014',
  CHANNEL_DENIED: '42501',
  TLS_REQUIRED: '28000',
  PROTOCOL_VIOLATION: '08P01',
  RECORDING_UNAVAILABLE: '58030',
  RECORDING_FAILED: '58030',
  CREDENTIAL_UNAVAILABLE: '08004',
  ACCOUNT_CHECKED_OUT: '55006',
  CHECK_OUT_REQUIRED: '55000',
  SESSION_ALREADY_LIVE: '55006',
  NO_MODERATOR: '55000',
  TARGET_UNREACHABLE: '08001',
  TARGET_HOP_FAILED: '08001',
  TARGET_ADDRESS_REFUSED: '08001',
  TARGET_IDENTITY_MISMATCH: '08004',
  TARGET_IDENTITY_UNKNOWN: '08004',
  TARGET_LOGIN_FAILED: '08004',
  TARGET_AUTHENTICATION_REFUSED: '08004',
  GATEWAY_STOPPING: '57P01',
  CLUSTER_UNAVAILABLE: '57P03',
  SESSION_ENDED: '57P01',
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  LOGIN_REFUSED: 'The password is your own with the current one-time code right after it, for example hunter2123456.',
  LOGIN_NAME_INVALID: 'Connect with user=alice+dba+orders: your name, the account, the target.',
  ACCESS_DENIED:
    'It may be the target, the account or the database: what is not allowed looks like what does not exist.',
  SESSION_ALREADY_LIVE:
    'Close the other connection first. A pool needs a size of 1, and \\c in psql opens the new connection before it closes the old one.',
  TLS_REQUIRED:
    'Connect with sslmode=require, or verify-full with the certificate of this gateway. If another error stands above this one, that is the reason.',
}

/**
 * FATAL, as the final message on a connection: the code, what to do next (`advice`, or what helps with this code), and the session id by which
 * the cause is found.
 */
export function fatal(code: ErrorCode, text: string, session: string, advice?: string): ErrorFields {
  const hint = advice ?? HINTS[code]
  return {
    severity: 'FATAL',
    sqlstate: STATES[code] ?? 'XX000',
    message: `${code}: ${text} (session ${session})`,
    ...(hint === undefined ? {} : { hint }),
  }
}

const AFTER_LOGIN: ReadonlySet<ErrorCode> = new Set([
  'ACCESS_DENIED',
  'REASON_REQUIRED',
  'WAITED_TOO_LONG',
  'LOGIN_GIVEN_UP',
  'CHANNEL_DENIED',
  'CREDENTIAL_UNAVAILABLE',
  'ACCOUNT_CHECKED_OUT',
  'CHECK_OUT_REQUIRED',
  'SESSION_ALREADY_LIVE',
  'NO_MODERATOR',
  'RECORDING_UNAVAILABLE',
  'RECORDING_FAILED',
  'SESSION_ENDED',
  'TARGET_UNREACHABLE',
  'TARGET_HOP_FAILED',
  'TARGET_ADDRESS_REFUSED',
  'TARGET_IDENTITY_MISMATCH',
  'TARGET_LOGIN_FAILED',
  'TARGET_AUTHENTICATION_REFUSED',
])

/** Whether a session is refused for this only once the person has proven who they are. */
export function isAfterLogin(code: ErrorCode): boolean {
  return AFTER_LOGIN.has(code)
}
