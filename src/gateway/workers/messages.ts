/** The messages between a gateway and its workers, over the channel that `fork` makes. */

import type { AuditEvent } from '../../audit/event.ts'
import type { ClusterCall } from '../../cluster/server.ts'
import type { Config } from '../../config/config.ts'
import type { NoSlot, Stage } from '../../connections/connection-limits.ts'
import type { Fault } from '../../connections/sources.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { Report } from '../../shared/metrics.ts'
import type { Certificates } from '../tls-certificate.ts'

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
  /** Of a question: its value, or why there is none. */
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly failed?: Failure }
  /** Of a channel of the cluster that the worker has subscribed to. */
  | { readonly kind: 'published'; readonly channel: string; readonly payload: Buffer }
  /** Its slot is given away. */
  | { readonly kind: 'cut'; readonly connection: number }
  | { readonly kind: 'report'; readonly id: number }
  | { readonly kind: 'drain'; readonly drainMs: number }
  /** Ends the waiting of a drain. */
  | { readonly kind: 'hurry' }

/** The first that a worker hears; nothing but a drain comes before it is ready. */
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
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** It has the connection, the connection has logged in, the connection is gone. */
  | { readonly kind: 'entered' | 'authenticated' | 'left'; readonly connection: number }
  | { readonly kind: 'reached'; readonly connection: number; readonly stage: Stage }
  | { readonly kind: 'blamed'; readonly connection: number; readonly fault: Fault | 'nothing' }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  /** Releases the lock that the question with this id took. */
  | { readonly kind: 'unlock'; readonly id: number }
  | { readonly kind: 'reported'; readonly id: number; readonly report: Report }

/** What a worker has its gateway do. */
export type Question =
  | { readonly of: 'cluster'; readonly call: ClusterCall }
  /** Answered when the event is stored. */
  | { readonly of: 'audit'; readonly event: AuditEvent }
  /** Answered with why there is no slot for a connection that comes from there, or with nothing where there is one. */
  | { readonly of: 'slot'; readonly connection: number; readonly source: Source }
  /** Answered when what the worker put into the outbox is in the chain. */
  | { readonly of: 'audit-flush' }
  /** Answered when the worker holds the key's lock; `unlock` releases it. */
  | { readonly of: 'lock'; readonly key: string }

export interface Failure {
  readonly code: ErrorCode
  readonly message: string
}
