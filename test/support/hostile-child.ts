/** A process that breaks the channel to the one that has forked it, each time in another way. */

import { writeSync } from 'node:fs'
import { createServer } from 'node:net'

/** The ways, by name. */
export const ATTACKS = {
  'an answer to a socket that was not sent': () => say({ cmd: 'NODE_HANDLE_ACK' }),
  'a message that only Node sends': () => say({ cmd: 'NODE_HANDLE', type: 'net.Server' }),
  'a message of a cluster': () => say({ cmd: 'NODE_CLUSTER', act: 'listening' }),
  'bytes that are no message': () => write([0, 0, 0, 5, 1, 2, 3, 4, 5]),
  'a message of no bytes': () => write([0, 0, 0, 0]),
  'a length of two thousand million': () => write([0x7f, 0xff, 0xff, 0xff, 1]),
  'a length below nothing': () => write([0xff, 0xff, 0xff, 0xff]),
  'a message of 100 MB': () => say({ kind: 'call', method: 'admit', values: ['x'.repeat(100 * 1024 * 1024)] }),
  'a socket': () => {
    const server = createServer().listen(0, '127.0.0.1', () => process.send!({ kind: 'ready' }, server))
  },
} as const

if (import.meta.main) {
  process.on('disconnect', () => process.exit(1))
  // The channel, once it is there.
  process.once('message', () => ATTACKS[process.env.ATTACK as keyof typeof ATTACKS]?.())
}

function say(message: object): void {
  process.send!(message, () => undefined)
}

function write(bytes: number[]): void {
  writeSync((process.channel as unknown as { fd: number }).fd, Uint8Array.from(bytes))
}
