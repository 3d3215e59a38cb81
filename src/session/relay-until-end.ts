/** The relay step of the pipeline: bytes flow until one side closes or the session must end; then the person is told why. */

import type { Recorder } from '../recording/writing/recorder.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { LiveSession } from './live-sessions.ts'
import type { Downstream, Protocol, Upstream } from './protocol.ts'
import type { SessionAudit } from './session-audit.ts'
import { endOf, lastWord, onceAborted } from './session-end.ts'
import type { EndReason } from './state.ts'

/** So many refused channels of one session may wait for the audit log. */
const MAX_UNWRITTEN_REFUSALS = 256
/** How long a downstream may take to close after its session was ended from outside. */
const CLOSE_PATIENCE_MS = 5000

export async function relayUntilEnd<D extends Downstream, U extends Upstream>(
  parts: { readonly metrics: Metrics; readonly say: SessionAudit },
  protocol: Protocol<D, U>,
  downstream: D,
  upstream: U,
  live: LiveSession,
  recorder: Recorder,
): Promise<EndReason> {
  const { grant, signal } = live
  const { sessions: open } = parts.metrics
  const tally = parts.metrics.tally(protocol.name)
  let unwritten = 0
  open.inc({ protocol: protocol.name })
  try {
    const closedBy = await protocol.relay(downstream, upstream, {
      session: grant.session,
      grant,
      recorder,
      signal,
      activity: live.activity,
      count(direction, bytes) {
        tally[direction] += bytes
      },
      refused(what, why, channel) {
        recorder.fact({ type: 'refused', what, reason: why, ...(channel === undefined ? {} : { channel }) })
        // One session must not fill the queue that the logins of the others wait in.
        if (++unwritten > MAX_UNWRITTEN_REFUSALS) return live.abort('protocol-violation')
        parts.say.channelDenied(grant, what, why).then(
          () => unwritten--,
          // What is not in the audit log must not go on.
          () => live.abort('internal-error'),
        )
      },
    })
    const reason = endOf(signal) ?? closedBy
    // First: the person may be slow to hear the last word.
    upstream.close()
    await sayGoodbye(downstream, live, reason)
    return reason
  } finally {
    open.dec({ protocol: protocol.name })
  }
}

/**
 * The last word takes as long as a slow reader takes for the rest of their output; once the session must end, in the midst of
 * that too, not longer than `CLOSE_PATIENCE_MS`.
 */
export async function sayGoodbye(
  downstream: Downstream,
  { grant, signal }: LiveSession,
  reason: EndReason,
): Promise<void> {
  const said = downstream.close(reason, lastWord(reason, grant.session))
  const outOfPatience = new Promise<void>(resolve => {
    onceAborted(signal, () => void setTimeout(resolve, CLOSE_PATIENCE_MS).unref())
  })
  await Promise.race([said, outOfPatience])
}
