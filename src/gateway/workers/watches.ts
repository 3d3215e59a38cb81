/** What the people of a worker's logins watch: the events of a live session, which the worker takes piece by piece and shows. */

import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { createWatchSessions } from '../../api/watch-sessions.ts'
import type { Principal } from '../../identity/principal.ts'
import { encodeEventLines } from '../../recording/rendering/event-lines.ts'
import type { WatchableSession, WatchedAs } from '../../self-service/own-watching.ts'
import { GatewayError } from '../../shared/errors.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { GatewayParts } from '../parts.ts'

const MOST_OF_LOGIN = 8
const MOST_LISTED = 1000
/** So much waits for the worker; more waits in the recording. */
const ROOM_BYTES = 256 * 1024
/** An answer comes this soon, with nothing where there is nothing. */
const WAIT_MS = 1000
/** What comes within this time goes in one piece. */
const GATHER_MS = 20
/** Whoever has asked for nothing within this time watches no more. */
const TAKEN_WITHIN_MS = 10_000
const LOOK_EVERY_MS = 1000
/** So often the worker's asking is told as the moderator's own word that they are there. */
const BEAT_MS = 1500

interface Watch {
  readonly login: string
  readonly session: string
  readonly user: string
  readonly as: WatchedAs
  readonly out: PassThrough
  /** By what nobody can set. */
  takenAt: number
  beatAt: number
  error: unknown
}

export type Watches = ReturnType<typeof createWatches>

/** `personOf` throws where they could not log in like this any more. */
export function createWatches(
  parts: Parameters<typeof createWatchSessions>[0] & Pick<GatewayParts, 'live' | 'sessions' | 'personalAccess'>,
  personOf: (login: string) => Promise<Principal>,
) {
  const { sessions, personalAccess, live } = parts
  const watching = createWatchSessions(parts)
  const watches = new Map<string, Watch>()

  const mayFollow = async (person: Principal) => (await personalAccess.scopes(person))?.has('audit') === true

  /** As whom they may watch it now. Throws `NOT_FOUND`. */
  async function asWhat(person: Principal, id: string): Promise<WatchedAs> {
    try {
      await watching.mayModerate(person.user, id)
      return 'moderator'
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'NOT_FOUND')) throw error
    }
    if (await mayFollow(person)) return 'follower'
    throw new GatewayError('NOT_FOUND', `There is no session ${id} that you may follow.`)
  }

  function opened(watch: string, { session, user, as, out }: Watch, source: string) {
    const client = { actor: user, source, out }
    if (as === 'moderator') return watching.moderate(session, { ...client, watch })
    return sessions.get(session).then(row => {
      if (row === undefined) throw new GatewayError('NOT_FOUND', `There is no session ${session} that you may follow.`)
      return watching.follow(row, client)
    })
  }

  /** Until it is over: its client must go on asking, and its person may go on watching. */
  function watchOver(watch: string, one: Watch): void {
    const { out, login, as } = one
    const timer = setInterval(() => {
      if (performance.now() - one.takenAt > TAKEN_WITHIN_MS) out.destroy()
    }, LOOK_EVERY_MS)
    // Of a moderator the same is looked at where they are told of.
    const look = async () => as === 'moderator' || mayFollow(await personOf(login))
    const forget = live.onAccessChange(() => {
      look().then(
        may => void (may || out.destroy()),
        () => out.destroy(),
      )
    })
    out.once('close', () => {
      clearInterval(timer)
      forget()
    })
    out.on('error', () => undefined)
    watches.set(watch, one)
  }

  function held(login: string, watch: string): Watch {
    const one = watches.get(watch)
    if (one !== undefined && one.login === login) return one
    throw new GatewayError('NOT_FOUND', 'Nothing is watched by that id.')
  }

  function over(watch: string): void {
    watches.get(watch)?.out.destroy()
    watches.delete(watch)
  }

  return {
    /** Those that they may moderate, and with the scope `audit` all that are live. */
    async list(login: string): Promise<WatchableSession[]> {
      const person = await personOf(login)
      const moderated = await watching.moderatedBy(person.user)
      const known = new Set(moderated.map(({ id }) => id))
      const rows = (await mayFollow(person)) ? await sessions.list({ state: 'live', limit: MOST_LISTED }) : []
      return [
        ...moderated.map(({ id, user, account, target, protocol, state, since_ms }) => {
          return { id, user, account, target, protocol, state, as: 'moderator' as const, since: isoTime(since_ms) }
        }),
        ...rows
          .filter(({ id }) => !known.has(id))
          .map(({ id, user, account, target, protocol, started_at }) => {
            const about = { id, user, account, target, protocol, since: isoTime(started_at) }
            return { ...about, state: 'live' as const, as: 'follower' as const }
          }),
      ]
    },

    /** `watch`: the client's own id of this one time. What comes of it says `next`. */
    async begin(login: string, session: string, watch: string): Promise<WatchedAs> {
      const person = await personOf(login)
      const as = await asWhat(person, session)
      if (watches.has(watch)) throw new GatewayError('CONFLICT', 'That is watched already.')
      if ([...watches.values()].filter(one => one.login === login).length >= MOST_OF_LOGIN)
        throw new GatewayError('TOO_MANY_CONNECTIONS', `One login watches ${MOST_OF_LOGIN} sessions at most.`)
      const out = new PassThrough({ highWaterMark: ROOM_BYTES })
      const one: Watch = {
        ...{ login, session, user: person.user, as, out },
        ...{ takenAt: performance.now(), beatAt: 0, error: undefined },
      }
      watchOver(watch, one)
      opened(watch, one, person.sourceAddress)
        .then(recording => pipeline(encodeEventLines(recording, true), out))
        .catch(error => {
          one.error = error
          out.destroy()
        })
      return as
    },

    /** The next lines, none where there are none now; null at the end. Throws why it ended before. */
    async next(login: string, watch: string): Promise<Buffer | null> {
      const one = held(login, watch)
      const { out, session, user } = one
      one.takenAt = performance.now()
      if (one.as === 'moderator' && one.takenAt - one.beatAt > BEAT_MS) {
        one.beatAt = one.takenAt
        // Who may not any more is soon told so.
        await watching.isThere(session, { actor: user, watch }).catch(() => undefined)
      }
      await arrival(out)
      const bytes: Buffer | null = out.read()
      if (bytes !== null) return bytes
      const ended = out.writableFinished
      if (!ended && !out.destroyed) return Buffer.alloc(0)
      over(watch)
      if (ended) return null
      throw one.error instanceof GatewayError && one.error.code !== 'RECORDING_DAMAGED'
        ? one.error
        : new GatewayError('SESSION_ENDED', 'You watch this session no more: you may not, or were not heard of.')
    },

    async end(login: string, watch: string): Promise<void> {
      const { as, session } = held(login, watch)
      const person = await personOf(login)
      if (as !== 'moderator') throw new GatewayError('FORBIDDEN', 'You are not the moderator of this session.')
      await watching.end(session, person.user)
    },

    leave(login: string, watch: string): void {
      if (watches.get(watch)?.login === login) over(watch)
    },

    /** The login is over. */
    released(login: string): void {
      for (const [watch, one] of watches) if (one.login === login) over(watch)
    },
  }
}

/** Resolves once there is something to read, it has ended, or nothing came for a while. */
async function arrival(out: PassThrough): Promise<void> {
  if (out.readableLength === 0 && !out.writableFinished && !out.destroyed) {
    const events = ['readable', 'end', 'close'] as const
    const came = Promise.withResolvers<void>()
    const timer = setTimeout(came.resolve, WAIT_MS)
    for (const event of events) out.once(event, came.resolve)
    await came.promise
    clearTimeout(timer)
    for (const event of events) out.off(event, came.resolve)
  }
  if (!out.destroyed) await pause(GATHER_MS)
}
