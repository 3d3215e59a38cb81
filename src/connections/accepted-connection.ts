/** An accepted connection: from its user, or from a load balancer that first sends the source (PROXY protocol). */

import type { Socket } from 'node:net'
import type { Source } from '../identity/proof.ts'
import type { IncomingConnection } from './connection-handler.ts'
import type { ConnectionSlot, NoSlot } from './connection-limits.ts'
import { readProxyHeader } from './read-proxy-header.ts'

export interface AcceptedConnection {
  readonly socket: Socket
  /** The peer of the socket. */
  readonly source: Source
  /** Random bytes that the gateway has for this connection alone, where it has a login proven: `IncomingConnection`. */
  readonly nonce?: Buffer
  /** Its slot, or why there is none; of a balancer's connection how to acquire one once the source is known. */
  readonly slot: ConnectionSlot | NoSlot | AcquireSlot
  /** Sets how the connection is closed when it is evicted. */
  onEvict(close: () => void): void
}

export type AcquireSlot = (source: Source) => Promise<ConnectionSlot | NoSlot>

/** A balancer's own connections (it asks whether the gateway is there) are not counted. */
const UNCOUNTED: ConnectionSlot = {
  reached() {},
  blame() {},
  authenticated() {},
  acquireInner: async () => undefined,
  releaseInner() {},
  release() {},
}

/** Reads the PROXY header where there is one, then passes the connection to the handler. Never rejects. */
export async function identifySource(
  { socket, source, nonce, slot }: Omit<AcceptedConnection, 'onEvict'>,
  {
    handle,
    broken,
  }: { handle: (connection: IncomingConnection) => void; broken: (source: string, why: string) => void },
): Promise<void> {
  const common = { socket, ...(nonce === undefined ? {} : { nonce }) }
  if (typeof slot !== 'function') return handle({ ...common, source, slot })
  socket.on('error', () => socket.destroy())
  const header = await readProxyHeader(socket)
  switch (header.kind) {
    case 'gone':
      return void socket.destroy()
    case 'broken':
      broken(source.address, `a balancer's PROXY header: ${header.why}`)
      return void socket.destroy()
    case 'local':
      return handle({ ...common, source, slot: UNCOUNTED })
    case 'proxied': {
      const acquired = await slot(header.source).catch(() => undefined)
      if (acquired === undefined) socket.destroy()
      else handle({ ...common, source: header.source, slot: acquired })
    }
  }
}
