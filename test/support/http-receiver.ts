/** A real HTTP or HTTPS server on loopback that keeps what is POSTed to it, and answers as a test wants it. */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  json<T>(): T
}

export interface HttpReceiver {
  readonly url: string
  readonly received: readonly Received[]
  /** Resolves when so many have come. */
  until(count: number): Promise<readonly Received[]>
  /** How the next are answered: 204 at first. */
  answer(how: (response: ServerResponse, request: Received) => void): void
  close(): Promise<void>
}

export async function startHttpReceiver(
  tls?: { key: string; cert: string },
  address = '127.0.0.1',
): Promise<HttpReceiver> {
  const received: Received[] = []
  let changed = Promise.withResolvers<void>()
  let how: Parameters<HttpReceiver['answer']>[0] = response => void response.writeHead(204).end()
  const listener: RequestListener = (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', chunk => (body += chunk))
    request.on('end', () => {
      const one = { path: request.url!, headers: request.headers, body, json: () => JSON.parse(body) }
      received.push(one)
      how(response, one)
      changed.resolve()
      changed = Promise.withResolvers()
    })
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>(resolve => server.listen(0, address, resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${address === '127.0.0.1' ? 'localhost' : address}:${port}/hooks/sallyport`,
    received,
    async until(count) {
      while (received.length < count) await changed.promise
      return received
    },
    answer(next) {
      how = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
