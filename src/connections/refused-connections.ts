/** Connections that never came to a login, for the audit log, which counts them when they are a flood. */

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
  /** Never throws, and holds nobody up. */
  tell(refused: RefusedConnection): void
  /** Resolves when what was told is stored. */
  close(): Promise<void>
}

export function createRefusedConnections({ audit, log }: { audit: Audit; log: Log }): RefusedConnections {
  const telling = new Set<Promise<void>>()
  return {
    tell({ session, ...data }) {
      const told = audit
        .append({ kind: 'connection.refused', actor: 'unknown', ...(session === undefined ? {} : { session }), data })
        .catch(error => log.error({ err: error, ...data }, 'a refused connection was not audited'))
        .finally(() => telling.delete(told))
      telling.add(told)
    },
    async close() {
      await Promise.all(telling)
    },
  }
}
