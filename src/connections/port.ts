/** A port people connect to: accepts connections, and hands them to a receiver. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Log } from '../shared/log.ts'
import { createReceiver, type ReceiverOptions } from './receiver.ts'

export interface PortOptions extends ReceiverOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
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

export function createPort({ host, port, pauseOnConnect = false, log, ...receiving }: PortOptions): Port {
  const receiver = createReceiver(receiving)
  const server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect }, receiver.receive)
  server.on('error', error => log.error({ err: error, host, port }, 'a port failed'))
  return {
    async listen() {
      server.listen(port, host)
      await once(server, 'listening')
      const { address, port: bound } = server.address() as AddressInfo
      return { host: address, port: bound }
    },
    stopAccepting() {
      receiver.close()
      if (server.listening) server.close()
    },
  }
}
