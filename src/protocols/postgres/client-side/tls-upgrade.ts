/** Turns an accepted socket into a TLS one, through a real tls.Server so that every check of Node's applies. */

import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { socketPair } from '../../../connections/socket-pair.ts'
import type { TlsCertificate } from '../../../shared/tls/issue-certificate.ts'

/** Resolves to undefined when the handshake failed or the client left; the socket is destroyed then. */
export type TlsUpgrade = (socket: Socket) => Promise<TLSSocket | undefined>

export function createTlsUpgrade(certificate: TlsCertificate, handshakeTimeoutMs: number): TlsUpgrade {
  // The server never listens: sockets are handed to it. A peer's address and port name the connection while both are open.
  const waiting = new Map<string, (socket: TLSSocket) => void>()
  const server = createServer({
    ...certificate,
    minVersion: 'TLSv1.2',
    handshakeTimeout: handshakeTimeoutMs,
    ALPNProtocols: ['postgresql'],
    noDelay: true,
  })
  server.on('secureConnection', socket => {
    socket.on('error', () => undefined)
    waiting.get(socketPair(socket))?.(socket)
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return socket =>
    new Promise(resolve => {
      const name = socketPair(socket)
      const settle = (secured: TLSSocket | undefined) => {
        waiting.delete(name)
        socket.off('close', failed)
        resolve(secured)
      }
      const failed = () => settle(undefined)
      socket.once('close', failed)
      waiting.set(name, settle)
      server.emit('connection', socket)
    })
}
