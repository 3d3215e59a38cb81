/** One live session at a time, where a role says so: by the rows in the store, so on all gateways, and whatever became of the one that served it. */

import { setTimeout } from 'node:timers/promises'
import type { Database } from '../../database/database.ts'
import type { Grant } from '../../policy/grant.ts'
import { liveAlready } from '../../policy/session-conditions.ts'
import { GatewayError } from '../../shared/errors.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { SessionStore } from './session-store.ts'

/** So long one that the person has just left is waited for: its recording is sealed, and its end written down. */
const PATIENCE_MS = 3000
const LOOK_EVERY_MS = 50

type Store = Pick<SessionStore, 'liveOf' | 'takeTurn'>

/** Resolves when nothing keeps the session from beginning any more, or when that has lasted too long: `demandOneLive` decides. */
export async function untilEarlierEnded(sessions: Store, { user, oneLiveOf }: Grant): Promise<void> {
  if (oneLiveOf.length === 0) return
  const began = performance.now()
  while (liveAlready(oneLiveOf, await sessions.liveOf(user)) !== undefined) {
    if (performance.now() - began >= PATIENCE_MS) return
    await setTimeout(LOOK_EVERY_MS)
  }
}

/** In the transaction in which the session's row is opened: of two that begin at one instant, one sees the other. Throws `SESSION_ALREADY_LIVE`. */
export async function demandOneLive(sessions: Store, { user, oneLiveOf }: Grant, on: Database): Promise<void> {
  if (oneLiveOf.length === 0) return
  await sessions.takeTurn(user, on)
  const live = liveAlready(oneLiveOf, await sessions.liveOf(user, on))
  if (live === undefined) return
  const where = `${formatAccountAddress(live)} from ${live.source} since ${isoTime(live.started_at)}`
  throw new GatewayError(
    'SESSION_ALREADY_LIVE',
    `You have a live session, ${live.id} (${where}), and may have one at a time here. Leave that one first; if you cannot, ask an administrator to end it.`,
    { cause: new Error(`${live.id} is live, and ${oneLiveOf.join(', ')} allows one session at a time`) },
  )
}
