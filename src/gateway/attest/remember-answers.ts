/** What a target has said of a session is kept until the end of its access is written down: it is not logged in to again for what it would say again. */

import type { SessionRow } from '../../session/records/session-store.ts'
import type { Remains } from '../../session/remains.ts'
import { BoundedMap } from '../../shared/bounded-map.ts'
import type { AskTargets } from './ask-targets.ts'

/** What runs so long after a session does not end by itself in a moment. */
const LASTING_MS = 30_000
/** Of requests: others may have been written down by another gateway. */
const MOST_KEPT = 1000

export function rememberAnswers(askTargets: AskTargets, clock: { now(): number }) {
  const kept = new BoundedMap<Map<string, Remains>>(MOST_KEPT)
  return {
    async ask(request: string, sessions: readonly SessionRow[], signal: AbortSignal): Promise<Map<string, Remains>> {
      const known = kept.get(request) ?? new Map<string, Remains>()
      const answers = await askTargets(
        sessions.filter(({ id }) => !known.has(id)),
        signal,
      )
      for (const { id, ended_at: endedAt } of sessions) {
        const answer = answers.get(id)
        if (answer !== undefined && isLasting(answer, clock.now() - (endedAt ?? 0))) known.set(id, answer)
      }
      kept.set(request, known)
      return new Map([...answers, ...known])
    },
    forget: (request: string) => kept.delete(request),
  }
}

function isLasting(answer: Remains, endedAgoMs: number): boolean {
  if (answer.is === 'unknown') return answer.lasting === true
  return (answer.connection !== 'open' && answer.left.length === 0) || endedAgoMs > LASTING_MS
}
