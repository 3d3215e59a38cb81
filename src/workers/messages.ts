/** What a gateway and its workers say to each other, over the channel that `fork` makes. */

import type { ClusterAnswer, ClusterQuestion } from '../cluster/host.ts'
import type { Config } from '../config/config.ts'
import type { Source } from '../identity/proof.ts'
import type { ProtocolName } from '../policy/role.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { Report } from '../shared/metrics.ts'

/** The first is `begin`, and nothing else comes before the worker is ready. */
export type ToWorker =
  | { readonly kind: 'begin'; readonly gateway: string; readonly config: Config; readonly vaultKey: Buffer }
  /** Comes with the connection's socket. `place`: its number; a text, where there is no place for it. */
  | {
      readonly kind: 'visitor'
      readonly protocol: ProtocolName
      readonly source: Source
      readonly place: number | string
    }
  | { readonly kind: 'report'; readonly id: number }
  | { readonly kind: 'drain'; readonly drainMs: number }
  /** Ends the waiting of a drain. */
  | { readonly kind: 'hurry' }
  | ClusterAnswer

export type FromWorker =
  | { readonly kind: 'ready' }
  /** It cannot start, and ends. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** The connection at this place has logged in, or is gone. */
  | { readonly kind: 'authenticated' | 'left'; readonly place: number }
  /** The audit log has grown up to this event. */
  | { readonly kind: 'audited'; readonly seq: number }
  | { readonly kind: 'reported'; readonly id: number; readonly report: Report }
  | ClusterQuestion
