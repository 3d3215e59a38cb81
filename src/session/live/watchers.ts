/**
 * Who watches which live session, on whichever gateways they and the session are: the API's gateway says so every two seconds, and when they
 * leave. Whoever is not heard of any more is gone.
 */

import { z } from 'zod'
import type { SessionCluster } from '../../cluster/cluster.ts'
import type { Log } from '../../shared/log.ts'

export const WATCHED_CHANNEL = 'session-watched'
/** So often it is said that somebody is still there. */
export const SAY_EVERY_MS = 2000
const SILENCE_MS = 7000
const LOOK_EVERY_MS = 500
/** So many follow one session, and so many moderate it; more are not counted. */
const MOST_OF_ONE = 256

const watcherSchema = z.strictObject({
  /** Of this one time that they watch. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  user: z.string().max(256),
  /** The roles whose demand for a moderator they meet; empty: they follow, and no more. */
  meets: z.array(z.string().max(64)).max(64),
})
export type Watcher = z.output<typeof watcherSchema>

const messageSchema = z.strictObject({ what: z.enum(['here', 'gone']), watcher: watcherSchema })
type Message = z.output<typeof messageSchema>

export type WatcherChange = { readonly what: 'came' | 'left'; readonly watcher: Watcher }

export interface Watchers {
  /** To be said again every `SAY_EVERY_MS`. Rejects where the others cannot be told. */
  here(session: string, watcher: Watcher): Promise<void>
  gone(session: string, watcher: Watcher): Promise<void>
  of(session: string): readonly Watcher[]
  /** The roles whose demands are met by those who watch. */
  met(session: string): ReadonlySet<string>
  /** Calls the listener after each change. Returns an unsubscribe function. */
  onChange(session: string, listener: (change: WatcherChange) => void): () => void
  close(): Promise<void>
}

interface Heard {
  readonly watcher: Watcher
  /** By what nobody can set. */
  at: number
}

export async function createWatchers({
  cluster,
  log,
}: {
  readonly cluster: SessionCluster
  readonly log: Log
}): Promise<Watchers> {
  const sessions = new Map<string, Map<string, Heard>>()
  const listeners = new Map<string, Set<(change: WatcherChange) => void>>()

  function tell(session: string, change: WatcherChange): void {
    for (const listener of [...(listeners.get(session) ?? [])]) {
      try {
        listener(change)
      } catch (error) {
        log.error({ err: error, session }, 'a change of who watches a session was not taken')
      }
    }
  }

  function hear(session: string, { what, watcher }: Message): void {
    const heard = sessions.get(session) ?? new Map<string, Heard>()
    const before = heard.get(watcher.id)
    if (what === 'gone') {
      if (before === undefined) return
      leave(session, heard, before.watcher)
    } else if (before === undefined) {
      // Followers must not take the place of a moderator.
      const alike = [...heard.values()].filter(one => moderates(one.watcher) === moderates(watcher))
      if (alike.length >= MOST_OF_ONE) return
      heard.set(watcher.id, { watcher, at: performance.now() })
      sessions.set(session, heard)
      tell(session, { what: 'came', watcher })
    } else before.at = performance.now()
  }

  function leave(session: string, heard: Map<string, Heard>, watcher: Watcher): void {
    heard.delete(watcher.id)
    if (heard.size === 0) sessions.delete(session)
    tell(session, { what: 'left', watcher })
  }

  function dropSilent(): void {
    const now = performance.now()
    for (const [session, heard] of sessions) {
      for (const { watcher, at } of [...heard.values()]) {
        if (now - at > SILENCE_MS) leave(session, heard, watcher)
      }
    }
  }

  const say = (session: string, message: Message) =>
    cluster.publish(WATCHED_CHANNEL, Buffer.from(`${session} ${JSON.stringify(message)}`, 'utf8'))

  const unsubscribe = await cluster.subscribe(WATCHED_CHANNEL, payload => {
    const [session, message] = read(payload)
    if (message !== undefined) hear(session, message)
  })
  const timer = setInterval(dropSilent, LOOK_EVERY_MS).unref()

  return {
    here: (session, watcher) => say(session, { what: 'here', watcher }),
    gone: (session, watcher) => say(session, { what: 'gone', watcher }),
    of: session => [...(sessions.get(session)?.values() ?? [])].map(({ watcher }) => watcher),
    met: session => new Set([...(sessions.get(session)?.values() ?? [])].flatMap(({ watcher }) => watcher.meets)),
    onChange(session, listener) {
      const mine = listeners.get(session) ?? new Set()
      listeners.set(session, mine.add(listener))
      return () => {
        mine.delete(listener)
        if (mine.size === 0 && listeners.get(session) === mine) listeners.delete(session)
      }
    },
    async close() {
      clearInterval(timer)
      await unsubscribe().catch(() => undefined)
    },
  }
}

function moderates({ meets }: Watcher): boolean {
  return meets.length > 0
}

function read(payload: Buffer): [session: string, message: Message | undefined] {
  const text = payload.toString('utf8')
  const at = text.indexOf(' ')
  try {
    return [text.slice(0, at), messageSchema.parse(JSON.parse(text.slice(at + 1)))]
  } catch {
    return ['', undefined]
  }
}
