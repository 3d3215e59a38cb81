/** Following a live session from any gateway: the owner of the session sends its recording's chunks, sealed as they are on disk. */

import { randomBytes } from 'node:crypto'
import type { SessionCluster } from '../../cluster/cluster.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'

const REQUEST_CHANNEL = 'follow'
const ANSWER_TIMEOUT_MS = 3000
const KEEP_ALIVE_MS = 5000
/** A follower that has been silent for this long is gone. */
const SILENCE_MS = 3 * KEEP_ALIVE_MS
/** So many chunks (of at most about 256 KB) may be under way to a follower: a slow one waits, and nobody else does. */
const WINDOW = 32

interface Request {
  readonly kind: 'start' | 'keep' | 'stop'
  readonly id: string
  readonly session: string
  /** Chunks up to this number (not included) may be sent. */
  readonly until: number
}

/** A follower on another gateway, as the owner of the session knows it. */
interface Sending {
  readonly stop: AbortController
  heardAt: number
  until: number
  wake: () => void
}

export interface Follow {
  /**
   * The container's bytes of a live session: header, every frame so far, then each new one, then the seal. `stop` ends it at once,
   * also while the session is quiet.
   */
  follow(session: string, stop?: AbortSignal): AsyncIterable<Buffer>
  close(): Promise<void>
}

/**
 * `tap` gives the chunks of a session that runs in this gateway, undefined for any other; `isLive` tells whether a session runs
 * anywhere, so that a follower does not wait for a gateway that died.
 */
export async function createFollow(parts: {
  cluster: SessionCluster
  log: Log
  tap: (session: string, stop?: AbortSignal) => AsyncIterable<Buffer> | undefined
  isLive: (session: string) => Promise<boolean>
}): Promise<Follow> {
  const { cluster, log, tap, isLive } = parts
  const sending = new Map<string, Sending>()

  async function send({ id, session, until }: Request): Promise<void> {
    const follower: Sending = { stop: new AbortController(), heardAt: performance.now(), until, wake: () => undefined }
    const { signal } = follower.stop
    const chunks = tap(session, signal)
    if (chunks === undefined) return
    sending.set(id, follower)
    try {
      let sequence = 0
      for await (const chunk of chunks) {
        // The recording's file is the buffer: waiting costs nothing.
        while (sequence >= follower.until && !signal.aborted && !silent(follower)) {
          await arrival(wake => (follower.wake = wake), KEEP_ALIVE_MS)
        }
        if (signal.aborted || silent(follower)) return
        await cluster.publish(dataChannel(id), encodeChunk(sequence++, chunk))
      }
      await cluster.publish(dataChannel(id), encodeChunk(sequence, Buffer.alloc(0)))
    } catch (error) {
      log.warn({ err: error }, 'a follower on another gateway was lost')
    } finally {
      sending.delete(id)
    }
  }

  const unsubscribe = await cluster.subscribe(REQUEST_CHANNEL, payload => {
    const request = parseRequest(payload)
    if (request === undefined) return
    const follower = sending.get(request.id)
    if (follower === undefined) {
      if (request.kind === 'start') void send(request)
      return
    }
    follower.heardAt = performance.now()
    follower.until = Math.max(follower.until, request.until)
    if (request.kind === 'stop') follower.stop.abort()
    follower.wake()
  })

  async function* followRemote(session: string, stop?: AbortSignal): AsyncGenerator<Buffer> {
    const id = randomBytes(16).toString('hex')
    let expected = 0
    const request = (kind: Request['kind']) =>
      cluster.publish(REQUEST_CHANNEL, Buffer.from(JSON.stringify({ kind, id, session, until: expected + WINDOW })))
    const queue: { sequence: number; chunk: Buffer }[] = []
    let wake: () => void = () => undefined
    const stopListening = await cluster.subscribe(dataChannel(id), payload => {
      queue.push({ sequence: payload.readUInt32BE(0), chunk: payload.subarray(4) })
      wake()
    })
    const stopped = () => wake()
    stop?.addEventListener('abort', stopped)
    const keepAlive = setInterval(() => void request('keep').catch(() => undefined), KEEP_ALIVE_MS)
    try {
      await request('start')
      for (; ; expected++) {
        while (queue.length === 0) {
          if (stop?.aborted) return
          const came = await arrival(resolve => (wake = resolve), expected === 0 ? ANSWER_TIMEOUT_MS : KEEP_ALIVE_MS)
          if (came) continue
          if (expected === 0)
            throw new GatewayError('NOT_FOUND', `Session ${session} is not live on any gateway that answers.`)
          if (!(await isLive(session))) return
        }
        const { sequence, chunk } = queue.shift()!
        if (sequence !== expected) {
          throw new GatewayError('CLUSTER_UNAVAILABLE', 'Parts of the session were lost on the way; follow it again.')
        }
        if (chunk.length === 0) return
        yield chunk
        if (expected % (WINDOW / 2) === 0) await request('keep')
      }
    } finally {
      clearInterval(keepAlive)
      stop?.removeEventListener('abort', stopped)
      await stopListening().catch(() => undefined)
      await request('stop').catch(() => undefined)
    }
  }

  return {
    follow: (session, stop) => tap(session, stop) ?? followRemote(session, stop),
    async close() {
      for (const { stop, wake } of sending.values()) {
        stop.abort()
        wake()
      }
      await unsubscribe().catch(() => undefined)
    },
  }
}

function silent({ heardAt }: Sending): boolean {
  return performance.now() - heardAt > SILENCE_MS
}

function dataChannel(id: string): string {
  return `follow-data:${id}`
}

function encodeChunk(sequence: number, chunk: Buffer): Buffer {
  const message = Buffer.allocUnsafe(4 + chunk.length)
  message.writeUInt32BE(sequence, 0)
  message.set(chunk, 4)
  return message
}

function parseRequest(payload: Buffer): Request | undefined {
  try {
    const request: Request = JSON.parse(payload.toString('utf8'))
    const { id, session, until } = request
    return typeof id === 'string' && typeof session === 'string' && Number.isSafeInteger(until) ? request : undefined
  } catch {
    return undefined
  }
}

/** Resolves true when `register`'s callback is called, false after `timeoutMs`. */
function arrival(register: (wake: () => void) => void, timeoutMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), timeoutMs)
    register(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
