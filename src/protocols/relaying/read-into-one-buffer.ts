/** Lets a socket read past the machinery of its stream: neither an allocation of its own nor a tick for each little message. */

import type { Duplex } from 'node:stream'

/** One for all sockets: what a read has put into it is copied before the next read of any of them. */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

/** Another than that, and who is given the bytes: they are there until it returns. */
export interface OwnReading {
  readonly buffer: Buffer
  take(bytes: Buffer): void
}

/** What `onread` of net.connect sets up inside a socket. */
interface Inside {
  readonly _handle?: { useUserBuffer?(buffer: Buffer): void } | null
  [field: symbol]: unknown
}

/**
 * The same as the documented option `onread` of net.connect, which neither an accepted socket nor TLS can be given; so it is set
 * where that option is kept. False, and nothing changed, where this Node keeps it elsewhere, or it is no socket of the system's.
 */
export function readIntoOneBuffer(socket: Duplex, own?: OwnReading): boolean {
  const buffer = own?.buffer ?? shared
  const inside = socket as unknown as Inside
  const fields = Object.getOwnPropertySymbols(socket)
  const ownBuffer = fields.find(field => field.description === 'kBuffer')
  const onRead = fields.find(field => field.description === 'kBufferCb')
  if (ownBuffer === undefined || onRead === undefined || !inside._handle?.useUserBuffer) return false
  inside[ownBuffer] = buffer
  inside[onRead] = (length: number): boolean => {
    const bytes = buffer.subarray(0, length)
    if (socket.readableFlowing !== true || socket.readableLength > 0) return socket.push(Buffer.from(bytes))
    if (own === undefined) socket.emit('data', Buffer.from(bytes))
    else own.take(bytes)
    return true
  }
  inside._handle.useUserBuffer(buffer)
  return true
}
