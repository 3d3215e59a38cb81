/**
 * The broker's part of sessions that somebody must watch: one waits, before anything is lent to it, until whoever watches meets all demands,
 * and each pause after that is in the audit log.
 */

import type { Grant } from '../../policy/grant.ts'
import { isModerated, type Moderation, moderatorsText } from '../../policy/session-conditions.ts'
import { durationWords } from '../../shared/durations.ts'
import { type Refusal, refuse } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Watchers } from '../live/watchers.ts'
import type { ModeratedSession, ModeratedSessions } from '../records/moderated-sessions.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import { refusedByEnd } from '../session-end.ts'
import { type DecidedAnew, NOT_DECIDED } from '../state.ts'

/** So many sessions of one user may wait in one worker. */
const MOST_WAITING = 10

export interface ModerationParts {
  readonly watchers: Watchers
  readonly moderatedSessions: Pick<ModeratedSessions, 'open' | 'begun' | 'remove'>
  readonly sessionAudit: Pick<SessionAudit, 'moderation'>
  readonly metrics: Pick<Metrics, 'moderation'>
  /** Tells those who may watch that a session waits for them. Never rejects. */
  readonly moderatorWanted: (session: ModeratedSession) => Promise<void>
  readonly log: Log
}

interface Waiting {
  readonly user: string
  readonly end: (why: Refusal) => void
}

interface Held {
  state: 'moderated' | 'paused'
  /** Looks whether it is paused, or goes on, and has it written down. */
  readonly look: () => void
  readonly forget: () => void
}

export function createModeration(parts: ModerationParts) {
  const { watchers, moderatedSessions, sessionAudit, metrics, moderatorWanted, log } = parts
  const waiting = new Map<string, Waiting>()
  const held = new Map<string, Held>()
  /** Those that have begun to wait, and were not forgotten since. */
  const asked = new Set<string>()

  const watching = (session: string) => watchers.of(session).filter(({ meets }) => meets.length > 0)
  const names = (session: string) => [...new Set(watching(session).map(({ user }) => user))].join(', ')

  /** Resolves once it is met, or with why the session waits no longer. */
  function untilMet({ session, user }: Grant, moderation: Moderation): Promise<Refusal | undefined> {
    const met = () => isModerated(moderation, watchers.met(session))
    if (met()) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<Refusal | undefined>()
    const late = setTimeout(() => resolve(nobodyCame(moderation)), moderation.waitMs)
    const forget = watchers.onChange(session, () => void (met() && resolve(undefined)))
    waiting.set(session, { user, end: resolve })
    return promise.finally(() => {
      clearTimeout(late)
      forget()
      waiting.delete(session)
    })
  }

  /** From now on: each pause, and what follows it. */
  function hold(grant: Grant, moderation: Moderation): void {
    const { session } = grant
    const look = () => {
      const state = isModerated(moderation, watchers.met(session)) ? 'moderated' : 'paused'
      if (one.state === state) return
      one.state = state
      const kind = state === 'paused' ? 'session.paused' : 'session.resumed'
      sessionAudit
        .moderation(grant, kind, { moderators: names(session) })
        .catch(error => log.error({ err: error, session }, 'a pause of a session was not audited'))
    }
    const one: Held = { state: 'moderated', look, forget: watchers.onChange(session, look) }
    held.set(session, one)
  }

  return {
    /**
     * Resolves when a moderator watches and it may still begin, or with why it does not. Throws `AUDIT_UNAVAILABLE`, and where the store is away.
     */
    async wait(grant: Grant, source: string, stillAllowed: () => Promise<DecidedAnew>): Promise<Refusal | undefined> {
      const { session, user, moderation } = grant
      if (moderation === undefined) return undefined
      if ([...waiting.values()].filter(one => one.user === user).length >= MOST_WAITING)
        return refuse('TOO_MANY_CONNECTIONS', 'Too many of your sessions wait for a moderator.')
      asked.add(session)
      const row = await moderatedSessions.open(grant, moderation, source)
      await sessionAudit.moderation(grant, 'session.moderator-awaited', { of: moderatorsText(moderation) })
      if (!asked.has(session)) {
        // Its person left meanwhile.
        await moderatedSessions.remove(session)
        return refusedByEnd('client-closed')
      }
      metrics.moderation.inc({ protocol: grant.target.protocol, what: 'awaited' })
      void moderatorWanted(row)
      const refusal = await untilMet(grant, moderation)
      if (refusal !== undefined) return refusal
      const anew = await stillAllowed().catch(() => NOT_DECIDED)
      if (anew.is === 'withdrawn') return refusedByEnd(anew.reason)
      hold(grant, moderation)
      await sessionAudit.moderation(grant, 'session.moderated', { moderators: names(session) })
      await moderatedSessions.begun(session)
      // Whoever left while that was decided is heard of by nobody else.
      held.get(session)?.look()
      return undefined
    },

    /** Whether its moderator has come: before that nothing is lent to it. */
    mayBegin: ({ session, moderation }: Grant) => moderation === undefined || held.has(session),

    /** It has ended, or nothing came of it. */
    forget({ session, moderation }: Grant): void {
      if (moderation === undefined) return
      asked.delete(session)
      waiting.get(session)?.end(refusedByEnd('client-closed'))
      held.get(session)?.forget()
      held.delete(session)
      moderatedSessions
        .remove(session)
        .catch(error => log.warn({ err: error, session }, 'a moderated session stays in the list of those'))
    },
  }
}

function nobodyCame(moderation: Moderation): Refusal {
  const who = moderatorsText(moderation)
  const text = `No moderator (${who}) came to watch this session within ${durationWords(moderation.waitMs)}.`
  return refuse('NO_MODERATOR', text, `no moderator of ${who} came in time`)
}
