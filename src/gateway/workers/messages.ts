/** The messages between a gateway and its workers, over the channel that `fork` makes. */

import type { Config } from '../../config/config.ts'
import type { NoSlot, Stage } from '../../connections/connection-limits.ts'
import type { Fault } from '../../connections/sources.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { Report } from '../../shared/metrics.ts'
import type { RpcFailure, RpcMessage } from '../../shared/rpc.ts'
import type { Certificates } from '../served-certificates.ts'

export type ToWorker =
  | Begin
  /** Comes with the connection's socket. `refused`: there is no slot for it. `balanced`: its PROXY header must be read first. */
  | {
      readonly kind: 'connection'
      readonly connection: number
      readonly protocol: ProtocolName
      readonly source: Source
      readonly refused?: NoSlot
      readonly balanced?: boolean
    }
  | RpcMessage
  /** Its slot is given away. */
  | { readonly kind: 'cut'; readonly connection: number }
  | { readonly kind: 'drain'; readonly drainMs: number }
  /** Ends the waiting of a drain. */
  | { readonly kind: 'hurry' }

/** The first message that a worker receives; nothing but a drain comes before it is ready. */
export interface Begin {
  readonly kind: 'begin'
  readonly gateway: string
  /** The id of the gateway itself, which appends the worker's audit events. */
  readonly auditedBy: string
  readonly config: Config
  /** What the gateway has read once, for all. */
  readonly vaultKey: Buffer
  readonly certificates: Certificates
  /** To a PostgreSQL store. */
  readonly storeConnections: number
}

export type FromWorker =
  | { readonly kind: 'ready' }
  /** It cannot start, and ends. */
  | { readonly kind: 'failed'; readonly failure: RpcFailure }
  /** It has the connection, the connection has logged in, the connection is gone. */
  | { readonly kind: 'entered' | 'authenticated' | 'disconnected'; readonly connection: number }
  /** A connection inside of it is gone. */
  | { readonly kind: 'inner-released'; readonly connection: number }
  | { readonly kind: 'reached'; readonly connection: number; readonly stage: Stage }
  | { readonly kind: 'blamed'; readonly connection: number; readonly fault: Fault | 'nothing' }
  | RpcMessage

/** What a gateway may have its worker do. `gateway-methods.ts` has the other table. */
export interface WorkerMethods {
  /** Of a channel of the cluster that the worker has subscribed to. */
  deliver(channel: string, payload: Buffer): void
  report(): Promise<Report>
}
