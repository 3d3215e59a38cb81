/**
 * Logins that wait for somebody else (an approver, a moderator) before they are let in: told so by a line, and bounded in time and number. Who
 * waits has proven who they are; nothing is lent to them yet.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { durationWords } from '../shared/durations.ts'
import { GatewayError, isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import type { LoginClient } from './protocol.ts'
import { GATEWAY_STOPPING, onceAborted } from './session-end.ts'

/** A gateway that is told to stop is noticed this soon. */
const LOOK_EVERY_MS = 200
/** So long whoever waited has to read that the gateway stops. */
const LAST_WORD_MS = 1000
/** What was asked for is withdrawn within this time, or stays until it expires. */
const WITHDRAWN_WITHIN_MS = 5000

export interface WaitingLoginsParts {
  /** No login waits for longer. */
  readonly longestMs: number
  /** How many may wait at a time, of one user and in all. */
  readonly perUser: number
  readonly inAll: number
  readonly stopping: () => boolean
  /** How many wait. */
  readonly waiting: (count: number) => void
}

export type WaitingLogins = ReturnType<typeof createWaitingLogins>

export function createWaitingLogins({ longestMs, perUser, inAll, stopping, waiting }: WaitingLoginsParts) {
  const byUser = new Map<string, number>()
  const stops = new Set<(refusal: Refusal) => void>()
  const running = new Set<Promise<unknown>>()
  let looking: NodeJS.Timeout | undefined

  function look(): void {
    if (stopping()) for (const stop of stops) stop(GATEWAY_STOPPING)
  }

  function full(user: string): Refusal | undefined {
    if (stopping()) return GATEWAY_STOPPING
    const mine = (byUser.get(user) ?? 0) >= perUser
    if (!mine && stops.size < inAll) return undefined
    const message = mine ? `You wait on ${perUser} connections already.` : 'Too many logins wait; try again later.'
    return refuse('TOO_MANY_CONNECTIONS', message, 'too many logins wait')
  }

  function enter(user: string, stop: (refusal: Refusal) => void): () => void {
    byUser.set(user, (byUser.get(user) ?? 0) + 1)
    stops.add(stop)
    waiting(stops.size)
    looking ??= setInterval(look, LOOK_EVERY_MS)
    return () => {
      const left = byUser.get(user)! - 1
      if (left > 0) byUser.set(user, left)
      else byUser.delete(user)
      stops.delete(stop)
      waiting(stops.size)
      if (stops.size > 0) return
      clearInterval(looking)
      looking = undefined
    }
  }

  return {
    longestMs,

    /** The gateway stops: resolves when all who wait have been told, and what they asked for is withdrawn. */
    async stopped(): Promise<void> {
      if (stops.size === 0) return
      look()
      const withdrawn = Promise.allSettled(running)
      await pause(LAST_WORD_MS)
      await Promise.race([withdrawn, pause(WITHDRAWN_WITHIN_MS, undefined, { ref: false })])
    },

    /**
     * Waits for what `until` does: gives its value, or why the login waits no longer (the client is gone or gave up, it took too long, the gateway
     * stops, too many wait). `until` is to tell the client what it waits for, by `client.tell(line)`, once `client.brought()` has resolved. It is given
     * a signal that is aborted when the waiting is over, with the code of why; what it refuses then within a few seconds is told beside that, and
     * nothing else is made of it. Decide anew afterwards, by the facts of that moment.
     */
    async wait<T>(
      client: Pick<LoginClient, 'loginOver'>,
      user: string,
      until: (signal: AbortSignal) => Promise<T>,
    ): Promise<T | Refusal> {
      const refusal = full(user)
      if (refusal !== undefined) return refusal
      const over = new AbortController()
      const stopped = Promise.withResolvers<Refusal>()
      const stop = (why: Refusal) => stopped.resolve(why)
      const leave = enter(user, stop)
      const tooLong = `Nothing came of it within ${durationWords(longestMs)}; a login waits no longer here.`
      const timer = setTimeout(() => stop(refuse('WAITED_TOO_LONG', tooLong, 'it waited too long')), longestMs)
      onceAborted(client.loginOver, () => stop(refuse('LOGIN_GIVEN_UP', 'You have left.', 'the client left')))
      try {
        const work = until(over.signal)
        running.add(work)
        void work.catch(() => undefined).finally(() => running.delete(work))
        const came = await Promise.race([work.then(value => ({ value })), stopped.promise]).finally(() => {
          clearTimeout(timer)
          leave()
        })
        if ('value' in came) return came.value
        over.abort(new GatewayError(came.code, came.message))
        // Of a gateway that stops, `stopped` waits for all of them together.
        return came.code === GATEWAY_STOPPING.code ? came : await withLastWords(came, work)
      } finally {
        over.abort()
      }
    },
  }
}

/** With what was said when it ended: what has become of what they asked for. */
async function withLastWords(why: Refusal, work: Promise<unknown>): Promise<Refusal> {
  const late = pause(WITHDRAWN_WITHIN_MS, undefined, { ref: false })
  const last = await Promise.race([work.catch(() => undefined), late])
  return isRefusal(last) ? { ...why, message: `${why.message} ${last.message}` } : why
}
