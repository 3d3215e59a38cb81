/** Where the API listens: a Unix socket for the owner alone, and TLS for the holders of tokens. */

import { chmod, mkdir, stat, unlink } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { identifySource } from '../connections/accepted-connection.ts'
import type { IncomingConnection } from '../connections/connection-handler.ts'
import type { ConnectionSlot, NoSlot } from '../connections/connection-limits.ts'
import { createReceiver, type ReceiverOptions } from '../connections/receiver.ts'
import { socketPair } from '../connections/socket-pair.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'

/** Whose connection it is. */
export interface ApiPeer {
  readonly source: { readonly address: string }
  readonly slot: ConnectionSlot
}

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 60_000
const MAX_CONNECTIONS = 512
/** Connections that have not shown a token that is good. */
const MAX_UNAUTHENTICATED = 384
const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n'
/** `sun_path` of unix(7), less its end. */
const MAX_SOCKET_PATH_BYTES = 107

/**
 * Listens on a Unix socket with mode 0600, in a folder that only its owner can enter (made, with mode 0700, where it is missing).
 * `accepted` is called with each connection. Throws `CONFIG_INVALID` when others can enter the folder, `CONFLICT` when a
 * gateway listens there already.
 */
export async function listenOnSocket(
  path: string,
  onRequest: RequestListener,
  accepted: (socket: Socket) => void,
): Promise<Server> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `api.socket: ${path} is too long for a socket: at most ${MAX_SOCKET_PATH_BYTES} bytes, for example /run/sallyport/api.sock`,
    )
  }
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // With the folder closed to others there is no moment at which they could reach the socket, whatever the umask.
  const { mode, uid } = await stat(folder)
  if ((mode & 0o077) !== 0 || uid !== process.geteuid?.()) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `api.socket: the folder ${folder} must belong to the gateway's user and be closed to others: chmod 700 ${folder}`,
    )
  }
  await removeStaleSocket(path)
  const server = bounded(createServer(onRequest))
  server.on('connection', accepted)
  await listening(server, { path })
  await chmod(path, 0o600)
  return server
}

export interface TlsListenerOptions extends Omit<ReceiverOptions, 'limits' | 'handle'> {
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly key: string
  readonly cert: string
  /** A balancer's connection did not begin as it should. */
  readonly broken: (source: string, why: string) => void
  readonly refused: (source: string, full: NoSlot) => void
}

/** Listens with TLS 1.2 or newer. `accepted` is called with each connection, and whose it is. One source may hold a share of them, not all. */
export async function listenOnTls(
  { host, port, key, cert, broken, refused, ...receiving }: TlsListenerOptions,
  onRequest: RequestListener,
  accepted: (socket: Socket, caller: ApiPeer) => void,
): Promise<{ server: Server; url: string }> {
  const server = bounded(
    createTlsServer({ key, cert, minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_TIMEOUT_MS }, onRequest),
  )
  // What TLS does with a connection comes once there is a slot for it. A peer's address and port name it while it is open.
  const secure = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  const peers = new Map<string, ApiPeer>()
  const receiver = createReceiver({
    ...receiving,
    limits: { maxPerSource: MAX_CONNECTIONS, maxUnauthenticated: MAX_UNAUTHENTICATED },
    handle: accepted => void identifySource(accepted, { handle, broken }),
  })
  function handle({ socket, source, slot }: IncomingConnection): void {
    if ('full' in slot) {
      refused(source.address, slot)
      return void socket.destroy()
    }
    const name = socketPair(socket)
    peers.set(name, { source, slot })
    socket.once('close', () => {
      peers.delete(name)
      slot.release()
    })
    for (const begin of secure) begin.call(server, socket)
  }
  server.on('connection', receiver.receive)
  server.on('close', () => receiver.close())
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peers.get(socketPair(socket))
    peer?.slot.reached('opening')
    if (peer !== undefined) accepted(socket, peer)
  })
  await listening(server, { host, port })
  const address = server.address() as AddressInfo
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return { server, url: `https://${shown}:${address.port}` }
}

/** Lets running requests end for `graceMs`, then cuts them. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}

function bounded<S extends Server>(server: S): S {
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.maxConnections = MAX_CONNECTIONS
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Of a TLS handshake that failed there is nobody to answer.
    const isHttp = /^HPE_|^ERR_HTTP_/.test(error.code ?? '')
    if (isHttp && socket.writable) socket.end(BAD_REQUEST, () => socket.destroy())
    else socket.destroy()
  })
  return server
}

async function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(where, resolve)
  try {
    await promise
  } catch (error) {
    const address = 'path' in where ? where.path : `${where.host}:${where.port}`
    throw new GatewayError('CONFIG_INVALID', `The API cannot listen on ${address}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  server.off('error', reject)
  server.on('error', () => undefined)
}

/** A socket file that nobody answers on is left over from a gateway that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) throw new GatewayError('CONFIG_INVALID', `api.socket: ${path} exists and is not a socket`)
  const answered = await new Promise<boolean>(resolve => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (answered) throw new GatewayError('CONFLICT', `A gateway listens on ${path} already.`)
  await unlink(path)
}
