/**
 * Refusals that were sent inside TLS a moment ago. libpq's `sslmode=prefer` then tries again without TLS, and people would read that
 * this is not allowed in the place of the reason: so the reason is repeated, to the same address and login name, once.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { SessionCluster } from '../../../cluster/cluster.ts'
import type { ErrorCode, Refusal } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'

/** The second try follows at once; it may come to another worker or gateway. */
const KEPT_MS = 10_000

const note = z.strictObject({ code: z.string(), text: z.string().max(1000), session: z.string() })

export interface TlsRefusal {
  readonly code: ErrorCode
  readonly text: string
  /** Of the connection inside TLS: under this one the administrator finds the cause. */
  readonly session: string
}

export interface RecentTlsRefusals {
  /** Never rejects: without the note, people read of TLS last. */
  remember(address: string, login: string, refusal: Refusal, session: string): Promise<void>
  take(address: string, login: string): Promise<TlsRefusal | undefined>
}

export function createRecentTlsRefusals({ cluster, log }: { cluster: SessionCluster; log: Log }): RecentTlsRefusals {
  return {
    async remember(address, login, { code, message: text }, session) {
      // psql disconnects at the password request, and reconnects with it: it was sent no reason.
      if (code === 'LOGIN_ABANDONED') return
      const value = JSON.stringify({ code, text, session } satisfies z.input<typeof note>)
      await cluster
        .remember(keyOf(address, login), value, KEPT_MS)
        .catch(error => log.debug({ err: error }, 'a refusal could not be noted'))
    },
    async take(address, login) {
      const key = keyOf(address, login)
      try {
        const value = await cluster.recall(key)
        if (value === undefined) return undefined
        await cluster.forget(key)
        return note.parse(JSON.parse(value)) as TlsRefusal
      } catch (error) {
        log.debug({ err: error }, 'a noted refusal could not be read')
        return undefined
      }
    },
  }
}

function keyOf(address: string, login: string): string {
  return `postgres-tls-refusal:${createHash('sha256').update(`${address}\0${login}`).digest('hex')}`
}
