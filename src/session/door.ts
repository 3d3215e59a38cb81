/** What a protocol is towards the network: it takes connections over, from whoever accepted them. */

import type { Socket } from 'node:net'
import type { Source } from '../identity/proof.ts'
import type { Place } from '../shared/connection-limits.ts'

export interface Visitor {
  readonly socket: Socket
  readonly source: Source
  /** The visitor's place among the connections; where there is none left, why, in words for the log. */
  readonly place: Place | string
}

export interface Door {
  enter(visitor: Visitor): void
  /** Ends every connection at once. Resolves when all are gone. */
  close(): Promise<void>
}
