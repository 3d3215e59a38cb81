/**
 * Who watches a session through this gateway's API: said to the session's gateway while the connection is open. A moderator's client says in
 * between that it is there, and takes what it is sent, so that one that died without a word counts for a few seconds only.
 */

import { randomBytes } from 'node:crypto'
import type { Writable } from 'node:stream'
import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'
import { SAY_EVERY_MS, type Watcher, type Watchers } from '../session/live/watchers.ts'
import type { Log } from '../shared/log.ts'

const BEAT_CHANNEL = 'watcher-beat'
/** A moderator's client that was silent for so long is gone, and so is one that has taken nothing for so long of what waits for it. */
const BEAT_WITHIN_MS = 8000

export const watchIdSchema = z.string().regex(/^[0-9a-f]{32}$/, 'an id of 32 hexadecimal digits')
const beatSchema = z.strictObject({ id: watchIdSchema, user: z.string().max(256) })

interface Watching {
  readonly user: string
  /** By what nobody can set. */
  heardAt: number
  /** When nothing waited for the client any more; the same. */
  tookAt: number
}

export interface SessionPresence {
  /**
   * Until the response is closed. `mayStill`, of a moderator: whether they may watch it as that, asked every `SAY_EVERY_MS`; their client has chosen
   * the id, says that it is there, and reads. Without, the connection alone counts. `left` is called when they are gone, whatever for.
   */
  watch(
    session: string,
    watcher: Watcher,
    response: Writable,
    mayStill: (() => Promise<boolean>) | undefined,
    left: () => void,
  ): void
  /** The client of this user is there, whichever gateway has its connection. */
  beat(id: string, user: string): Promise<void>
  close(): Promise<void>
}

export function newWatchId(): string {
  return randomBytes(16).toString('hex')
}

export async function createSessionPresence({
  watchers,
  cluster,
  log,
}: {
  readonly watchers: Pick<Watchers, 'here' | 'gone'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  readonly log: Log
}): Promise<SessionPresence> {
  const watching = new Map<string, Watching>()
  const unsubscribe = await cluster.subscribe(BEAT_CHANNEL, payload => {
    const beat = read(payload)
    const known = beat && watching.get(beat.id)
    if (known !== undefined && known.user === beat!.user) known.heardAt = performance.now()
  })

  return {
    watch(session, watcher, response, mayStill, left) {
      const { id, user } = watcher
      const one: Watching = { user, heardAt: performance.now(), tookAt: performance.now() }
      watching.set(id, one)
      // What cannot be said now is said again in a moment; the session's gateway does not wait for ever.
      const lost = (error: unknown) => log.warn({ err: error, session }, 'who watches a session could not be told')
      const took = () => {
        one.tookAt = performance.now()
      }
      const say = () => {
        if (!response.writableNeedDrain) took()
        if (mayStill !== undefined && performance.now() - Math.min(one.heardAt, one.tookAt) > BEAT_WITHIN_MS) {
          response.destroy()
          return
        }
        watchers.here(session, watcher).catch(lost)
        // Where the store is away nobody knows; their client's own word is not taken then either, and counts for a few seconds only.
        mayStill?.().then(may => void (may || response.destroy()), lost)
      }
      const timer = setInterval(say, SAY_EVERY_MS)
      const gone = () => {
        clearInterval(timer)
        response.off('drain', took)
        watching.delete(id)
        watchers.gone(session, watcher).catch(lost)
        left()
      }
      if (response.destroyed) gone()
      else {
        response.once('close', gone).on('drain', took)
        say()
      }
    },
    async beat(id, user) {
      await cluster.publish(BEAT_CHANNEL, Buffer.from(JSON.stringify({ id, user }), 'utf8'))
    },
    close: () => unsubscribe(),
  }
}

function read(payload: Buffer): z.output<typeof beatSchema> | undefined {
  try {
    return beatSchema.parse(JSON.parse(payload.toString('utf8')))
  } catch {
    return undefined
  }
}
