/** Following a live session from any gateway: the owner of the session sends its recording's chunks, sealed as they are on disk. */

import { randomBytes } from 'node:crypto'
import type { Cluster } from '../cluster/cluster.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'

const REQUEST_CHANNEL = 'follow'
const ANSWER_TIMEOUT_MS = 3000
const KEEP_ALIVE_MS = 5000
/** A follower that has been silent for this long is gone. */
const SILENCE_MS = 3 * KEEP_ALIVE_MS
/** A follower that falls this far behind is dropped: never the session. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024

interface Request {
  readonly kind: 'start' | 'keep' | 'stop'
  readonly id: string
  readonly session: string
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
  cluster: Cluster
  log: Log
  tap: (session: string, stop?: AbortSignal) => AsyncIterable<Buffer> | undefined
  isLive: (session: string) => Promise<boolean>
}): Promise<Follow> {
  const { cluster, log, tap, isLive } = parts
  const sending = new Map<string, { stop: AbortController; heard: number }>()

  async function send(id: string, session: string): Promise<void> {
    const entry = { stop: new AbortController(), heard: performance.now() }
    const chunks = tap(session, entry.stop.signal)
    if (chunks === undefined) return
    sending.set(id, entry)
    try {
      let sequence = 0
      for await (const chunk of chunks) {
        if (entry.stop.signal.aborted || performance.now() - entry.heard > SILENCE_MS) return
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
    const entry = sending.get(request.id)
    if (request.kind === 'keep' && entry !== undefined) entry.heard = performance.now()
    if (request.kind === 'stop') entry?.stop.abort()
    if (request.kind !== 'start' || entry !== undefined) return
    void send(request.id, request.session)
  })

  async function* followRemote(session: string, stop?: AbortSignal): AsyncGenerator<Buffer> {
    const id = randomBytes(16).toString('hex')
    const request = (kind: Request['kind']) =>
      cluster.publish(REQUEST_CHANNEL, Buffer.from(JSON.stringify({ kind, id, session })))
    const queue: { sequence: number; chunk: Buffer }[] = []
    let queuedBytes = 0
    let tooSlow = false
    let wake: () => void = () => undefined
    const stopListening = await cluster.subscribe(dataChannel(id), payload => {
      if (tooSlow) return
      queue.push({ sequence: payload.readUInt32BE(0), chunk: payload.subarray(4) })
      queuedBytes += payload.length
      if (queuedBytes > MAX_QUEUED_BYTES) {
        // Now, and not when the follower next reads: it may never do so.
        tooSlow = true
        queue.length = 0
        void request('stop').catch(() => undefined)
      }
      wake()
    })
    const stopped = () => wake()
    stop?.addEventListener('abort', stopped)
    const keepAlive = setInterval(() => void request('keep').catch(() => undefined), KEEP_ALIVE_MS)
    try {
      await request('start')
      for (let expected = 0; ; expected++) {
        while (queue.length === 0) {
          if (stop?.aborted) return
          if (tooSlow) throw lost()
          const came = await arrival(resolve => (wake = resolve), expected === 0 ? ANSWER_TIMEOUT_MS : KEEP_ALIVE_MS)
          if (came) continue
          if (expected === 0)
            throw new GatewayError('NOT_FOUND', `Session ${session} is not live on any gateway that answers.`)
          if (!(await isLive(session))) return
        }
        const { sequence, chunk } = queue.shift()!
        queuedBytes -= chunk.length + 4
        if (sequence !== expected) throw lost()
        if (chunk.length === 0) return
        yield chunk
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
      for (const { stop } of sending.values()) stop.abort()
      await unsubscribe().catch(() => undefined)
    },
  }
}

function lost(): GatewayError {
  return new GatewayError('CLUSTER_UNAVAILABLE', 'Parts of the session were lost on the way; follow it again.')
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
    return typeof request.id === 'string' && typeof request.session === 'string' ? request : undefined
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
