/** The contract of a connection handler: a protocol's side towards the network, which takes accepted connections over. */

import type { Socket } from 'node:net'
import type { Source } from '../identity/proof.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { ConnectionSlot, NoSlot } from './connection-limits.ts'
import type { Fault } from './sources.ts'

export interface IncomingConnection {
  readonly socket: Socket
  readonly source: Source
  /** What a key signs to log in on this connection must have it in it: that is how those who verify it know the connection. */
  readonly nonce?: Buffer
  /** Its slot within the connection limits; or why there is none. */
  readonly slot: ConnectionSlot | NoSlot
}

export interface ConnectionHandler {
  handle(connection: IncomingConnection): void
  /** Ends every connection at once. Resolves when all are gone. */
  close(): Promise<void>
}

/** The fault that a connection refused with this code counts for its source. One that came as far as a decision is no fault. */
export function faultOf(code: ErrorCode): Fault | 'nothing' {
  switch (code) {
    case 'LOGIN_REFUSED':
    case 'LOGIN_NAME_INVALID':
    case 'TOO_MANY_TRIES':
      return 'failure'
    case 'LOGIN_ABANDONED':
    case 'TLS_REQUIRED':
      return 'silence'
    case 'LOGIN_TOO_SLOW':
      return 'slow'
    case 'PROTOCOL_VIOLATION':
      return 'violation'
    default:
      return 'nothing'
  }
}
