/** How a session's end, or its failure to begin, is named and told. */

import { type ErrorCode, GatewayError, messageOf, type Refusal, refuse } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { SessionEnd } from './live/live-sessions.ts'
import { END_REASON_TEXT, type EndReason } from './state.ts'

export const GATEWAY_STOPPING = refuse('GATEWAY_STOPPING', 'The gateway is stopping; try again in a moment.')

/** Why the session must end; undefined while it may go on. */
export function endOf(signal: AbortSignal): EndReason | undefined {
  if (!signal.aborted) return undefined
  return signal.reason instanceof SessionEnd ? signal.reason.reason : 'internal-error'
}

/** Why the client is gone: it closed, or the login around it had to end. */
export function endOfClient({ reason }: AbortSignal): EndReason {
  return reason instanceof SessionEnd ? reason.reason : 'client-closed'
}

/** Calls `act` when the signal aborts, and at once where it has already. */
export function onceAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act, { once: true })
}

const NOT_LENT: ReadonlySet<ErrorCode> = new Set([
  'CHANNEL_DENIED',
  'ACCOUNT_CHECKED_OUT',
  'CHECK_OUT_REQUIRED',
  'SESSION_ALREADY_LIVE',
  'CREDENTIAL_UNAVAILABLE',
])

/** The end of a session that was refused for this code after its row was opened. */
export function endFor(code: ErrorCode): EndReason {
  if (code === 'RECORDING_UNAVAILABLE' || code === 'RECORDING_FAILED') return 'recording-failed'
  return code.startsWith('TARGET_') || NOT_LENT.has(code) ? 'connect-failed' : 'internal-error'
}

/** What the person reads last; nothing when they or the target hung up themselves. */
export function closingText(reason: EndReason, session: string): string | undefined {
  if (reason === 'client-closed' || reason === 'target-closed') return undefined
  return `Sallyport: ${END_REASON_TEXT[reason]} (session ${session})`
}

/** For a session that was ended before the person was let in. */
export function refusedByEnd(reason: EndReason): Refusal {
  return refuse('SESSION_ENDED', `The session was ended before it began: ${END_REASON_TEXT[reason]}.`, reason)
}

/** For what was thrown: its code where it has one. The cause goes to the log alone. */
export function refusalOf(log: Log, session: string, error: unknown): Refusal {
  if (error instanceof SessionEnd) return refusedByEnd(error.reason)
  if (error instanceof GatewayError) {
    const { code, message } = error
    const cause = error.cause === undefined ? undefined : messageOf(error.cause)
    // Expected, so without a stack.
    log.warn({ session, code, cause }, message)
    return refuse(code, message, cause ?? message)
  }
  log.error({ err: error, session }, 'a session could not begin')
  return refuse(
    'INTERNAL',
    'Something broke in the gateway; ask its administrator, who finds the cause under the session id.',
  )
}
