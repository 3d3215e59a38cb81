/** A proof that is neither right nor wrong yet, as it is confirmed elsewhere: what it is, and waiting for it. */

import { unlessAborted } from '../../shared/concurrency/unless-aborted.ts'
import type { Factor } from '../../shared/factors.ts'

export interface PendingProof {
  /** What it will prove, if it is confirmed. */
  readonly pending: Factor
  /**
   * Asks the person, elsewhere. Called once at most, behind a factor that is proven, and for one login of the user at a time (of those from
   * one known network, at one gateway). After the signal
   * has aborted nobody waits any more: what is confirmed then is worth nothing.
   */
  ask(signal: AbortSignal): Promise<'confirmed' | 'refused'>
}

export type Confirmation = 'confirmed' | 'refused' | 'unanswered'

/** Where the login itself has no end. */
const LONGEST_WAIT_MS = 120_000

/** Waits for it until the signal aborts. */
export async function askElsewhere({ ask }: PendingProof, until: AbortSignal): Promise<Confirmation> {
  const signal = AbortSignal.any([until, AbortSignal.timeout(LONGEST_WAIT_MS)])
  if (signal.aborted) return 'unanswered'
  const answer = await unlessAborted<Confirmation>(signal, ask(signal), 'unanswered')
  return signal.aborted ? 'unanswered' : answer
}
