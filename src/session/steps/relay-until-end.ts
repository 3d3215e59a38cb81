/** The sixth step of the pipeline: the person is let in, bytes flow until one side closes or the session must end, and both sides are closed. */

import type { Recorder } from '../../recording/writing/recorder.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { SessionBroker } from '../broker/broker.ts'
import type { LiveSession } from '../live/live-sessions.ts'
import { overseeSession } from '../live/oversight.ts'
import type { Pause } from '../live/pause.ts'
import type { Watchers } from '../live/watchers.ts'
import type { Downstream, Protocol, RelayContext, Upstream } from '../protocol.ts'
import { endOf } from '../session-end.ts'
import type { EndReason } from '../state.ts'
import { closeDownstream } from './close-downstream.ts'
import { closeInTurn } from './close-in-turn.ts'

/** So many refused channels of one session may wait for the audit log. */
const MAX_UNWRITTEN_REFUSALS = 256

interface Parts {
  readonly broker: SessionBroker
  readonly watchers: Watchers
  readonly metrics: Metrics
  readonly log: Log
}

/** Throws only what happened before the person was let in; what goes wrong after that is a reason for the end. */
export async function relayUntilEnd<D extends Downstream, U extends Upstream>(
  parts: Parts,
  protocol: Protocol<D, U>,
  downstream: D,
  live: LiveSession,
  upstream: U,
  recorder: Recorder,
  loginBegan: number,
): Promise<EndReason> {
  const { grant, signal } = live
  const { broker, metrics, log } = parts
  const { session, endsAt } = grant
  if (!(await broker.activate(grant, upstream.atTarget ?? {}))) live.abort('interrupted')
  signal.throwIfAborted()
  using oversight = overseeSession(parts, live, recorder)
  metrics.sessions.inc({ protocol: protocol.name })
  try {
    await downstream.accept({ session, account: grant.account.name, target: grant.target.name, endsAt })
    metrics.logins.inc({ protocol: protocol.name, result: 'accepted' })
    metrics.handshake.observe({ protocol: protocol.name }, (performance.now() - loginBegan) / 1000)
    const closedBy = await protocol.relay(
      downstream,
      upstream,
      relayContext(parts, protocol, live, recorder, oversight.pause),
    )
    return await closeBoth(downstream, upstream, live, endOf(signal) ?? closedBy)
  } catch (error) {
    log.error({ err: error, session }, 'a session broke')
    return await closeBoth(downstream, upstream, live, endOf(signal) ?? 'internal-error')
  } finally {
    metrics.sessions.dec({ protocol: protocol.name })
  }
}

function relayContext(
  { metrics, broker }: Parts,
  { name }: { readonly name: Downstream['protocol'] },
  live: LiveSession,
  recorder: Recorder,
  pause: Pause | undefined,
): RelayContext {
  const { grant, signal, activity } = live
  const tally = metrics.tally(name)
  let unwritten = 0
  return {
    session: grant.session,
    grant,
    recorder,
    signal,
    activity,
    pause,
    count(direction, bytes) {
      tally[direction] += bytes
    },
    refused(what, why, channel) {
      recorder.fact({ type: 'refused', what, reason: why, ...(channel === undefined ? {} : { channel }) })
      // One session must not fill the queue that the logins of the others wait in.
      if (++unwritten > MAX_UNWRITTEN_REFUSALS) return live.abort('protocol-violation')
      broker.channelDenied(grant, what, why).then(
        () => unwritten--,
        // What is not in the audit log must not go on.
        () => live.abort('internal-error'),
      )
    },
  }
}

async function closeBoth(
  downstream: Downstream,
  upstream: Upstream,
  live: LiveSession,
  reason: EndReason,
): Promise<EndReason> {
  // First: the person may be slow to read the text.
  const left = live.signal.aborted ? closeInTurn(upstream.carrier) : upstream.close()
  await closeDownstream(downstream, live, reason)
  // A goodbye would be read there as the rest of a message of which a part has passed.
  await left
  return reason
}
