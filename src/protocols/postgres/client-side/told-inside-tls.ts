/**
 * Refusals that were told inside TLS a moment ago. libpq's `sslmode=prefer` then tries again without TLS, and people would read that
 * this is not allowed in the place of the reason: so the reason is repeated, to the same address and login name, once.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Cluster } from '../../../cluster/cluster.ts'
import type { ErrorCode, Refusal } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'

/** The second try follows at once; it may come to another worker or gateway. */
const KEPT_MS = 10_000

const note = z.strictObject({ code: z.string(), text: z.string().max(1000), session: z.string() })

export interface Told {
  readonly code: ErrorCode
  readonly text: string
  /** Of the connection inside TLS: under this one the administrator finds the cause. */
  readonly session: string
}

export interface ToldInsideTls {
  /** Never rejects: without the note, people read of TLS last. */
  note(address: string, login: string, refusal: Refusal, session: string): Promise<void>
  take(address: string, login: string): Promise<Told | undefined>
}

export function createToldInsideTls({ cluster, log }: { cluster: Cluster; log: Log }): ToldInsideTls {
  return {
    async note(address, login, { code, message: text }, session) {
      // psql leaves at the question for the password, and comes back with it: it was told nothing.
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
        return note.parse(JSON.parse(value)) as Told
      } catch (error) {
        log.debug({ err: error }, 'a noted refusal could not be read')
        return undefined
      }
    },
  }
}

function keyOf(address: string, login: string): string {
  return `told-inside-tls:${createHash('sha256').update(`${address}\0${login}`).digest('hex')}`
}
