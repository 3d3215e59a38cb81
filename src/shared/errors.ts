/** The one error type, its closed set of codes, and the refusals that people may see. */

export type ErrorCode =
  // what a person may meet at the gate
  | 'LOGIN_REFUSED'
  | 'LOGIN_ABANDONED'
  | 'LOGIN_NAME_INVALID'
  | 'LOGIN_TOO_SLOW'
  | 'LOGIN_GIVEN_UP'
  | 'WAITED_TOO_LONG'
  | 'TOO_MANY_TRIES'
  | 'TOO_MANY_CONNECTIONS'
  | 'ACCESS_DENIED'
  | 'REASON_REQUIRED'
  | 'CHANNEL_DENIED'
  | 'TLS_REQUIRED'
  | 'PROTOCOL_VIOLATION'
  | 'RECORDING_UNAVAILABLE'
  | 'RECORDING_FAILED'
  | 'CREDENTIAL_UNAVAILABLE'
  | 'ACCOUNT_CHECKED_OUT'
  | 'CHECK_OUT_REQUIRED'
  | 'SESSION_ALREADY_LIVE'
  | 'NO_MODERATOR'
  | 'TARGET_UNREACHABLE'
  | 'TARGET_HOP_FAILED'
  | 'TARGET_ADDRESS_REFUSED'
  | 'TARGET_IDENTITY_MISMATCH'
  | 'TARGET_IDENTITY_UNKNOWN'
  | 'TARGET_LOGIN_FAILED'
  | 'TARGET_AUTHENTICATION_REFUSED'
  | 'GATEWAY_STOPPING'
  | 'CLUSTER_UNAVAILABLE'
  | 'SESSION_ENDED'
  // what an administrator may meet
  | 'CONFIG_INVALID'
  | 'RESOURCE_INVALID'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'BAD_REQUEST'
  | 'VAULT_KEY_UNAVAILABLE'
  | 'VAULT_KEY_MISMATCH'
  | 'VAULT_DAMAGED'
  | 'DATABASE_UNAVAILABLE'
  | 'RECORDING_DAMAGED'
  | 'AUDIT_UNAVAILABLE'
  | 'INTERNAL'

/**
 * A thing that broke, or that a caller asked for and cannot have. `message` may be shown to a person and never holds a
 * secret; `cause` is for the log only.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'GatewayError'
    this.code = code
  }
}

/** An expected "no", returned and not thrown. `message` is for the person; `detail` is for the audit log alone. */
export interface Refusal {
  readonly refused: true
  readonly code: ErrorCode
  readonly message: string
  readonly detail?: string
  /** For the person as well: what to do next, whole. */
  readonly advice?: string
}

export function refuse(code: ErrorCode, message: string, detail?: string): Refusal {
  return { refused: true, code, message, ...(detail === undefined ? {} : { detail }) }
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && (value as { refused?: unknown }).refused === true
}

/** What to say of something that was thrown: never a stack, never a secret; at most the message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
