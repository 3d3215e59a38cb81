/** Connections that never came to a login, for the audit log: told one by one while they are few, counted when they are a flood. */

import type { Audit } from '../audit/event.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { networkOf } from '../shared/source-network.ts'

const WINDOW_MS = 60_000
/** What is told one by one in a window: of one network, and of all. Anybody can make these events, and the log keeps them for ever. */
const TOLD_PER_NETWORK = 10
const TOLD_IN_ALL = 100

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
  /** Tells what was only counted so far. */
  close(): Promise<void>
}

export function createRefusedConnections({ audit, log }: { audit: Audit; log: Log }): RefusedConnections {
  let told = 0
  let counted = 0
  const toldOf = new Map<string, number>()
  let window: NodeJS.Timeout | undefined

  async function append(data: Record<string, unknown>, session?: string): Promise<void> {
    await audit
      .append({ kind: 'connection.refused', actor: 'unknown', ...(session === undefined ? {} : { session }), data })
      .catch(error => log.error({ err: error }, 'refused connections were not audited'))
  }

  async function endWindow(): Promise<void> {
    clearTimeout(window)
    window = undefined
    const more = counted
    told = 0
    counted = 0
    toldOf.clear()
    if (more > 0) await append({ more, withinMs: WINDOW_MS })
  }

  return {
    tell({ session, ...data }) {
      window ??= setTimeout(() => void endWindow(), WINDOW_MS).unref()
      const network = networkOf(data.source)
      const toldHere = toldOf.get(network) ?? 0
      if (told >= TOLD_IN_ALL || toldHere >= TOLD_PER_NETWORK) {
        counted++
        return
      }
      told++
      toldOf.set(network, toldHere + 1)
      void append(data, session)
    },
    close: endWindow,
  }
}
