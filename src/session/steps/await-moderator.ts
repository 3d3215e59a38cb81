/** Between the second and the third step of the pipeline, where a role demands it: the session waits for somebody who watches it. */

import { moderatorsText } from '../../policy/session-conditions.ts'
import { durationWords } from '../../shared/durations.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { SessionBroker } from '../broker/broker.ts'
import type { LiveSession } from '../live/live-sessions.ts'
import { endOf, onceAborted, refusedByEnd } from '../session-end.ts'

/** Who waits is not idle. */
const BUSY_EVERY_MS = 1000

/** Resolves when it may go on, or with why it does not: that is in the audit log. */
export async function awaitModerator(
  { broker }: { readonly broker: Pick<SessionBroker, 'awaitModerator' | 'refused'> },
  live: Pick<LiveSession, 'id' | 'grant' | 'downstream' | 'signal' | 'activity'>,
): Promise<Refusal | undefined> {
  const { grant, downstream, signal } = live
  const { moderation } = grant
  if (moderation === undefined) return undefined
  downstream.tell(
    `Sallyport: a moderator must watch this session (${moderatorsText(moderation)}). Waiting up to ${durationWords(moderation.waitMs)} for one, who runs: sallyport session follow ${live.id}`,
  )
  const busy = setInterval(live.activity, BUSY_EVERY_MS)
  const ended = Promise.withResolvers<'ended'>()
  onceAborted(signal, () => ended.resolve('ended'))
  onceAborted(downstream.loginOver, () => ended.resolve('ended'))
  try {
    const waited = await Promise.race([broker.awaitModerator(grant), ended.promise])
    if (waited !== 'ended') return isRefusal(waited) ? waited : undefined
    const refusal = refusedByEnd(endOf(signal) ?? 'client-closed')
    await broker.refused(grant, refusal)
    return refusal
  } finally {
    clearInterval(busy)
  }
}
