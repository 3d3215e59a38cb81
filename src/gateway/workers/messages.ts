/** The messages between a gateway and its workers, over the channel that `fork` makes. */

import { z } from 'zod'
import type { NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { ApiAddress } from '../../self-service/command.ts'
import type { Brought } from '../../session/protocol.ts'
import type { Factor } from '../../shared/factors.ts'
import type { Report } from '../../shared/metrics.ts'
import type { RpcFailure, RpcMessage } from '../../shared/rpc.ts'
import type { Certificates } from '../served-certificates.ts'
import type { ProofMessage } from './proof-message.ts'
import type { WorkerConfig } from './worker-config.ts'

export type ToWorker =
  | Begin
  /**
   * Comes with the connection's socket. `nonce`: of this connection alone. `refused`: there is no slot for it. `balanced`: its PROXY header
   * must be read first.
   */
  | {
      readonly kind: 'connection'
      readonly connection: number
      readonly protocol: ProtocolName
      readonly source: Source
      readonly nonce: Buffer
      readonly refused?: NoSlot
      readonly balanced?: boolean
    }
  | RpcMessage
  /** Its slot is given away. */
  | { readonly kind: 'cut'; readonly connection: number }
  | { readonly kind: 'drain'; readonly drainMs: number }
  /** Ends the waiting of a drain. */
  | { readonly kind: 'hurry' }

/** The keys that stand for the gateway itself, with the secret half as bytes. */
export type HandedKeys = Readonly<Record<string, { readonly public: string; readonly secret: Buffer }>>

/** The first message that a worker receives; nothing but a drain comes before it is ready. */
export interface Begin {
  readonly kind: 'begin'
  /** The worker's id. */
  readonly gateway: string
  readonly config: WorkerConfig
  /** Of the key that signs recordings, in PEM. */
  readonly signingPublicKey: string
  /** By protocol. */
  readonly ownKeys: Readonly<Record<string, HandedKeys>>
  readonly certificates: Certificates
  readonly apiAddress: ApiAddress | null
}

const connection = z.number().int().nonnegative()
const failure = z.object({ code: z.string(), message: z.string().max(10_000) })

/** What a worker says: it reads the bytes of strangers, so each of its messages is looked at before it is believed. */
export const fromWorker = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ready') }),
  /** It cannot start, and ends. */
  z.strictObject({ kind: z.literal('failed'), failure }),
  /** It has the connection, the connection has logged in, the connection is gone. */
  z.strictObject({ kind: z.enum(['entered', 'authenticated', 'disconnected']), connection }),
  /** A connection inside of it is gone. */
  z.strictObject({ kind: z.literal('inner-released'), connection }),
  z.strictObject({ kind: z.literal('reached'), connection, stage: z.enum(['silent', 'opening', 'login']) }),
  z.strictObject({
    kind: z.literal('blamed'),
    connection,
    fault: z.enum(['failure', 'silence', 'slow', 'violation', 'nothing']),
  }),
  z.strictObject({
    kind: z.literal('call'),
    id: z.number().optional(),
    method: z.string().max(64),
    values: z.array(z.unknown()).max(8),
  }),
  z.strictObject({
    kind: z.literal('answer'),
    id: z.number(),
    value: z.unknown().optional(),
    failed: failure.optional(),
  }),
])

export type FromWorker =
  | Exclude<z.output<typeof fromWorker>, { kind: 'call' | 'answer' | 'failed' }>
  | { readonly kind: 'failed'; readonly failure: RpcFailure }
  | RpcMessage

/** What a gateway may have its worker do. `requests.ts` has the other table. */
export interface WorkerMethods {
  /** Of a channel of the cluster that the worker has subscribed to. */
  deliver(channel: string, payload: Buffer): void
  report(): Promise<Report>
  /** The next proof of a client that logs in; `answered`: whether it has shown anything at all. */
  nextProof(session: string, first?: readonly Factor[]): Promise<{ proof?: ProofMessage; answered: boolean }>
  askFor(session: string, next: readonly Factor[], partial: boolean): void
  /** What `Downstream` says of a client that has proven who it is. */
  brought(session: string): Promise<Brought>
  ask(session: string, question: string): Promise<string | undefined>
  tell(session: string, line: string): void
  /** A session of this worker that others have ended. */
  endSession(session: string, reason: string): void
  /** Words to the person of a session. */
  notifySession(session: string, text: string, short?: string): void
}
