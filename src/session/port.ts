/** A port people connect to: accepts connections, counts and bounds them, and shows them in. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createConnectionLimits } from '../shared/connection-limits.ts'
import type { Log } from '../shared/log.ts'
import type { Door } from './door.ts'

export interface PortOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly limits: { readonly maxPerSource: number; readonly maxUnauthenticated: number }
  readonly enter: Door['enter']
  /** Nothing is read from a connection before the one that takes it over does so: it may go to another process. */
  readonly pauseOnConnect?: boolean
  readonly log: Log
}

export interface Port {
  /** Throws what `listen` throws (EADDRINUSE…). */
  listen(): Promise<{ host: string; port: number }>
  /** No new connections; the open ones go on. */
  stopAccepting(): void
}

export function createPort({ host, port, limits, enter, pauseOnConnect = false, log }: PortOptions): Port {
  const places = createConnectionLimits(limits)
  const server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect }, socket => {
    const { remoteAddress: address, remotePort = 0 } = socket
    // Gone already.
    if (address === undefined) socket.destroy()
    else enter({ socket, source: { address, port: remotePort }, place: places.enter(address) })
  })
  server.on('error', error => log.error({ err: error, host, port }, 'a port failed'))
  return {
    async listen() {
      server.listen(port, host)
      await once(server, 'listening')
      const { address, port: bound } = server.address() as AddressInfo
      return { host: address, port: bound }
    },
    stopAccepting() {
      if (server.listening) server.close()
    },
  }
}
