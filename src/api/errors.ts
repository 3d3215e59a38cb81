/** How an error leaves the API: a status, a code, a sentence and what to do next; never a cause. */

import type { FastifyError } from 'fastify'
import { z } from 'zod'
import { type ErrorCode, GatewayError, isRefusal } from '../shared/errors.ts'

export const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    /** What to do next. */
    hint: z.string().optional(),
  }),
})

export type ApiError = z.output<typeof errorSchema>

export interface ErrorAnswer {
  readonly status: number
  readonly body: ApiError
  /** True when nobody expected it: the log then needs the cause. */
  readonly unexpected: boolean
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  LOGIN_NAME_INVALID: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  ACCESS_DENIED: 403,
  CHECK_OUT_REQUIRED: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  ACCOUNT_CHECKED_OUT: 409,
  RESOURCE_INVALID: 422,
  CONFIG_INVALID: 422,
  RECORDING_DAMAGED: 422,
  TOO_MANY_TRIES: 429,
  TARGET_UNREACHABLE: 502,
  TARGET_HOP_FAILED: 502,
  TARGET_ADDRESS_REFUSED: 502,
  TARGET_IDENTITY_MISMATCH: 502,
  TARGET_IDENTITY_UNKNOWN: 502,
  TARGET_LOGIN_FAILED: 502,
  TARGET_AUTHENTICATION_REFUSED: 502,
  CLUSTER_UNAVAILABLE: 503,
  DATABASE_UNAVAILABLE: 503,
  AUDIT_UNAVAILABLE: 503,
  VAULT_KEY_UNAVAILABLE: 503,
  RECORDING_UNAVAILABLE: 503,
  GATEWAY_STOPPING: 503,
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: '`sallyport login --ssh USER@GATEWAY` gets one; it is sent as "Authorization: Bearer …".',
  TOO_MANY_TRIES: 'Wait a minute, then try again with a token that is valid.',
  AUDIT_UNAVAILABLE: 'Nothing was changed or shown, because it could not be written to the audit log.',
  CLUSTER_UNAVAILABLE: 'Sessions go on; try again when Redis is back.',
  DATABASE_UNAVAILABLE: 'Try again when the database is back.',
}

/** `request` is the request's id, so that a person can find the cause in the log. */
export function answerFor(error: unknown, request: string): ErrorAnswer {
  if (error instanceof GatewayError || isRefusal(error)) return answer(error.code, error.message)
  const { validation, statusCode = 500, code = '', message } = error as Partial<FastifyError>
  if (validation !== undefined) {
    const problems = validation.map(({ instancePath, message }) => {
      const field = instancePath.split('/').filter(Boolean).join('.')
      return field === '' ? message : `${field}: ${message}`
    })
    return answer('BAD_REQUEST', problems.join('; '))
  }
  // Fastify's own refusals (too large, wrong media type, broken JSON) speak of the request and of nothing inside.
  if (statusCode >= 400 && statusCode < 500 && code.startsWith('FST_'))
    return { ...answer('BAD_REQUEST', message ?? 'The request is not understood.'), status: statusCode }
  const body = {
    code: 'INTERNAL',
    message: 'Something broke in the gateway.',
    hint: `The gateway's log has the cause, under request ${request}.`,
  }
  return { status: 500, body: { error: body }, unexpected: true }
}

function answer(code: ErrorCode, message: string): ErrorAnswer {
  const hint = HINTS[code]
  const status = STATUS[code] ?? 500
  return {
    status,
    body: { error: { code, message, ...(hint === undefined ? {} : { hint }) } },
    unexpected: status === 500,
  }
}

export function notFound(what: string): GatewayError {
  return new GatewayError('NOT_FOUND', what)
}
