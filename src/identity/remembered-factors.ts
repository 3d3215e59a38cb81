/**
 * Fresh factors: a one-time code that was accepted counts for the same user and source address again for a while, for
 * database clients that open several connections with one login. The note is sealed, so that whoever can write to the
 * cluster's memory cannot make one up.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Sealer } from './sealer.ts'

export interface Holder {
  readonly user: string
  readonly address: string
  /** Of the user's entry and factors: when they change, what was remembered is void. */
  readonly generation: string
}

export interface RememberedFactors {
  remember(holder: Holder, step: number, forMs: number): Promise<void>
  /** The step whose code was accepted, when that is at most `forMs` ago; undefined otherwise. */
  recall(holder: Holder, forMs: number): Promise<number | undefined>
}

const note = z.strictObject({ step: z.number().int(), at: z.number(), generation: z.string() })

export function createRememberedFactors(parts: { cluster: Cluster; vault: Sealer; clock: Clock }): RememberedFactors {
  const { cluster, vault, clock } = parts
  return {
    async remember(holder, step, forMs) {
      if (forMs <= 0) return
      const text = JSON.stringify({ step, at: clock.now(), generation: holder.generation } satisfies z.input<
        typeof note
      >)
      await cluster.remember(keyOf(holder), vault.sealBytes(purposeOf(holder), Buffer.from(text)), forMs)
    },
    async recall(holder, forMs) {
      const sealed = await cluster.recall(keyOf(holder))
      if (sealed === undefined) return undefined
      const { step, at, generation } = open(vault, holder, sealed) ?? {}
      // Judged by the role of this login, which may be stricter than the one it was remembered for.
      const fresh = at !== undefined && clock.now() - at < forMs
      return fresh && generation === holder.generation ? step : undefined
    },
  }
}

function open(vault: Sealer, holder: Holder, sealed: string): z.output<typeof note> | undefined {
  try {
    return note.parse(JSON.parse(vault.openBytes(purposeOf(holder), sealed).toString('utf8')))
  } catch (error) {
    // Not made by this vault: as good as nothing. The person is asked for a code.
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

function keyOf({ user, address }: Holder): string {
  return `fresh-factor:${createHash('sha256').update(`${user}\0${address}`).digest('hex')}`
}

function purposeOf({ user, address }: Holder): string {
  return `fresh factor of ${user} from ${address}`
}
