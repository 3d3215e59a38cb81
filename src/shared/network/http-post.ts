/** One POST to somebody else's server, with a time limit and a limit for the answer. No redirect is followed. */

import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface PostOptions {
  readonly url: URL
  readonly headers: Record<string, string>
  readonly body: Buffer
  readonly timeoutMs: number
  /** PEM; not given: the certificates of the system. */
  readonly ca?: string | undefined
}

const MAX_ANSWER_BYTES = 1024 * 1024

/** The body of a 2xx answer. Throws an Error that names the status or what went wrong, never what was sent. */
export async function post({ url, headers, body, timeoutMs, ca }: PostOptions): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const signal = AbortSignal.timeout(timeoutMs)
  const options = {
    method: 'POST',
    headers: { ...headers, 'content-length': String(body.length) },
    signal,
    agent: false,
  }
  const request = url.protocol === 'https:' ? httpsRequest(url, { ...options, ca }) : httpRequest(url, options)
  request.on('error', error => reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error))
  request.on('response', response => {
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'))
    })
    response.on('error', error => reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error))
    response.on('end', () => {
      const { statusCode = 0 } = response
      if (statusCode >= 200 && statusCode < 300) resolve(Buffer.concat(chunks))
      else reject(new Error(`the answer has the status ${statusCode}`))
    })
  })
  request.end(body)
  return promise
}
