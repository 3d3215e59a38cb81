/** What those who watch an open session mean for it: its user is told, its recording notes them, and without a moderator that a role demands it is paused. */

import { isModerated } from '../../policy/session-conditions.ts'
import type { Recorder } from '../../recording/writing/recorder.ts'
import { durationWords } from '../../shared/durations.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { LiveSession } from './live-sessions.ts'
import type { Pause } from './pause.ts'
import type { Watcher, WatcherChange, Watchers } from './watchers.ts'

/** Whoever is not let do anything is not idle. */
const BUSY_EVERY_MS = 1000

interface Parts {
  readonly watchers: Watchers
  readonly metrics: Metrics
}

export interface Oversight extends Disposable {
  /** Undefined where no role demands a moderator: then the relay has nothing to look at. */
  readonly pause: Pause | undefined
}

/** From when the session is recorded, until it is disposed of. */
export function overseeSession(
  { watchers, metrics }: Parts,
  live: Pick<LiveSession, 'id' | 'grant' | 'downstream' | 'abort' | 'activity'>,
  recorder: Pick<Recorder, 'fact'>,
): Oversight {
  const { grant, downstream } = live
  const { moderation, follow } = grant
  const protocol = grant.target.protocol
  let absent: NodeJS.Timeout | undefined
  let busy: NodeJS.Timeout | undefined
  let changed = false
  const pause = moderation && {
    paused: !isModerated(moderation, watchers.met(live.id)),
    onChange: undefined as Pause['onChange'],
  }

  function note({ user, meets }: Watcher, what: WatcherChange['what']): void {
    const isModerator = moderation !== undefined && meets.length > 0
    const silent = follow === 'silent' && !isModerator
    const as = isModerator ? 'moderator' : 'follower'
    recorder.fact({ type: 'watched', by: user, as, what, ...(silent ? { silent } : {}) })
    metrics.watchers.inc({ what })
    if (silent) return
    downstream.notify(
      `Sallyport: ${user} ${what === 'came' ? 'watches' : 'no longer watches'} this session${isModerator ? ', as its moderator' : ''}.`,
    )
  }

  function moderated(state: 'begun' | 'paused' | 'resumed'): void {
    recorder.fact({ type: 'moderation', state })
    metrics.moderation.inc({ protocol, what: state })
  }

  function review(): void {
    if (moderation === undefined || pause === undefined) return
    const paused = !isModerated(moderation, watchers.met(live.id))
    if (paused === pause.paused && changed) return
    const before = pause.paused
    pause.paused = paused
    clearTimeout(absent)
    clearInterval(busy)
    if (paused) {
      moderated('paused')
      const within = durationWords(moderation.absentMs)
      downstream.notify(
        `Sallyport: no moderator watches now: the session is paused. It goes on when one is back, and ends in ${within} otherwise.`,
        'Sallyport: paused, no moderator watches',
        'pause',
      )
      busy = setInterval(live.activity, BUSY_EVERY_MS)
      absent = setTimeout(() => live.abort('moderator-absent'), moderation.absentMs)
    } else {
      moderated(changed ? 'resumed' : 'begun')
      if (changed)
        downstream.notify(
          'Sallyport: a moderator watches again: the session goes on.',
          'Sallyport: the session goes on',
          'pause',
        )
    }
    changed = true
    if (before !== paused) pause.onChange?.()
  }

  const forget = watchers.onChange(live.id, ({ what, watcher }) => {
    note(watcher, what)
    review()
  })
  for (const watcher of watchers.of(live.id)) note(watcher, 'came')
  review()

  return {
    pause,
    [Symbol.dispose]() {
      forget()
      clearTimeout(absent)
      clearInterval(busy)
    },
  }
}
