/** The one error for a store that cannot be reached or used now. */

import { GatewayError } from '../shared/errors.ts'

export function databaseUnavailable(cause: unknown): GatewayError {
  return new GatewayError('DATABASE_UNAVAILABLE', 'The database cannot be used at the moment.', { cause })
}
