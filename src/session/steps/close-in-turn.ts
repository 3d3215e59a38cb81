/**
 * Closes the targets' side of sessions that are ended from outside. Many may end at one moment: the words to their people leave before that, and
 * then so many a turn are closed, so that other sessions have theirs.
 */

import type { Carrier } from '../protocol.ts'

const PER_TURN = 8

const waiting: (() => void)[] = []

/** Nothing passes over it any more. Resolves when it is destroyed, within a few turns of the event loop. */
export function closeInTurn(carrier: Carrier): Promise<void> {
  return new Promise(resolve => {
    const close = () => {
      carrier.destroy()
      resolve()
    }
    // What is written in this turn leaves at its end; this begins in the one after it.
    if (waiting.push(close) === 1) setImmediate(() => setImmediate(closeSome))
  })
}

function closeSome(): void {
  for (const close of waiting.splice(0, PER_TURN)) close()
  if (waiting.length > 0) setImmediate(closeSome)
}
