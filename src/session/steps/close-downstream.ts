/** Tells the person why a session, or a login, is over, and closes their side. */

import type { Downstream } from '../protocol.ts'
import { closingText, onceAborted } from '../session-end.ts'
import type { EndReason } from '../state.ts'

/** How long it may take to close after the end came from outside. */
const CLOSE_PATIENCE_MS = 5000

/**
 * The text for the person takes as long as a slow reader takes for the rest of their output; once the signal aborts, in the midst of
 * that too, not longer than `CLOSE_PATIENCE_MS`.
 */
export async function closeDownstream(
  downstream: Downstream,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
  reason: EndReason,
): Promise<void> {
  const closed = downstream.close(reason, closingText(reason, id))
  const outOfPatience = new Promise<void>(resolve => {
    onceAborted(signal, () => void setTimeout(resolve, CLOSE_PATIENCE_MS).unref())
  })
  await Promise.race([closed, outOfPatience])
}
