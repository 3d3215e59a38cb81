/** Audits connections that never came to a login; when there are many, they are counted. */

import type { Audit } from '../audit/event.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'

export interface RefusedConnection {
  readonly protocol: string
  /** The address of the peer. */
  readonly source: string
  readonly code: ErrorCode
  readonly why: string
  readonly session?: string | undefined
}

export interface RefusedConnections {
  /** Never throws, and does not wait. */
  record(refused: RefusedConnection): void
  /** Resolves when what was recorded is stored. */
  close(): Promise<void>
}

export function createRefusedConnections({ audit, log }: { audit: Audit; log: Log }): RefusedConnections {
  const pending = new Set<Promise<void>>()
  return {
    record({ session, ...data }) {
      const recorded = audit
        .append({ kind: 'connection.refused', actor: 'unknown', ...(session === undefined ? {} : { session }), data })
        .catch(error => log.error({ err: error, ...data }, 'a refused connection was not audited'))
        .finally(() => pending.delete(recorded))
      pending.add(recorded)
    },
    async close() {
      await Promise.all(pending)
    },
  }
}
