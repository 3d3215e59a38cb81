/** A connection as it was accepted: from its user, or from a balancer that first says where it comes from (PROXY protocol). */

import type { Socket } from 'node:net'
import type { Source } from '../identity/proof.ts'
import type { IncomingConnection } from './connection-handler.ts'
import type { Full, Place } from './connection-limits.ts'
import { readProxyHeader } from './read-proxy-header.ts'

export interface Arrival {
  readonly socket: Socket
  /** The peer of the socket. */
  readonly source: Source
  /** Its place, or why there is none; of a balancer's connection the way to one, once its source is known. */
  readonly place: Place | Full | Seating
  /** Whoever takes the connection over says how it is closed when its place is given to another. */
  cutBy(close: () => void): void
}

export type Seating = (source: Source) => Promise<Place | Full>

/** A balancer's own connections (it asks whether the gateway is there) are not counted. */
const UNCOUNTED: Place = {
  reached() {},
  blame() {},
  authenticated() {},
  leave() {},
}

/** Shows an arrival in, as soon as it is known where it comes from. Never rejects. */
export async function greet(
  { socket, source, place }: Omit<Arrival, 'cutBy'>,
  { enter, broken }: { enter: (connection: IncomingConnection) => void; broken: (source: string, why: string) => void },
): Promise<void> {
  if (typeof place !== 'function') return enter({ socket, source, place })
  socket.on('error', () => socket.destroy())
  const header = await readProxyHeader(socket)
  switch (header.kind) {
    case 'gone':
      return void socket.destroy()
    case 'broken':
      broken(source.address, `a balancer's PROXY header: ${header.why}`)
      return void socket.destroy()
    case 'local':
      return enter({ socket, source, place: UNCOUNTED })
    case 'proxied': {
      const seat = await place(header.source).catch(() => undefined)
      if (seat === undefined) socket.destroy()
      else enter({ socket, source: header.source, place: seat })
    }
  }
}
