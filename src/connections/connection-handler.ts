/** What a protocol is towards the network: it takes connections over, from whoever accepted them. */

import type { Socket } from 'node:net'
import type { Source } from '../identity/proof.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { Full, Place } from './connection-limits.ts'
import type { Fault } from './sources.ts'

export interface IncomingConnection {
  readonly socket: Socket
  readonly source: Source
  /** The connection's place among the connections; or why there is none. */
  readonly place: Place | Full
}

export interface ConnectionHandler {
  enter(connection: IncomingConnection): void
  /** Ends every connection at once. Resolves when all are gone. */
  close(): Promise<void>
}

/** What a connection that was sent away with this code is to be blamed for. Whoever came as far as a decision wasted nobody's time. */
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
