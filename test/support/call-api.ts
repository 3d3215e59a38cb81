/** One request to the API, as a program would make it. */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { TestGateway } from './start-gateway.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  json<T>(): T
}

export interface CallOptions {
  /** Not given: none is sent. */
  readonly token?: string
  readonly method?: string
  readonly body?: unknown
  /** Over the owner's socket. */
  readonly socket?: boolean
  /** Where it comes from. */
  readonly localAddress?: string
}

export function callApi(gateway: TestGateway, path: string, options: CallOptions = {}): Promise<Answer> {
  const { token, method = 'GET', body, socket = false, localAddress } = options
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  return new Promise((resolve, reject) => {
    const request = socket
      ? httpRequest({ socketPath: gateway.api.socket!, path, method, headers })
      : httpsRequest(new URL(path, gateway.api.url), {
          ...{ method, headers, agent: false },
          rejectUnauthorized: false,
          ...(localAddress === undefined ? {} : { localAddress }),
        })
    request.on('error', reject).on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('error', reject).on('close', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: text,
          json: () => JSON.parse(text),
        }),
      )
    })
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
