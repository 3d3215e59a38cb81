/** What the broker keeps of sessions that wait for a moderator, where people come and leave between two of its steps. */

import t from 'tap'
import type { Grant } from '../../../src/policy/grant.ts'
import { createModeration, type ModerationParts } from '../../../src/session/broker/moderation.ts'
import type { WatcherChange } from '../../../src/session/live/watchers.ts'

const SESSION = 'ses_01'
const grant = {
  session: SESSION,
  user: 'alice',
  target: { protocol: 'ssh' },
  moderation: { demands: [{ role: 'ops', of: ['role:security'] }], waitMs: 600_000, absentMs: 300_000 },
} as unknown as Grant

function start() {
  const audited: string[] = []
  const rows = new Set<string>()
  let watched = false
  const listeners = new Set<(change: WatcherChange) => void>()
  const opened = Promise.withResolvers<void>()
  const parts = {
    watchers: {
      of: () => [],
      met: () => new Set(watched ? ['ops'] : []),
      onChange(_session: string, listener: (change: WatcherChange) => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    moderatedSessions: {
      async open(): Promise<object> {
        await opened.promise
        rows.add(SESSION)
        return {}
      },
      begun: async () => undefined,
      remove: async () => void rows.delete(SESSION),
    },
    sessionAudit: { moderation: async (_grant: Grant, kind: string) => void audited.push(kind) },
    metrics: { moderation: { inc: () => undefined } },
    moderatorWanted: async () => undefined,
    log: {},
  } as unknown as ModerationParts
  return {
    ...{ audited, rows, opened, moderation: createModeration(parts) },
    watches(now: boolean) {
      watched = now
      for (const listener of listeners) listener({} as WatcherChange)
    },
  }
}

const ALLOWED = { is: 'allowed', ends: grant.ends } as const

t.test('whoever leaves while their waiting is written down waits no longer, and is in no list', async t => {
  const { moderation, opened, rows } = start()
  const waited = moderation.wait(grant, '127.0.0.1', async () => ALLOWED)
  moderation.forget(grant)
  opened.resolve()
  t.match(await waited, { code: 'SESSION_ENDED' })
  t.equal(rows.size, 0)
})

t.test('a moderator who leaves while the session is decided anew is missed', async t => {
  const { moderation, opened, audited, watches } = start()
  opened.resolve()
  watches(true)
  const waited = moderation.wait(grant, '127.0.0.1', async () => {
    watches(false)
    return ALLOWED
  })
  t.equal(await waited, undefined)
  t.same(audited, ['session.moderator-awaited', 'session.moderated', 'session.paused'])
  moderation.forget(grant)
})
