/** Watching live sessions of others, as their moderator or by the scope `audit`: who may, told to the session, and audited. Over the API and by ssh. */

import type { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { demandsMetBy } from '../access-requests/may-moderate.ts'
import type { Audit } from '../audit/event.ts'
import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Roles } from '../policy/roles.ts'
import type { ModeratorDemand } from '../policy/session-conditions.ts'
import { type OpenBytes, type Recording, readRecordingStream } from '../recording/store/reader.ts'
import type { Follow } from '../session/live/follow.ts'
import type { LiveSessions } from '../session/live/live-sessions.ts'
import type { ModeratedSession, ModeratedSessions } from '../session/records/moderated-sessions.ts'
import type { SessionRow, SessionStore } from '../session/records/session-store.ts'
import { GatewayError } from '../shared/errors.ts'
import { audited } from './audited.ts'
import { notFound } from './errors.ts'
import { newWatchId, type SessionPresence } from './session-presence.ts'

export interface Watching {
  readonly actor: string
  readonly source: string
  /** Of this one time; a client that says by it that it is there has chosen it. */
  readonly watch: string
  /** Where what is watched goes. Whoever watches is there until it is closed. */
  readonly out: Writable
}

interface Wanted {
  readonly state?: ModeratedSession['state'] | undefined
  readonly session?: string | undefined
}

/** So often it is looked whether a session that has its moderator is open. */
const LOOK_EVERY_MS = 100

export function createWatchSessions(parts: {
  readonly moderatedSessions: Pick<ModeratedSessions, 'get' | 'list'>
  readonly sessions: Pick<SessionStore, 'get'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly roles: Pick<Roles, 'getAll'>
  readonly presence: Pick<SessionPresence, 'watch' | 'beat'>
  readonly follow: Pick<Follow, 'follow'>
  readonly live: Pick<LiveSessions, 'onAccessChange' | 'kill'>
  readonly vault: { readonly openBytes: OpenBytes }
  readonly audit: Audit
}) {
  const { moderatedSessions, sessions, users, roles, presence, follow, live, vault, audit } = parts

  /** By people and roles as they are now. */
  async function demandsMet(person: string, { user, demands }: ModeratedSession): Promise<string[]> {
    const [moderator, watched] = await Promise.all([users.get(person), users.get(user)])
    if (moderator === undefined || watched === undefined) return []
    return demandsMetBy(moderator, watched, await demandsNow(demands))
  }

  /** A role that demands none by now has its session go on by who it was. */
  async function demandsNow(demands: readonly ModeratorDemand[]): Promise<ModeratorDemand[]> {
    const now = await roles.getAll(demands.map(({ role }) => role))
    return demands.map(({ role, of }) => ({
      role,
      of: now.find(({ name }) => name === role)?.session?.moderator?.of ?? of,
    }))
  }

  /** Of whom one may not watch it, it looks as if there were none: `NOT_FOUND`. */
  async function mayModerate(person: string, id: string): Promise<[ModeratedSession, string[]]> {
    const session = await moderatedSessions.get(id)
    const meets = session === undefined ? [] : await demandsMet(person, session)
    if (session === undefined || meets.length === 0) throw notFound(`There is no session ${id} that you may moderate.`)
    return [session, meets]
  }

  /** False where the moderator has left, or nothing comes of the session. */
  async function untilOpen(id: string, left: AbortSignal): Promise<boolean> {
    while (!left.aborted) {
      const row = await sessions.get(id)
      if (row?.state === 'active') return true
      if (row?.state === 'ended' || (await moderatedSessions.get(id)) === undefined) return false
      await setTimeout(LOOK_EVERY_MS)
    }
    return false
  }

  return {
    mayModerate,

    /** Those that this person may moderate, the oldest first; `session`: this one alone, however many there are. */
    async moderatedBy(person: string, { state, session: id }: Wanted = {}): Promise<ModeratedSession[]> {
      const found: ModeratedSession[] = []
      const one = id === undefined ? undefined : await moderatedSessions.get(id)
      const listed = id === undefined ? await moderatedSessions.list() : one === undefined ? [] : [one]
      for (const session of listed) {
        if (state !== undefined && session.state !== state) continue
        if ((await demandsMet(person, session)).length > 0) found.push(session)
      }
      return found
    },

    /** As its moderator: what waits for one begins. They are to be heard of (`presence.beat`) every few seconds. Throws `NOT_FOUND`, `CONFLICT`. */
    async moderate(id: string, { actor, source, watch, out }: Watching): Promise<Recording> {
      const [session, meets] = await mayModerate(actor, id)
      const { user, account, target } = session
      const left = new AbortController()
      const data = { user, account, target, source, as: 'moderator' }
      await audit.append({ kind: 'recording.followed', actor, session: id, data })
      const mayStill = async () => {
        const now = await demandsMet(actor, session)
        return meets.every(role => now.includes(role))
      }
      const forget = live.onAccessChange(() => {
        mayStill().then(
          may => void (may || out.destroy()),
          () => out.destroy(),
        )
      })
      presence.watch(id, { id: watch, user: actor, meets }, out, mayStill, () => {
        forget()
        left.abort()
        void audit.append({ kind: 'recording.follow-ended', actor, session: id, data }).catch(() => undefined)
      })
      if (!(await untilOpen(id, left.signal)))
        throw new GatewayError('CONFLICT', `Session ${id} did not begin, or has ended.`)
      return readRecordingStream(follow.follow(id, left.signal), vault.openBytes)
    },

    /** The moderator's client is there. Decided anew each time: whoever may not any more is soon gone. */
    async isThere(id: string, { actor, watch }: Pick<Watching, 'actor' | 'watch'>): Promise<void> {
      await mayModerate(actor, id)
      await presence.beat(watch, actor)
    },

    /** Without being anybody's moderator; whether they have the scope for it is for the caller to know. Throws `CONFLICT`. */
    follow(row: SessionRow, { actor, source, out }: Omit<Watching, 'watch'>): Promise<Recording> {
      const { id, user, account, target } = row
      const data = { user, account, target, source }
      // A follower may leave while the session is quiet: nothing would be written then that could tell.
      const left = new AbortController()
      out.on('close', () => left.abort())
      return audited(audit, { kind: 'recording.followed', actor, session: id, data }, async () => {
        if (row.state === 'ended') throw new GatewayError('CONFLICT', `Session ${id} has ended; replay it.`)
        presence.watch(id, { id: newWatchId(), user: actor, meets: [] }, out, undefined, () => {
          void audit.append({ kind: 'recording.follow-ended', actor, session: id, data }).catch(() => undefined)
        })
        return readRecordingStream(follow.follow(id, left.signal), vault.openBytes)
      })
    },

    /** As one who may be its moderator. */
    async end(id: string, actor: string): Promise<ModeratedSession> {
      const [session] = await mayModerate(actor, id)
      const { user, account, target } = session
      const data = { user, account, target, as: 'moderator' }
      await audited(audit, { kind: 'session.kill-requested', actor, session: id, data }, () =>
        live.kill(id, 'moderator-ended'),
      )
      return session
    },
  }
}
