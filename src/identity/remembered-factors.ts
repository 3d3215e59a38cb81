/**
 * Codes that were accepted. For a while, as the role says, such a code counts again for the same user and source address: for
 * database clients that open several connections with one login. After that it is still known as one that was used: a pool that
 * sends it for ever does not guess. Notes are sealed, so that whoever can write to the cluster's memory cannot make one up.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'
import type { Clock } from '../shared/clock.ts'
import type { Sealer } from '../shared/cryptography/sealer.ts'
import { GatewayError } from '../shared/errors.ts'

export interface Holder {
  readonly user: string
  readonly address: string
  /** Of the user's entry and factors: when they change, what was remembered is void. */
  readonly generation: string
}

export interface RememberedFactors {
  /** The code of this step was accepted, and counts again for `forMs`. */
  remember(holder: Holder, code: string, step: number, forMs: number): Promise<void>
  /**
   * What is known of a code, or, where there is none (`undefined`), of the one that was accepted last. It is fresh when that
   * is less than `forMs` ago, and less than what was allowed then.
   */
  recall(holder: Holder, code: string | undefined, forMs: number): Promise<AcceptedCode | undefined>
  /** The code was sent again: it is known for another day. */
  keep(holder: Holder, code: string): Promise<void>
}

export interface AcceptedCode {
  readonly step: number
  readonly fresh: boolean
}

/** How long a code that counts no more is known since it was last sent. */
const KEPT_MS = 24 * 60 * 60_000

const note = z.strictObject({ step: z.number().int(), at: z.number(), forMs: z.number(), generation: z.string() })

export function createRememberedFactors(parts: { cluster: Cluster; vault: Sealer; clock: Clock }): RememberedFactors {
  const { cluster, vault, clock } = parts
  return {
    async remember(holder, code, step, forMs) {
      const text = { step, at: clock.now(), forMs, generation: holder.generation } satisfies z.input<typeof note>
      const bytes = Buffer.from(JSON.stringify(text))
      const put = (of: string | undefined, ttlMs: number) =>
        cluster.remember(keyOf(holder, of), vault.sealBytes(purposeOf(holder, of), bytes), ttlMs)
      await Promise.all([put(code, forMs + KEPT_MS), ...(forMs > 0 ? [put(undefined, forMs)] : [])])
    },
    async recall(holder, code, forMs) {
      const sealed = await cluster.recall(keyOf(holder, code))
      const known = sealed === undefined ? undefined : open(vault, purposeOf(holder, code), sealed)
      if (known?.generation !== holder.generation) return undefined
      // Evaluated by the role of this login too, which may be stricter than the one it was remembered for.
      return { step: known.step, fresh: clock.now() - known.at < Math.min(known.forMs, forMs) }
    },
    async keep(holder, code) {
      const key = keyOf(holder, code)
      const sealed = await cluster.recall(key)
      if (sealed !== undefined) await cluster.remember(key, sealed, KEPT_MS)
    },
  }
}

function open(vault: Sealer, purpose: string, sealed: string): z.output<typeof note> | undefined {
  try {
    return note.parse(JSON.parse(vault.openBytes(purpose, sealed).toString('utf8')))
  } catch (error) {
    // Not made by this vault: as good as nothing. The person is asked for a code.
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

function keyOf({ user, address }: Holder, code = ''): string {
  return `accepted-code:${createHash('sha256').update(`${user}\0${address}\0${code}`).digest('hex')}`
}

function purposeOf({ user, address }: Holder, code = 'last'): string {
  return `accepted code ${code} of ${user} from ${address}`
}
