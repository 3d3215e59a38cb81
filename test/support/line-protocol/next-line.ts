/** Reads one line, and leaves what comes after it where it is. */

import { once } from 'node:events'
import type { Duplex } from 'node:stream'

/** Empty where the other side has hung up. */
export async function nextLine(socket: Duplex): Promise<string> {
  let text = ''
  while (!text.endsWith('\n')) {
    const byte: Buffer | null = socket.read(1)
    if (byte !== null) text += byte.toString('latin1')
    else if (socket.readableEnded || socket.destroyed) return ''
    else await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')])
  }
  return text.trimEnd()
}
