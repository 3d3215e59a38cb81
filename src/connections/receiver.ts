/** Receives accepted connections: gives them their places, and shows them in. */

import type { Socket } from 'node:net'
import { createAdmission } from './admission.ts'
import type { Arrival } from './arrival.ts'
import { type ConnectionLimitsOptions, createConnectionLimits } from './connection-limits.ts'

export interface ReceiverOptions {
  readonly limits: { readonly maxPerSource: number; readonly maxUnauthenticated: number }
  readonly sources: ConnectionLimitsOptions['sources']
  readonly onEvicted?: () => void
  /** Whether connections from the address begin with a PROXY header. */
  readonly isBalancer?: (address: string) => boolean
  /** How long the next connections of a source that fills its share may wait for a place. */
  readonly patienceMs?: number
  readonly enter: (arrival: Arrival) => void
}

export interface Receiver {
  receive(socket: Socket): void
  /** Nobody waits any longer. */
  close(): void
}

export function createReceiver(options: ReceiverOptions): Receiver {
  const { limits, sources, onEvicted, isBalancer = () => false, patienceMs, enter } = options
  const places = createConnectionLimits({ ...limits, sources, ...(onEvicted && { onEvicted }) })
  const admission = createAdmission(places, {
    mostWaiting: limits.maxUnauthenticated,
    mostOfOneSource: Math.ceil(limits.maxUnauthenticated / 2),
    ...(patienceMs !== undefined && { patienceMs }),
  })
  return {
    receive(socket) {
      const { remoteAddress: address, remotePort = 0 } = socket
      socket.on('error', () => socket.destroy())
      // Gone already.
      if (address === undefined) return void socket.destroy()
      let close = () => {
        socket.destroy()
      }
      const cut = () => close()
      const arrival = {
        socket,
        source: { address, port: remotePort },
        cutBy(how: () => void) {
          close = how
        },
      }
      if (isBalancer(address)) enter({ ...arrival, place: origin => admission.enter(origin.address, cut) })
      else void admission.enter(address, cut).then(place => enter({ ...arrival, place }))
    },
    close: () => admission.close(),
  }
}
