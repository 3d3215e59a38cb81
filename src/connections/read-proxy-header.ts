/** Reads the PROXY header from the beginning of a balancer's connection, and leaves what comes behind it to the next reader. */

import type { Socket } from 'node:net'
import { type ProxyHeader, parseProxyHeader } from './proxy-header.ts'

/** A balancer sends it at once. */
const HEADER_MS = 5000

/** Resolves when the header is there, broken or too late, or the balancer is gone. The socket needs an error listener. */
export function readProxyHeader(
  socket: Socket,
  withinMs = HEADER_MS,
): Promise<Exclude<ProxyHeader, { kind: 'incomplete' }> | { kind: 'gone' }> {
  return new Promise(resolve => {
    let seen: Buffer = Buffer.alloc(0)
    const end = (header: Exclude<ProxyHeader, { kind: 'incomplete' }> | { kind: 'gone' }) => {
      clearTimeout(timer)
      socket.off('readable', read)
      socket.off('end', gone)
      socket.off('close', gone)
      resolve(header)
    }
    const gone = () => end({ kind: 'gone' })
    const timer = setTimeout(() => end({ kind: 'broken', why: 'it did not come in time' }), withinMs)
    function read(): void {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) return
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const header = parseProxyHeader(seen)
      if (header.kind === 'incomplete') return
      if ('length' in header && seen.length > header.length) socket.unshift(seen.subarray(header.length))
      end(header)
    }
    socket.on('readable', read)
    socket.on('end', gone)
    socket.on('close', gone)
  })
}
