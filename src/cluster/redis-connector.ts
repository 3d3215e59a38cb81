/**
 * Opens the sockets to Redis. ioredis listens for one error of a socket; over TLS there can be two (a record that cannot be
 * read, then the reset), and an error that nobody listens for ends the process.
 */

import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector } from 'ioredis'
import type { RedisConnectionOptions } from './redis-url.ts'

/** How long a socket may take to end once it is no longer wanted. */
const DISCONNECT_PATIENCE_MS = 2000

export function redisConnector({ host, port, tls }: RedisConnectionOptions) {
  return class RedisConnector extends AbstractConnector {
    constructor() {
      super(DISCONNECT_PATIENCE_MS)
    }

    async connect() {
      this.connecting = true
      const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls })
      socket.on('error', error => {
        this.firstError = error
        // After a TLS error the socket would stay open, for nothing.
        socket.destroy()
      })
      this.stream = socket
      return socket
    }
  }
}
