/** The four-tuple of a connection: what is the same for both objects that Node makes of one where TLS lies over it. */

import type { Socket } from 'node:net'

export function socketPair({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
