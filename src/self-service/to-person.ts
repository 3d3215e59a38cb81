/** What the gateway refuses, as a command says it. */

import { type ErrorCode, GatewayError } from '../shared/errors.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import { CommandError } from './command.ts'

const EXIT_OF: Partial<Record<ErrorCode, ExitCode>> = {
  BAD_REQUEST: EXIT.usage,
  FORBIDDEN: EXIT.notPermitted,
  ACCESS_DENIED: EXIT.notPermitted,
  NOT_FOUND: EXIT.no,
  CONFLICT: EXIT.no,
  CREDENTIAL_UNAVAILABLE: EXIT.no,
  SESSION_ENDED: EXIT.no,
  TOO_MANY_CONNECTIONS: EXIT.no,
}

/** Throws CommandError for what the person can correct, and anything else as it is. */
export function toPerson(error: unknown): never {
  const exit = error instanceof GatewayError ? EXIT_OF[error.code] : undefined
  if (error instanceof GatewayError && exit !== undefined) throw new CommandError(exit, error.message)
  throw error
}
