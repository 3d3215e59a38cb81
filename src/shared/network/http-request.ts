/** One request to somebody else's server, with a time limit and a limit for the answer. No redirect is followed. */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

export interface GetOptions {
  readonly url: URL
  readonly headers: Record<string, string>
  readonly timeoutMs: number
  /** PEM; not given: the certificates of the system. */
  readonly ca?: string | undefined
  /** Connects to the host and the port of the URL; not given: whatever address the host has. */
  readonly dial?: (host: string, port: number, signal: AbortSignal) => Promise<Duplex>
  /** Gives it up. */
  readonly signal?: AbortSignal
  readonly maxAnswerBytes?: number
}

export interface PostOptions extends GetOptions {
  readonly body: Buffer
}

const MAX_ANSWER_BYTES = 1024 * 1024

/** An answer that is no success. */
export class StatusError extends Error {
  readonly status: number
  /** So long it asks not to be asked again. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, retryAfterMs?: number) {
    super(`the answer has the status ${status}`)
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** The body of a 2xx answer. Throws an Error that names the status or what went wrong, never what was sent or answered. */
export function post({ body, ...options }: PostOptions): Promise<Buffer> {
  return exchange('POST', options, body)
}

/** As {@link post}. */
export function get(options: GetOptions): Promise<Buffer> {
  return exchange('GET', options, undefined)
}

async function exchange(method: 'GET' | 'POST', options: GetOptions, body: Buffer | undefined): Promise<Buffer> {
  const { url, headers, timeoutMs, ca, dial, maxAnswerBytes = MAX_ANSWER_BYTES } = options
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
  const late = () => new Error(`no answer within ${timeoutMs} ms`)
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port) || (secure ? 443 : 80)
  let socket: Duplex | undefined
  try {
    socket = await dial?.(host, port, signal)
  } catch (error) {
    throw timeout.aborted ? late() : error
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const failed = (error: Error) => reject(timeout.aborted ? late() : error)
  const length = body === undefined ? {} : { 'content-length': String(body.length) }
  const common = { method, headers: { ...headers, ...length }, signal }
  // An agent, also a new one (`agent: false`), would make connections of its own.
  const connection = (stream: Duplex) => ({
    createConnection: () =>
      secure ? connectTls({ socket: stream, host, servername: isIP(host) === 0 ? host : '', ca }) : stream,
  })
  const settings =
    socket === undefined ? { ...common, ca, agent: false as const } : { ...common, ...connection(socket) }
  const request = secure ? httpsRequest(url, settings) : httpRequest(url, settings)
  request.on('error', failed)
  request.on('close', () => socket?.destroy())
  request.on('response', response => {
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size <= maxAnswerBytes) return
      reject(new Error('the answer is too long'))
      request.destroy()
    })
    response.on('error', failed)
    response.on('end', () => {
      const { statusCode = 0 } = response
      if (statusCode >= 200 && statusCode < 300) resolve(Buffer.concat(chunks))
      else reject(new StatusError(statusCode, retryAfterOf(response.headers)))
    })
  })
  request.end(body)
  return promise
}

/** RFC 9110, 10.2.3: seconds, or a time, which is read by the clock of the one who says it. */
function retryAfterOf({ 'retry-after': after, date }: IncomingHttpHeaders): number | undefined {
  if (after === undefined) return undefined
  if (/^\d{1,9}$/.test(after)) return Number(after) * 1000
  const wait = Date.parse(after) - Date.parse(date ?? '')
  return Number.isFinite(wait) && wait > 0 ? wait : undefined
}
