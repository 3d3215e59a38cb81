/** A session's states and the closed set of reasons for which it ends. */

import type { GrantEnd } from '../policy/grant.ts'

export type EndReason =
  | 'client-closed'
  | 'target-closed'
  | 'killed'
  | 'deadline'
  | 'idle'
  | 'access-revoked'
  | 'request-ended'
  | 'credential-rotated'
  | 'check-out-ended'
  | 'account-checked-out'
  | 'moderator-absent'
  | 'moderator-ended'
  | 'recording-failed'
  | 'protocol-violation'
  | 'gateway-stopped'
  | 'connect-failed'
  | 'interrupted'
  | 'internal-error'

/** An open session, decided anew: until when it may go on, or why it must end. */
export type DecidedAnew =
  | { readonly is: 'allowed'; readonly ends: GrantEnd }
  | { readonly is: 'withdrawn'; readonly reason: 'access-revoked' | 'request-ended' }

/** An error while deciding is a no. */
export const NOT_DECIDED: DecidedAnew = { is: 'withdrawn', reason: 'access-revoked' }

/** What stands in a seal or a row, as a reason; undefined for what is none. */
export function endReasonOf(text: string): EndReason | undefined {
  return Object.hasOwn(END_REASON_TEXT, text) ? (text as EndReason) : undefined
}

/** What the person reads when a session ends for a reason that is not their own. */
export const END_REASON_TEXT: Record<EndReason, string> = {
  'client-closed': 'the client closed the connection',
  'target-closed': 'the target closed the connection',
  killed: 'an administrator ended the session',
  deadline: 'the session reached its maximum time',
  idle: 'the session was idle for too long',
  'access-revoked': 'the access was withdrawn',
  'request-ended': 'the access that was approved for a time is over',
  'credential-rotated': 'the credential of the account was rotated',
  'check-out-ended': 'the check-out of the account has ended',
  'account-checked-out': 'somebody has checked the account out',
  'moderator-absent': 'no moderator has watched it for too long',
  'moderator-ended': 'its moderator ended the session',
  'recording-failed': 'the session could no longer be recorded',
  'protocol-violation': 'a message broke the protocol',
  'gateway-stopped': 'the gateway is stopping',
  'connect-failed': 'the target could not be reached',
  interrupted: 'the gateway stopped unexpectedly',
  'internal-error': 'an internal error',
}
