/** The one error of the codec: bytes that are not the PostgreSQL protocol. Its text may be shown; it never quotes the bytes. */

import { GatewayError } from '../../../shared/errors.ts'

export function violation(what: string): GatewayError {
  return new GatewayError('PROTOCOL_VIOLATION', `This is not the PostgreSQL protocol: ${what}.`)
}
