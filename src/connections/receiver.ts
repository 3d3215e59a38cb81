/** Receives accepted connections, gives them their slots and passes them to a handler. */

import type { Socket } from 'node:net'
import type { AcceptedConnection } from './accepted-connection.ts'
import { createAdmission } from './admission.ts'
import { type ConnectionLimitsOptions, createConnectionLimits } from './connection-limits.ts'

export interface ReceiverOptions {
  readonly limits: { readonly maxPerSource: number; readonly maxUnauthenticated: number }
  readonly sources: ConnectionLimitsOptions['sources']
  readonly onEvicted?: () => void
  /** Whether connections from the address begin with a PROXY header. */
  readonly isBalancer?: (address: string) => boolean
  /** How long the next connections of a source that fills its share may wait for a slot. */
  readonly patienceMs?: number
  readonly handle: (accepted: AcceptedConnection) => void
}

export interface Receiver {
  receive(socket: Socket): void
  /** Ends all waiting. */
  close(): void
}

export function createReceiver(options: ReceiverOptions): Receiver {
  const { limits, sources, onEvicted, isBalancer = () => false, patienceMs, handle } = options
  const slots = createConnectionLimits({ ...limits, sources, ...(onEvicted && { onEvicted }) })
  const admission = createAdmission(slots, {
    mostWaiting: limits.maxUnauthenticated,
    mostOfOneSource: Math.ceil(limits.maxUnauthenticated / 2),
    ...(patienceMs !== undefined && { patienceMs }),
  })
  return {
    receive(socket) {
      const { remoteAddress: address, remotePort = 0 } = socket
      socket.on('error', () => socket.destroy())
      // It has disconnected already.
      if (address === undefined) return void socket.destroy()
      let close = () => {
        socket.destroy()
      }
      const cut = () => close()
      const accepted = {
        socket,
        source: { address, port: remotePort },
        onEvict(how: () => void) {
          close = how
        },
      }
      if (isBalancer(address)) handle({ ...accepted, slot: origin => admission.acquire(origin.address, cut) })
      else void admission.acquire(address, cut).then(slot => handle({ ...accepted, slot }))
    },
    close: () => admission.close(),
  }
}
